import type { VoxelGrid } from "../volume.ts";
import { applyAffine, invertAffine, multiplyAffines, type Triple } from "./affine.ts";

/** Largest distance, in voxels, at which two grids' voxels count as the same. */
export const SAME_GRID_TOLERANCE = 1e-3;

/** Says whether two grids have the same voxels at the same places in the world, in the same order. */
export function isSameGrid(a: VoxelGrid, b: VoxelGrid): boolean {
  if (a.shape.some((size, axis) => size !== b.shape[axis])) return false;
  const map = multiplyAffines(invertAffine(a.affine), b.affine);
  const last = [a.shape[2] - 1, a.shape[1] - 1, a.shape[0] - 1];
  for (let corner = 0; corner < 8; corner++) {
    const index = last.map((size, axis) => corner & (1 << axis) ? size : 0) as unknown as Triple;
    if (applyAffine(map, index).some((place, axis) => Math.abs(place - index[axis]!) > SAME_GRID_TOLERANCE)) {
      return false;
    }
  }
  return true;
}
