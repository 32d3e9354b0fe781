import { sameTypeArray } from "../geometry/_voxel_bits.ts";
import { rotationOf } from "../_rotation.ts";
import type { Volume, VoxelArray } from "../volume.ts";

/** How the content of a grid is moved about the grid's centre. */
export interface Move {
  /** About width (x), height (y) and depth (z). */
  readonly degrees: readonly [number, number, number];
  /** Above 1 magnifies. */
  readonly scale: number;
  /** Whether `[depth, height, width]` are turned round. */
  readonly flips: readonly [boolean, boolean, boolean];
}

/** Moves voxels by linear interpolation; what comes from outside the grid gets `fill`. */
export function moveLinear(volume: Volume, move: Move, fill: number): Float32Array {
  const { data, shape: [depth, height, width] } = volume;
  const out = new Float32Array(data.length);
  forEachSource(volume, move, (voxel, z, y, x) => {
    if (!(z > -0.5 && y > -0.5 && x > -0.5 && z < depth - 0.5 && y < height - 0.5 && x < width - 0.5)) {
      out[voxel] = fill;
      return;
    }
    const z0 = z < 0 ? 0 : Math.floor(z), y0 = y < 0 ? 0 : Math.floor(y), x0 = x < 0 ? 0 : Math.floor(x);
    const fz = z < 0 ? 0 : z - z0, fy = y < 0 ? 0 : y - y0, fx = x < 0 ? 0 : x - x0;
    const stepZ = z0 + 1 < depth ? height * width : 0,
      stepY = y0 + 1 < height ? width : 0,
      stepX = x0 + 1 < width ? 1 : 0;
    const at = (z0 * height + y0) * width + x0;
    const a = data[at]! + fx * (data[at + stepX]! - data[at]!);
    const b = data[at + stepY]! + fx * (data[at + stepY + stepX]! - data[at + stepY]!);
    const c = data[at + stepZ]! + fx * (data[at + stepZ + stepX]! - data[at + stepZ]!);
    const e = at + stepZ + stepY;
    const d = data[e]! + fx * (data[e + stepX]! - data[e]!);
    const near = a + fy * (b - a);
    out[voxel] = near + fz * (c + fy * (d - c) - near);
  });
  return out;
}

/** Moves voxels by taking the nearest; what comes from outside the grid gets 0. The type stays. */
export function moveNearest(volume: Volume, move: Move): VoxelArray {
  const { data, shape: [depth, height, width] } = volume;
  const out = sameTypeArray(data, data.length);
  forEachSource(volume, move, (voxel, z, y, x) => {
    const k = Math.floor(z + 0.5), j = Math.floor(y + 0.5), i = Math.floor(x + 0.5);
    if (k < 0 || j < 0 || i < 0 || k >= depth || j >= height || i >= width) return;
    out[voxel] = data[(k * height + j) * width + i]!;
  });
  return out;
}

/** Visits every voxel with the place, in voxels, that its new value comes from. Angles hold in millimetres. */
function forEachSource(
  { shape, spacingMm }: Volume,
  { degrees, scale, flips }: Move,
  visit: (voxel: number, z: number, y: number, x: number) => void,
): void {
  const [depth, height, width] = shape;
  const r = rotationOf(degrees);
  // Rows and columns in the order depth, height, width: the rotation's inverse, its transpose, from new to old places.
  const m = [0, 1, 2].map((row) =>
    [0, 1, 2].map((column) =>
      (flips[row] ? -1 : 1) * r[(2 - column) * 3 + (2 - row)]! * spacingMm[column]! / (spacingMm[row]! * scale)
    )
  );
  const center = [(depth - 1) / 2, (height - 1) / 2, (width - 1) / 2] as const;
  const [mz, my, mx] = m as [number[], number[], number[]];
  for (let k = 0, voxel = 0; k < depth; k++) {
    for (let j = 0; j < height; j++) {
      const dz = k - center[0], dy = j - center[1];
      const z = center[0] + mz[0]! * dz + mz[1]! * dy;
      const y = center[1] + my[0]! * dz + my[1]! * dy;
      const x = center[2] + mx[0]! * dz + mx[1]! * dy;
      for (let i = 0; i < width; i++, voxel++) {
        const dx = i - center[2];
        visit(voxel, z + mz[2]! * dx, y + my[2]! * dx, x + mx[2]! * dx);
      }
    }
  }
}
