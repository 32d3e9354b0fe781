import { deriveVolume, type Volume } from "@med3d/volume";
import { type Connectivity, labelComponents } from "./_components.ts";

export type { Connectivity };

/** Options of {@linkcode keepLargestComponents}. */
export interface KeepLargestOptions {
  /** Labels that are looked at, each by itself. Default: all that occur but 0. */
  readonly labels?: readonly number[];
  /** Which voxels touch. Default 26. */
  readonly connectivity?: Connectivity;
}

/**
 * Keeps the largest connected part of each structure; other parts become background. Of equals the one that comes first in C order stays.
 *
 * @param volume Label map; left as it is.
 * @param options Which structures, and what is connected.
 * @returns A label map of the same type on the same grid.
 */
export function keepLargestComponents(volume: Volume, options: KeepLargestOptions = {}): Volume {
  const { labels = labelsOf(volume), connectivity = 26 } = options;
  const { numbers, components } = labelComponents(volume, new Set(labels), connectivity);
  const largest = new Map<number, { readonly size: number; readonly number: number }>();
  components.forEach(({ value, size }, place) => {
    if (size > (largest.get(value)?.size ?? 0)) largest.set(value, { size, number: place + 1 });
  });
  const kept = new Set([0, ...[...largest.values()].map(({ number }) => number)]);
  const data = volume.data.slice();
  let removed = 0;
  for (let i = 0; i < data.length; i++) {
    if (kept.has(numbers[i]!)) continue;
    data[i] = 0;
    removed++;
  }
  return deriveVolume(volume, { data }, `kept the largest part of each structure: ${removed} voxels became background`);
}

/** Labels but 0 that occur, ascending. */
export function labelsOf({ data }: Volume): number[] {
  return [...new Set<number>(data)].filter((label) => label !== 0).sort((a, b) => a - b);
}
