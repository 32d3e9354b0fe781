import { checkConfidence, checkResamples } from "./_check_values.ts";
import { indexSource } from "./_draw_indices.ts";
import { mean } from "./describe.ts";
import { type Interval, intervalOfDraws } from "./_interval_of_draws.ts";

export type { Interval };

/** Options of {@linkcode bootstrapInterval}. */
export interface BootstrapOptions {
  /** What fixes the draws: the same seed and values give the same interval. Default `"bootstrap"`. */
  readonly seed?: string;
  /** Number of draws. Default 10000. */
  readonly resamples?: number;
  /** Default 0.95. */
  readonly confidence?: number;
  /**
   * `"bca"` (default): corrected for bias and acceleration, Efron 1987; `"percentile"`: quantiles of the draws as they are. Where the
   * correction does not exist (every draw on one side of the estimate), the percentiles are given and `method` says so.
   */
  readonly method?: "bca" | "percentile";
  /**
   * Whose each unit is: units of one subject are drawn together, for several scans of a person are no independent evidence. One name for
   * each unit. Default: each its own subject.
   */
  readonly subjects?: readonly string[];
}

/**
 * Puts a bootstrap interval of confidence around a statistic of units (cases, or rows of predictions), drawn by subject with replacement.
 *
 * With fewer than about ten subjects no bootstrap keeps its promise; intervals come out too narrow.
 *
 * @param units Numbers, or anything that the statistic takes.
 * @param statistic What to estimate; called on each draw with as many subjects as there are. Default: the mean, for numbers. A draw where
 * it is NaN (AUROC of one class) is left out.
 * @param options Seed, number of draws, confidence, method and subjects.
 * @returns The interval; low and high equal the estimate where there is one subject alone or every draw gives the same.
 * @throws RangeError when there are no units, subjects are not one for each unit, the statistic of the data is not finite, all draws are
 * NaN, or an option is out of range.
 *
 * Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 14. Checked against SciPy's `bootstrap`.
 */
export function bootstrapInterval<Unit = number>(
  units: readonly Unit[],
  statistic: (sample: readonly Unit[]) => number = mean as unknown as (sample: readonly Unit[]) => number,
  options: BootstrapOptions = {},
): Interval {
  const { seed = "bootstrap", resamples = 10_000, confidence = 0.95, method = "bca", subjects } = options;
  const action = "bootstrap";
  checkConfidence(action, confidence);
  checkResamples(action, resamples);
  const groups = groupUnits(units, subjects);
  const estimate = statistic(units);
  if (!Number.isFinite(estimate)) {
    throw new RangeError(
      `Cannot ${action}: the statistic of the data is no number: got ${estimate}, expected a finite one. ` +
        `Report it as undefined instead.`,
    );
  }
  const draws = drawStatistics(groups, statistic, seed, resamples);
  if (draws[0] === draws.at(-1)) {
    return { estimate, low: draws[0]!, high: draws[0]!, confidence, method: "exact" };
  }
  const leftOut = method === "percentile"
    ? undefined
    : groups.map((_, out) => statistic(groups.flatMap((group, i) => i === out ? [] : group)));
  return intervalOfDraws(estimate, draws, confidence, leftOut);
}

function groupUnits<Unit>(units: readonly Unit[], subjects: readonly string[] | undefined): Unit[][] {
  if (units.length === 0) {
    throw new RangeError(`Cannot bootstrap: no units: got 0, expected one at least. Give one for each case.`);
  }
  if (subjects === undefined) return units.map((unit) => [unit]);
  if (subjects.length !== units.length) {
    throw new RangeError(
      `Cannot bootstrap: units and subjects differ in number: got ${units.length} and ${subjects.length}, ` +
        `expected a subject for each unit. Give the name of whom each shows.`,
    );
  }
  const groups = new Map<string, Unit[]>();
  units.forEach((unit, i) => groups.set(subjects[i]!, [...groups.get(subjects[i]!) ?? [], unit]));
  return [...groups.values()];
}

function drawStatistics<Unit>(
  groups: readonly Unit[][],
  statistic: (sample: readonly Unit[]) => number,
  seed: string,
  resamples: number,
): Float64Array {
  const drawIndex = indexSource(seed);
  const draws: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const sample: Unit[] = [];
    for (let k = 0; k < groups.length; k++) {
      for (const unit of groups[drawIndex(groups.length)]!) sample.push(unit);
    }
    const value = statistic(sample);
    if (!Number.isNaN(value)) draws.push(value);
  }
  if (draws.length === 0) {
    throw new RangeError(
      `Cannot bootstrap: the statistic is NaN on all ${resamples} draws, expected numbers. Report the estimate alone.`,
    );
  }
  return Float64Array.from(draws).sort();
}
