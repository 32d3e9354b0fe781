import { applyAffine } from "../geometry/affine.ts";
import { orientationOf } from "../geometry/orientation.ts";
import type { VoxelGrid } from "../volume.ts";

/** Largest distance between corners of two grids that count as one, in voxels. */
const TOLERANCE_VOXELS = 1e-3;

/** Refuses to write a volume with another file's header unless both have the same voxels in the same order. */
export function requireSameGrid(volume: VoxelGrid & { readonly spacingMm: readonly number[] }, like: VoxelGrid): void {
  const [depth, height, width] = volume.shape.map((size) => size - 1) as [number, number, number];
  const tolerance = TOLERANCE_VOXELS * Math.min(...volume.spacingMm);
  const isSame = volume.shape.every((size, axis) => size === like.shape[axis]) &&
    [0, 1, 2, 3, 4, 5, 6, 7].every((corner) => {
      const index = [corner & 1 ? width : 0, corner & 2 ? height : 0, corner & 4 ? depth : 0] as const;
      const other = applyAffine(like.affine, index);
      return applyAffine(volume.affine, index).every((value, i) => Math.abs(value - other[i]!) <= tolerance);
    });
  if (isSame) return;
  throw new RangeError(
    `Cannot write NIfTI: the volume does not lie on the grid of \`like\`: got [${volume.shape}] ${
      orientationOf(volume.affine)
    }, expected [${like.shape}] ${
      orientationOf(like.affine)
    } at the same place. Use restoreGrid or resampleToGrid first.`,
  );
}
