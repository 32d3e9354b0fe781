import { checkResamples, differencesOf } from "./_check_values.ts";
import { indexSource } from "./_draw_indices.ts";
import type { TestResult } from "./test_result.ts";

/** Up to as many pairs all choices of signs are counted. */
const EXACT_UP_TO = 18;

/** Options of {@linkcode pairedPermutationTest}. */
export interface PairedPermutationOptions {
  /** What fixes the draws. Default `"permutation"`. */
  readonly seed?: string;
  /** Number of draws where not all choices are counted. Default 10000. */
  readonly resamples?: number;
}

/**
 * Tests whether paired values differ in the mean by exchanging the sides of pairs, two-sided: the null hypothesis is that both conditions
 * are the same, so that each pair could as well be the other way round.
 *
 * Up to 18 pairs all exchanges are counted. Beyond that they are drawn, and the data themselves count as one draw more, so that p is never 0
 * (Phipson and Smyth 2010).
 *
 * @param a One value for each subject.
 * @param b The same subjects' values under the other condition, in the same order.
 * @param options Seed and number of draws.
 * @returns The mean difference as statistic, and p.
 * @throws RangeError when the sides differ in number, are empty or not finite, or `resamples` is out of range.
 *
 * Checked against SciPy's `permutation_test`.
 */
export function pairedPermutationTest(
  a: readonly number[],
  b: readonly number[],
  options: PairedPermutationOptions = {},
): TestResult {
  const { seed = "permutation", resamples = 10_000 } = options;
  checkResamples("test pairs", resamples);
  const sizes = differencesOf("test pairs", a, b, 1);
  const sum = sizes.reduce((total, size) => total + size, 0);
  const statistic = sum / sizes.length;
  const limit = Math.abs(sum) - 1e-12 * sizes.reduce((total, size) => total + Math.abs(size), 0); // rounding is no difference
  if (sizes.length <= EXACT_UP_TO) {
    const choices = 2 ** sizes.length;
    let asFar = 0;
    for (let signs = 0; signs < choices; signs++) {
      let total = 0;
      for (let i = 0; i < sizes.length; i++) total += (signs >> i) & 1 ? sizes[i]! : -sizes[i]!;
      if (Math.abs(total) >= limit) asFar++;
    }
    return { statistic, pValue: asFar / choices, method: "exact" };
  }
  const draw = indexSource(seed);
  let asFar = 1;
  for (let k = 0; k < resamples; k++) {
    const total = sizes.reduce((all, size) => all + (draw(2) === 0 ? size : -size), 0);
    if (Math.abs(total) >= limit) asFar++;
  }
  return { statistic, pValue: asFar / (resamples + 1), method: "draws" };
}
