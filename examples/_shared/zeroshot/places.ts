import { applyAffine, NORMAL_AXIS, type Plane, PLANES, type Triple, type Volume } from "@med3d/volume";

/** Which slices are asked about. */
export interface PlaceOptions {
  /** Planes that are asked about. Default: all three. */
  readonly planes?: readonly Plane[];
  /** Slices of each plane. Default 8. */
  readonly perPlane?: number;
  /** Share of the slices that is passed over at either end of a plane's axis, in [0, 0.5). Default 0.1. */
  readonly margin?: number;
}

/** A slice that is asked about, and where it is. */
export interface SlicePlace {
  /** The plane it lies in. */
  readonly plane: Plane;
  /** Index along the plane's normal in the canonical scan. */
  readonly index: number;
  /** `(index + 0.5) / count`, in (0, 1). */
  readonly relativePosition: number;
  /** The slice's centre in the world, RAS+ millimetres. */
  readonly positionMm: readonly [number, number, number];
}

/**
 * Spreads questions evenly over planes; a plane with fewer slices than questions is asked about each of them once.
 *
 * @param canonical The scan, RAS+.
 */
export function spreadPlaces(
  { shape, affine }: Pick<Volume, "shape" | "affine">,
  options: PlaceOptions = {},
): SlicePlace[] {
  const { planes = PLANES, perPlane = 8, margin = 0.1 } = options;
  return planes.flatMap((plane) => {
    const axis = NORMAL_AXIS[plane];
    const count = shape[axis];
    const indices = Array.from(
      { length: perPlane },
      (_, place) => Math.floor(count * (margin + (1 - 2 * margin) * (place + 0.5) / perPlane)),
    );
    return [...new Set(indices)].map((index): SlicePlace => {
      const centre = shape.map((extent) => (extent - 1) / 2); // depth, height, width
      centre[axis] = index;
      const positionMm = applyAffine(affine, centre.toReversed() as unknown as Triple);
      return { plane, index, relativePosition: (index + 0.5) / count, positionMm };
    });
  });
}
