import type { VoxelArray } from "../volume.ts";

/** A value of a label map and how many voxels have it. */
export interface LabelCount {
  /** The value. */
  readonly value: number;
  /** Number of voxels that have it. */
  readonly voxels: number;
}

/** More values than this are no labels. */
const MOST_VALUES = 1024;

/**
 * Counts the values of a label map.
 *
 * @returns Values in ascending order; `undefined` when a voxel is no integer or there are more than 1024 values.
 */
export function countLabels(data: VoxelArray): readonly LabelCount[] | undefined {
  const counts = new Map<number, number>();
  let [value, run] = [data[0]!, 0]; // neighbours are mostly equal
  const close = (): boolean => {
    if (!Number.isInteger(value)) return false;
    counts.set(value, (counts.get(value) ?? 0) + run);
    return counts.size <= MOST_VALUES;
  };
  for (let i = 0; i < data.length; i++) {
    if (data[i] === value) run++;
    else {
      if (!close()) return undefined;
      value = data[i]!;
      run = 1;
    }
  }
  if (!close()) return undefined;
  return [...counts].map(([value, voxels]) => ({ value, voxels })).sort((a, b) => a.value - b.value);
}

/**
 * Says whether voxels look like labels: few integers of at least 0, most labelled voxels beside one of the same value. An image of few
 * grey values has noise in it.
 */
export function looksLikeLabels(data: VoxelArray, counts: readonly LabelCount[] | undefined): boolean {
  if (!counts || counts.length > 256 || counts[0]!.value < 0) return false;
  let [labelled, beside] = [0, 0];
  for (let i = 1; i < data.length; i++) {
    if (data[i] === 0) continue;
    labelled++;
    if (data[i] === data[i - 1]) beside++;
  }
  return labelled > 0 && beside > 0.5 * labelled;
}
