import type { VoxelArray } from "@med3d/volume";

/** The smallest finite value, which padding takes in training too; 0 where there is none. */
export function smallestFiniteOf(data: VoxelArray): number {
  let least = Infinity;
  for (const value of data) if (value < least && Number.isFinite(value)) least = value;
  return least === Infinity ? 0 : least;
}
