import { checkValues } from "./_check_values.ts";

/**
 * Averages values.
 *
 * @param values Finite numbers, one at least.
 * @returns Their arithmetic mean.
 * @throws RangeError when there is none or one is not finite.
 */
export function mean(values: readonly number[]): number {
  checkValues("average", values, 1);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Measures how far values spread around their mean.
 *
 * @param values Finite numbers, two at least.
 * @returns The sample's standard deviation, with n − 1 below the root.
 * @throws RangeError when there are fewer than two or one is not finite.
 */
export function standardDeviation(values: readonly number[]): number {
  checkValues("measure the spread", values, 2);
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/**
 * Finds the value that a share of values lies below, linear between neighbours (NumPy's default, type 7 of Hyndman and Fan).
 *
 * @param values Finite numbers in any order, one at least.
 * @param share From 0 to 1; 0.5 gives the median.
 * @returns The quantile.
 * @throws RangeError when there is no value, one is not finite or the share is out of range.
 */
export function quantile(values: readonly number[], share: number): number {
  checkValues("find a quantile", values, 1);
  if (!(share >= 0 && share <= 1)) {
    throw new RangeError(`Cannot find a quantile: bad share: got ${share}, expected 0 to 1. Give 0.5 for the median.`);
  }
  return quantileOfSorted(Float64Array.from(values).sort(), share);
}

/** The same for values in ascending order, unchecked. */
export function quantileOfSorted(sorted: Float64Array, share: number): number {
  const rank = share * (sorted.length - 1);
  const low = sorted[Math.floor(rank)]!;
  return low + (sorted[Math.ceil(rank)]! - low) * (rank - Math.floor(rank));
}
