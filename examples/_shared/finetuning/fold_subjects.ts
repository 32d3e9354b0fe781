import { createHash } from "node:crypto";

/** What {@linkcode foldSubjects} needs to know of a scan. */
export interface FoldedCase {
  /** Whom it shows. */
  readonly subject: string;
  /** Its class, where subjects of one class are to be spread over the folds. */
  readonly stratum?: string;
}

/**
 * Deals subjects into the folds of a cross-validation: every subject is in one fold, folds differ by one subject at most, and so do the
 * subjects of each stratum in them. A subject whose scans are of several strata is of the stratum of all of them together.
 *
 * @param cases In any order; the folds do not depend on it.
 * @param options Number of folds, and the seed, which alone decides beside the names of subjects and strata.
 * @returns The fold of each subject, from 0.
 * @throws RangeError when there are fewer subjects than folds.
 */
export function foldSubjects(
  cases: readonly FoldedCase[],
  { folds, seed }: { readonly folds: number; readonly seed: string },
): Map<string, number> {
  const strata = new Map<string, Set<string>>();
  for (const { subject, stratum = "" } of cases) {
    strata.set(subject, (strata.get(subject) ?? new Set<string>()).add(stratum));
  }
  if (strata.size < folds) {
    throw new RangeError(
      `Cannot fold subjects: there are fewer than folds: got ${strata.size} subjects and ${folds} folds. Take fewer folds.`,
    );
  }
  const members = Map.groupBy(lineUp([...strata.keys()], seed), (subject) => [...strata.get(subject)!].sort().join());
  const dealt = [...members.keys()].sort().flatMap((stratum) => members.get(stratum)!);
  return new Map(dealt.map((subject, place) => [subject, place % folds]));
}

/** Puts names into a line in which each one's place depends on the seed and on itself alone, so that it hardly moves when others come or go. */
export function lineUp(names: readonly string[], seed: string): string[] {
  const placeOf = (name: string): string => createHash("sha256").update(JSON.stringify([seed, name])).digest("hex");
  return names.map((name) => ({ name, place: placeOf(name) }))
    .sort((a, b) => a.place < b.place ? -1 : 1)
    .map(({ name }) => name);
}
