import { CorruptVolumeError } from "../findings.ts";
import type { Volume, VoxelArray } from "../volume.ts";
import { countNonFinite, originOf } from "./voxel_statistics.ts";

/** What every normalisation lets choose. */
export interface NonFiniteOptions {
  /**
   * NaN and infinite voxels: `"error"` refuses them, `"replace"` takes −∞ and NaN as the lowest and +∞ as the highest result.
   * Default: `"error"`.
   */
  readonly nonFinite?: "error" | "replace";
}

/** Refuses a volume with NaN or infinite voxels unless they are to be replaced. */
export function refuseNonFinite(
  volume: Volume,
  options: { readonly action: string; readonly nonFinite: "error" | "replace" | undefined },
): void {
  const { action, nonFinite = "error" } = options;
  if (nonFinite === "replace") return;
  const count = countNonFinite(volume.data);
  if (count === 0) return;
  throw new CorruptVolumeError("non-finite", {
    action,
    path: "",
    problem: `${count} of ${volume.data.length} voxels are NaN or infinite${originOf(volume)}, expected finite numbers`,
    fix: 'Repair the scan, or pass nonFinite: "replace".',
  });
}

/** Says in the history how many voxels were replaced. */
export function replacedNote(data: VoxelArray): string {
  const count = countNonFinite(data);
  return count === 0 ? "" : `; ${count} non-finite voxels replaced`;
}
