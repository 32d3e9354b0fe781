import { measureVoxels, type VoxelStatistics } from "../intensity/voxel_statistics.ts";
import type { Volume } from "../volume.ts";

/** What a volume's voxels are like as numbers, as a user wants to see it. */
export interface IntensityStatistics extends VoxelStatistics {
  /** Number of voxels. */
  readonly voxels: number;
  /** Standard deviation of the finite voxels, NaN when there is none. */
  readonly standardDeviation: number;
  /** Values below which 1, 25, 50, 75 and 99 % of the finite voxels lie; of a regular sample of at most 100,000. */
  readonly percentiles: Readonly<Record<"p1" | "p25" | "p50" | "p75" | "p99", number>>;
}

const SAMPLE = 100_000;

/** Measures voxels in two passes. */
export function measureIntensities(volume: Volume): IntensityStatistics {
  const { data } = volume;
  const known = measureVoxels(volume);
  let squares = 0;
  for (let i = 0; i < data.length; i++) {
    const difference = data[i]! - known.mean;
    if (Number.isFinite(difference)) squares += difference * difference;
  }
  const finite = data.length - known.nonFinite;
  const step = Math.max(1, Math.ceil(data.length / SAMPLE));
  const sample = new Float64Array(Math.ceil(data.length / step));
  for (let i = 0; i < sample.length; i++) sample[i] = data[i * step]!;
  const sorted = sample.filter(Number.isFinite).sort();
  const at = (percent: number): number => sorted[Math.round((percent / 100) * (sorted.length - 1))] ?? NaN;
  return {
    ...known,
    voxels: data.length,
    standardDeviation: finite === 0 ? NaN : Math.sqrt(squares / finite),
    percentiles: { p1: at(1), p25: at(25), p50: at(50), p75: at(75), p99: at(99) },
  };
}
