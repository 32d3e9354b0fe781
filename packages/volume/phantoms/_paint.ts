import type { Point, Shape } from "./_shapes.ts";

/** Grid that a phantom is painted on. */
export interface PaintGrid {
  /** `[depth, height, width]` in voxels. */
  readonly shape: readonly [number, number, number];
  /** `[depth, height, width]` in millimetres. */
  readonly spacingMm: readonly [number, number, number];
  /** Rotation from scanner to phantom frame, 3×3 row-major. */
  readonly rotation: Float64Array;
  /** Place in the phantom's frame, (x, y, z), that the grid's centre shows. */
  readonly centerMm: Point;
}

/** A structure: where it is, how bright, and under which label. Later structures cover earlier ones. */
export interface Structure {
  /** Label written where the structure is; `undefined` leaves the label below. */
  readonly label?: number;
  /** Intensity, or how to get it from the place. */
  readonly value: number | ((x: number, y: number, z: number) => number);
  /** Where it is. */
  readonly shape: Shape;
}

/**
 * Paints structures in order onto a grid. Within half a voxel of a surface both sides are mixed, as a scanner does.
 *
 * @returns Intensities and labels, `[depth, height, width]` in C order; where nothing was painted, `background` and label 0.
 */
export function paint(
  grid: PaintGrid,
  structures: readonly Structure[],
  background: number,
): { intensities: Float32Array; labels: Uint8Array } {
  const voxels = grid.shape[0] * grid.shape[1] * grid.shape[2];
  const canvas = { intensities: new Float32Array(voxels).fill(background), labels: new Uint8Array(voxels) };
  for (const structure of structures) paintStructure(grid, structure, canvas);
  return canvas;
}

function paintStructure(
  { shape: [depth, height, width], spacingMm: [stepZ, stepY, stepX], rotation: r, centerMm }: PaintGrid,
  { label, value, shape }: Structure,
  { intensities, labels }: { intensities: Float32Array; labels: Uint8Array },
): void {
  const soft = (stepX + stepY + stepZ) / 3;
  const { distance, center, reach } = shape;
  // The box around the structure, seen from the grid's centre along the grid's axes.
  const [ox, oy, oz] = [center[0] - centerMm[0], center[1] - centerMm[1], center[2] - centerMm[2]];
  const range = (row: number, step: number, count: number): [number, number] => {
    const middle = (r[row]! * ox + r[row + 3]! * oy + r[row + 6]! * oz) / step + (count - 1) / 2;
    const turned = Math.abs(r[row]!) * reach[0] + Math.abs(r[row + 3]!) * reach[1] + Math.abs(r[row + 6]!) * reach[2];
    const half = (turned + soft) / step;
    return [Math.max(0, Math.ceil(middle - half)), Math.min(count - 1, Math.floor(middle + half))];
  };
  const [i0, i1] = range(0, stepX, width);
  const [j0, j1] = range(1, stepY, height);
  const [k0, k1] = range(2, stepZ, depth);
  for (let k = k0; k <= k1; k++) {
    const sz = (k - (depth - 1) / 2) * stepZ;
    for (let j = j0; j <= j1; j++) {
      const sy = (j - (height - 1) / 2) * stepY;
      for (let i = i0, voxel = (k * height + j) * width + i0; i <= i1; i++, voxel++) {
        const sx = (i - (width - 1) / 2) * stepX;
        const x = r[0]! * sx + r[1]! * sy + r[2]! * sz + centerMm[0];
        const y = r[3]! * sx + r[4]! * sy + r[5]! * sz + centerMm[1];
        const z = r[6]! * sx + r[7]! * sy + r[8]! * sz + centerMm[2];
        const share = 0.5 - distance(x, y, z) / soft;
        if (share <= 0) continue;
        const here = typeof value === "number" ? value : value(x, y, z);
        intensities[voxel] = share >= 1 ? here : intensities[voxel]! + share * (here - intensities[voxel]!);
        if (label !== undefined && share >= 0.5) labels[voxel] = label;
      }
    }
  }
}

/**
 * Smooths in place along each axis by [w, 1 − 2w, w], as a soft reconstruction kernel does. Edges repeat.
 *
 * @param weight w, in [0, 0.25].
 */
export function smooth(values: Float32Array, shape: readonly [number, number, number], weight: number): void {
  const [depth, height, width] = shape;
  const axes = [[depth, height * width], [height, width], [width, 1]] as const;
  for (const [extent, stride] of axes) {
    for (let start = 0; start < values.length; start++) {
      if (Math.floor(start / stride) % extent !== 0) continue;
      let before = values[start]!;
      for (let step = 0, at = start; step < extent; step++, at += stride) {
        const here = values[at]!;
        const after = step + 1 < extent ? values[at + stride]! : here;
        values[at] = weight * (before + after) + (1 - 2 * weight) * here;
        before = here;
      }
    }
  }
}
