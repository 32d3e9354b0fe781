import { quantileOfSorted } from "./describe.ts";
import { normalCdf, normalQuantile } from "./distributions.ts";

/** An interval of confidence around an estimate. */
export interface Interval {
  /** What the data themselves give. */
  readonly estimate: number;
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** Share of such intervals that hold the truth, as the method promises. */
  readonly confidence: number;
  /** How the ends were found: `"bca"`, `"percentile"`, or `"exact"` where nothing varies. */
  readonly method: "bca" | "percentile" | "exact";
}

/**
 * Finds the ends of an interval among sorted draws that are not all equal.
 *
 * @param leftOut The statistic without each subject in turn, for BCa; without it, percentiles are taken. NaN is left aside.
 */
export function intervalOfDraws(
  estimate: number,
  draws: Float64Array,
  confidence: number,
  leftOut: readonly number[] | undefined,
): Interval {
  const tails = [(1 - confidence) / 2, (1 + confidence) / 2];
  const corrected = leftOut && correctTails(tails, draws, estimate, leftOut.filter((value) => !Number.isNaN(value)));
  const [low, high] = (corrected ?? tails).map((share) => quantileOfSorted(draws, share)) as [number, number];
  return { estimate, low, high, confidence, method: corrected ? "bca" : "percentile" };
}

/** Where BCa looks in the sorted draws instead; `undefined` where the correction does not exist. */
function correctTails(
  tails: readonly number[],
  draws: Float64Array,
  estimate: number,
  leftOut: readonly number[],
): number[] | undefined {
  let [below, equal] = [0, 0];
  const rounding = 1e-12 * (draws.at(-1)! - draws[0]!); // the order of a sum is no difference
  for (const draw of draws) {
    if (draw < estimate - rounding) below++;
    else if (draw <= estimate + rounding) equal++;
  }
  const bias = normalQuantile((below + equal / 2) / draws.length);
  const centre = leftOut.reduce((sum, value) => sum + value, 0) / leftOut.length;
  const moment = (power: number): number => leftOut.reduce((sum, value) => sum + (centre - value) ** power, 0);
  const acceleration = moment(3) / (6 * moment(2) ** 1.5);
  const corrected = tails.map((tail) => {
    const shifted = bias + normalQuantile(tail);
    return normalCdf(bias + shifted / (1 - acceleration * shifted));
  });
  return corrected.every((share) => share > 0 && share < 1) ? corrected : undefined;
}
