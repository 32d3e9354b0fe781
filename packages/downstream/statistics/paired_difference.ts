import { differencesOf } from "./_check_values.ts";
import { bootstrapInterval, type BootstrapOptions, type Interval } from "./bootstrap_interval.ts";
import { mean, quantile } from "./describe.ts";
import { pairedPermutationTest } from "./paired_permutation.ts";
import { wilcoxonSignedRank } from "./wilcoxon_signed_rank.ts";

/** How two conditions differ over the same cases. */
export interface PairedDifference {
  /** Mean of the first less the second, with its bootstrap interval. */
  readonly mean: Interval;
  /** Median difference. */
  readonly median: number;
  /** Subjects for whom the first is larger. */
  readonly larger: number;
  /** Subjects for whom the second is larger. */
  readonly smaller: number;
  /** Number of subjects. */
  readonly subjects: number;
  /** p of {@linkcode wilcoxonSignedRank}, over subjects. */
  readonly wilcoxonP: number;
  /** p of {@linkcode pairedPermutationTest}, over subjects. */
  readonly permutationP: number;
}

/**
 * Compares two conditions (two networks) over the same cases: the mean difference with an interval of confidence, and tests.
 *
 * Tests and counts are over subjects, each with the mean of its cases' differences: a person's two scans are no two pieces of evidence.
 *
 * @param a One value for each case, such as Dice.
 * @param b The other condition's values of the same cases, in the same order.
 * @param options Those of the bootstrap; `subjects` says whose each case is.
 * @returns The comparison.
 * @throws RangeError as {@linkcode bootstrapInterval}, or when the sides differ in number or have values that are not finite.
 */
export function pairedDifference(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): PairedDifference {
  const differences = differencesOf("compare pairs", a, b, 1);
  const interval = bootstrapInterval(differences, mean, options);
  const bySubject = Map.groupBy(
    differences.map((value, i) => ({ value, subject: options.subjects?.[i] ?? `${i}` })),
    ({ subject }) => subject,
  );
  const means = [...bySubject.values()].map((cases) => mean(cases.map(({ value }) => value)));
  const zeros = means.map(() => 0);
  const draws = {
    ...options.seed !== undefined && { seed: options.seed },
    ...options.resamples !== undefined && { resamples: options.resamples },
  };
  return {
    mean: interval,
    median: quantile(means, 0.5),
    larger: means.filter((value) => value > 0).length,
    smaller: means.filter((value) => value < 0).length,
    subjects: means.length,
    wilcoxonP: wilcoxonSignedRank(means, zeros).pValue,
    permutationP: pairedPermutationTest(means, zeros, draws).pValue,
  };
}
