import { UsageError } from "../pretraining/configuration.ts";

/** What is true of a case and what was predicted. */
export interface JudgedCase<Truth = number | string> {
  /** Its name. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** Its class, labels or values. */
  readonly actual: readonly Truth[];
  /** Probabilities or values; null where nothing was predicted. */
  readonly predicted: readonly number[] | null;
}

/**
 * Joins the cases of each subject into one, named as the subject: what is true of all of them, and the mean of what was predicted; nothing
 * where a prediction of one of them is missing, so that what was hard to predict is not left out of the mean.
 *
 * @returns A case for each subject, in the order in which they come first.
 * @throws UsageError when different things are true of one subject's cases.
 */
export function joinSubjects<Truth>(cases: readonly JudgedCase<Truth>[]): JudgedCase<Truth>[] {
  return [...Map.groupBy(cases, ({ subject }) => subject)].map(([subject, own]) => {
    const first = own[0]!;
    const other = own.find(({ actual }) => actual.join() !== first.actual.join());
    if (other) {
      throw new UsageError(
        `Cannot score by subject: what is true differs between the cases of ${subject}: got ${first.actual} for ${first.id} and ` +
          `${other.actual} for ${other.id}, expected the same. Correct the labels, or score every case with --unit case.`,
      );
    }
    const rows = own.flatMap(({ predicted }) => predicted === null ? [] : [predicted]);
    const predicted = rows.length < own.length
      ? null
      : rows[0]!.map((_, column) => rows.reduce((sum, row) => sum + row[column]!, 0) / rows.length);
    return { id: subject, subject, actual: first.actual, predicted };
  });
}
