import { checkConfidence, differencesOf } from "./_check_values.ts";
import { mean, standardDeviation } from "./describe.ts";
import { studentCdf, studentQuantile } from "./distributions.ts";
import type { TestResult } from "./test_result.ts";

/** What {@linkcode pairedTTest} says. */
export interface PairedTTest extends TestResult {
  /** Mean of the first side less the second. */
  readonly difference: number;
  /** Lower end of the difference's interval of confidence. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** Degrees of freedom: pairs less one. */
  readonly degrees: number;
}

/**
 * Tests whether paired values differ in the mean by Student's t test, two-sided: the null hypothesis is a mean difference of 0, with
 * differences normally distributed.
 *
 * @param a One value for each subject, two subjects at least.
 * @param b The same subjects' values under the other condition, in the same order.
 * @param options `confidence` of the interval, default 0.95.
 * @returns t, p and the mean difference with its interval. Where all differences are equal the interval is that point and p is 0, or 1 when
 * they are all 0 (t is then 0, else ±Infinity).
 * @throws RangeError when the sides differ in number, have fewer than two values, values are not finite or `confidence` is out of range.
 *
 * Checked against SciPy's `ttest_rel`.
 */
export function pairedTTest(
  a: readonly number[],
  b: readonly number[],
  options: { readonly confidence?: number } = {},
): PairedTTest {
  const { confidence = 0.95 } = options;
  checkConfidence("test pairs", confidence);
  const differences = differencesOf("test pairs", a, b, 2);
  const difference = mean(differences);
  const error = standardDeviation(differences) / Math.sqrt(differences.length);
  const degrees = differences.length - 1;
  const statistic = difference === 0 ? 0 : difference / error;
  const reach = error * studentQuantile((1 + confidence) / 2, degrees);
  return {
    statistic,
    pValue: Math.min(1, 2 * studentCdf(-Math.abs(statistic), degrees)),
    method: "student",
    difference,
    low: difference - reach,
    high: difference + reach,
    degrees,
  };
}
