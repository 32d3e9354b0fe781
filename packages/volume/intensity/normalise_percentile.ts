import type { Volume } from "../volume.ts";
import { mapUnit } from "./_map_unit.ts";
import { orderStatistics } from "./_order_statistics.ts";
import { constantError, type Foreground, foregroundValues, nameOf, overflowError } from "./foreground.ts";
import { type NonFiniteOptions, refuseNonFinite } from "./non_finite.ts";

/** Options of {@linkcode normalisePercentile}. */
export interface PercentileOptions extends NonFiniteOptions {
  /** Percentile that becomes 0. Default: 0.5. */
  readonly lower?: number;
  /** Percentile that becomes 1. Default: 99.5. */
  readonly upper?: number;
  /** Voxels that the percentiles are taken from. Default: `"nonzero"`. */
  readonly foreground?: Foreground;
}

/**
 * Maps two percentiles of the foreground to 0 and 1 and clips: the usual scaling for MR, whose unit means nothing.
 *
 * Percentiles interpolate linearly between order statistics, as `numpy.percentile` does. Every voxel is mapped, background
 * too.
 *
 * @param volume Any scan; left as it is.
 * @param options Percentiles, foreground, and what becomes of non-finite voxels.
 * @returns Float32 volume in [0, 1].
 * @throws RangeError when the percentiles are not 0 ≤ lower < upper ≤ 100.
 * @throws CorruptVolumeError with code `non-finite` (see `nonFinite`; also when the spread overflows) or `constant`, when both percentiles are one value.
 */
export function normalisePercentile(volume: Volume, options: PercentileOptions = {}): Volume {
  const { lower = 0.5, upper = 99.5, foreground = "nonzero" } = options;
  if (!(lower >= 0 && lower < upper && upper <= 100)) {
    throw new RangeError(
      `Cannot normalise by percentiles: bad percentiles: got ${lower} and ${upper}, expected 0 ≤ lower < upper ≤ 100. ` +
        `Use 0.5 and 99.5.`,
    );
  }
  const action = "normalise by percentiles";
  refuseNonFinite(volume, { action, nonFinite: options.nonFinite });
  const values = foregroundValues(volume, { foreground, action });
  const [low, high] = percentilesOf(values, [lower, upper]) as [number, number];
  if (!(high > low)) {
    throw constantError(
      volume,
      action,
      `percentiles ${lower} and ${upper} of its ${nameOf(foreground)} voxels are both ${low}`,
    );
  }
  if (high - low === Infinity) throw overflowError(volume, action);
  const line = `percentiles ${lower} to ${upper} of ${nameOf(foreground)} voxels (${low} to ${high}) to [0, 1]`;
  return mapUnit(volume, { low, range: high - low, line, nonFinite: options.nonFinite });
}

/** Percentiles of finite values, linear between order statistics; the array is reordered. */
function percentilesOf(values: Float64Array, percentiles: readonly number[]): number[] {
  const positions = percentiles.map((percent) => (values.length - 1) * percent / 100);
  const ranks = positions.flatMap((position) => [Math.floor(position), Math.ceil(position)]);
  const found = orderStatistics(values, ranks);
  return positions.map((position, i) => {
    const low = found[2 * i]!;
    return low + (position - Math.floor(position)) * (found[2 * i + 1]! - low);
  });
}
