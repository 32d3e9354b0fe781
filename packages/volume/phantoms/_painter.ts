/** A point or extent in the phantom's own frame, millimetres: x to the right, y anterior, z superior. */
export type Point = readonly [number, number, number];

/** Grid that a phantom is painted on. */
export interface PaintGrid {
  /** `[depth, height, width]` in voxels. */
  readonly shape: readonly [number, number, number];
  /** `[depth, height, width]` in millimetres. */
  readonly spacingMm: readonly [number, number, number];
  /** Rotation from scanner to phantom frame, 3×3 row-major. */
  readonly rotation: readonly number[];
  /** Where the phantom's origin lies, in millimetres from the grid's centre. */
  readonly shiftMm: Point;
}

/** A structure: where it is, how bright, and under which label. Later structures cover earlier ones. */
export interface Structure {
  /** Label written where the structure is; `undefined` leaves the label below. */
  readonly label?: number;
  /** Intensity, or how to get it from the place. */
  readonly value: number | ((x: number, y: number, z: number) => number);
  /** Whether a place, in millimetres, lies inside. */
  readonly contains: (x: number, y: number, z: number) => boolean;
}

/** Says whether a point lies in an ellipsoid. */
export function ellipsoid(center: Point, radii: Point): Structure["contains"] {
  const [cx, cy, cz] = center;
  const [rx, ry, rz] = radii;
  return (x, y, z) => ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 <= 1;
}

/** Says whether a point lies in an upright elliptic cylinder. */
export function column(center: readonly [number, number], radii: readonly [number, number]): Structure["contains"] {
  return (x, y) => ((x - center[0]) / radii[0]) ** 2 + ((y - center[1]) / radii[1]) ** 2 <= 1;
}

/** A rotation by small angles about x, y and z, in degrees; 3×3 row-major. */
export function rotationOf([aboutX, aboutY, aboutZ]: Point): number[] {
  const [cx, sx, cy, sy, cz, sz] = [aboutX, aboutY, aboutZ].flatMap((degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return [Math.cos(angle), Math.sin(angle)];
  }) as [number, number, number, number, number, number];
  return [
    cz * cy,
    cz * sy * sx - sz * cx,
    cz * sy * cx + sz * sx,
    sz * cy,
    sz * sy * sx + cz * cx,
    sz * sy * cx - cz * sx,
    -sy,
    cy * sx,
    cy * cx,
  ];
}

/**
 * Paints structures in order onto a grid.
 *
 * @returns Intensities and labels, `[depth, height, width]` in C order; background is `background` and label 0.
 */
export function paint(
  grid: PaintGrid,
  structures: readonly Structure[],
  background: number,
): { intensities: Float32Array; labels: Uint8Array } {
  const { shape: [depth, height, width], spacingMm, rotation: r, shiftMm } = grid;
  const intensities = new Float32Array(depth * height * width).fill(background);
  const labels = new Uint8Array(intensities.length);
  let voxel = 0;
  for (let k = 0; k < depth; k++) {
    const sz = (k - (depth - 1) / 2) * spacingMm[0] - shiftMm[2];
    for (let j = 0; j < height; j++) {
      const sy = (j - (height - 1) / 2) * spacingMm[1] - shiftMm[1];
      for (let i = 0; i < width; i++, voxel++) {
        const sx = (i - (width - 1) / 2) * spacingMm[2] - shiftMm[0];
        const x = r[0]! * sx + r[1]! * sy + r[2]! * sz;
        const y = r[3]! * sx + r[4]! * sy + r[5]! * sz;
        const z = r[6]! * sx + r[7]! * sy + r[8]! * sz;
        if (!structures[0]!.contains(x, y, z)) continue; // the first structure is the body: outside it is air
        for (const { label, value, contains } of structures) {
          if (!contains(x, y, z)) continue;
          intensities[voxel] = typeof value === "number" ? value : value(x, y, z);
          if (label !== undefined) labels[voxel] = label;
        }
      }
    }
  }
  return { intensities, labels };
}

/** Smooths in place by [1 2 1]/4 along each axis: the partial volume effect of a real scanner. Edges repeat. */
export function blur(values: Float32Array, shape: readonly [number, number, number]): void {
  const [depth, height, width] = shape;
  const strides = [height * width, width, 1] as const;
  for (const [axis, stride] of strides.entries()) {
    const extent = [depth, height, width][axis]!;
    for (let start = 0; start < values.length; start++) {
      if (Math.floor(start / stride) % extent !== 0) continue;
      let before = values[start]!;
      for (let step = 0, at = start; step < extent; step++, at += stride) {
        const here = values[at]!;
        const after = step + 1 < extent ? values[at + stride]! : here;
        values[at] = (before + 2 * here + after) / 4;
        before = here;
      }
    }
  }
}
