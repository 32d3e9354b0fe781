import { differencesOf } from "./_check_values.ts";
import { normalCdf } from "./distributions.ts";
import { rankWithTies } from "./_ranks.ts";
import type { TestResult } from "./test_result.ts";

/** Up to as many differences the distribution is counted out. */
const EXACT_UP_TO = 50;

/**
 * Tests whether paired values differ by Wilcoxon's signed-rank test, two-sided: the null hypothesis is that differences are symmetric
 * around 0.
 *
 * Pairs without a difference are left out, as Wilcoxon did. Up to 50 differences the distribution of the rank sum is counted exactly, given
 * the ties there are; beyond that the normal approximation is taken, corrected for ties and not for continuity.
 *
 * @param a One value for each subject.
 * @param b The same subjects' values under the other condition, in the same order.
 * @returns The smaller of both rank sums and the p value; 1 when no pair differs.
 * @throws RangeError when the sides differ in number, are empty or not finite.
 *
 * Checked against SciPy's `wilcoxon`, which counts exactly only without ties or by permutation.
 */
export function wilcoxonSignedRank(a: readonly number[], b: readonly number[]): TestResult {
  const differences = differencesOf("test pairs", a, b, 1).filter((difference) => difference !== 0);
  if (differences.length === 0) return { statistic: 0, pValue: 1, method: "exact" };
  const ranks = rankWithTies(differences.map(Math.abs));
  const positive = ranks.reduce((sum, rank, i) => differences[i]! > 0 ? sum + rank : sum, 0);
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const statistic = Math.min(positive, total - positive);
  if (ranks.length <= EXACT_UP_TO) return { statistic, pValue: exactP(ranks, statistic), method: "exact" };
  const variance = ranks.reduce((sum, rank) => sum + rank * rank, 0) / 4; // tied ranks bring their own correction
  const z = (statistic - total / 2) / Math.sqrt(variance);
  return { statistic, pValue: Math.min(1, 2 * normalCdf(z)), method: "normal" };
}

/** Share of all choices of signs whose smaller rank sum is as small, by adding rank after rank (in halves, which ties make). */
function exactP(ranks: Float64Array, statistic: number): number {
  const halves = Uint32Array.from(ranks, (rank) => 2 * rank);
  const total = halves.reduce((sum, half) => sum + half, 0);
  const shares = new Float64Array(total + 1);
  shares[0] = 1;
  let reached = 0;
  for (const half of halves) {
    reached += half;
    for (let sum = reached; sum >= 0; sum--) {
      shares[sum] = (shares[sum]! + (sum >= half ? shares[sum - half]! : 0)) / 2;
    }
  }
  const tail = shares.subarray(0, Math.round(2 * statistic) + 1).reduce((sum, share) => sum + share, 0);
  return Math.min(1, 2 * tail);
}
