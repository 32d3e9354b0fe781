import type { Plane, SliceContext, SliceImage } from "../slice_image.ts";
import type { Volume } from "../volume.ts";
import { orientationOf } from "../geometry/orientation.ts";

/** Array axis of `[depth, height, width]` along which a plane's slices follow each other. */
export const NORMAL_AXIS: Readonly<Record<Plane, 0 | 1 | 2>> = { axial: 0, coronal: 1, sagittal: 2 };

/** How a plane is laid out on the screen: the array axes of rows and columns. Both run against their axis, see below. */
const SCREEN_AXES: Readonly<Record<Plane, readonly [0 | 1 | 2, 0 | 1 | 2]>> = {
  axial: [1, 2],
  coronal: [0, 2],
  sagittal: [0, 1],
};

/**
 * Cuts one slice out of a canonical volume, laid out as a radiologist sees it ({@linkcode SliceImage}).
 *
 * The array of a RAS+ volume runs left→right, posterior→anterior and inferior→superior; the screen runs against all three: the first
 * row is the most anterior (axial) or superior one, the first column the patient's right or, on sagittal slices, the most
 * anterior one.
 *
 * @param volume A scan in RAS+ order, as `toCanonical` returns it; stays the caller's.
 * @param plane The plane to cut along.
 * @param index Slice along the plane's normal: 0 is the most inferior, posterior or left one.
 * @throws RangeError when the volume is not canonical or the index lies outside.
 */
export function extractSlice(
  volume: Volume,
  plane: Plane,
  index: number,
): { image: SliceImage; context: SliceContext } {
  const orientation = orientationOf(volume.affine);
  if (orientation !== "RAS") {
    throw new RangeError(
      `Cannot extract a slice: the volume is not canonical: got axes ${orientation}, expected RAS. Apply toCanonical first.`,
    );
  }
  const { shape, data, spacingMm } = volume;
  const count = shape[NORMAL_AXIS[plane]];
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(
      `Cannot extract a slice: the ${plane} index lies outside: got ${index}, expected an integer of 0…${count - 1}.`,
    );
  }
  const [rowAxis, columnAxis] = SCREEN_AXES[plane];
  const [height, width] = [shape[rowAxis], shape[columnAxis]];
  const step = [shape[1] * shape[2], shape[2], 1] as const;
  const pixels = new Float32Array(height * width);
  const start = index * step[NORMAL_AXIS[plane]];
  for (let row = 0; row < height; row++) {
    const rowStart = start + (height - 1 - row) * step[rowAxis];
    for (let column = 0; column < width; column++) {
      pixels[row * width + column] = data[rowStart + (width - 1 - column) * step[columnAxis]]!;
    }
  }
  return {
    image: { pixels, width, height, spacingMm: [spacingMm[rowAxis], spacingMm[columnAxis]] },
    context: { modality: volume.modality, plane, index, count, relativePosition: (index + 0.5) / count },
  };
}
