import { UsageError } from "../pretraining/configuration.ts";

/** A measure of all cases or of a draw of them; `null` where it does not exist. */
export type ScoreMeasures = Readonly<Record<string, number | null>>;

/** Cases of a kind as numbers, with what to measure of them. */
export interface ScoreProblem {
  /** Measures the cases at these places. */
  readonly measure: (places: readonly number[]) => ScoreMeasures;
  /** All that there is to say of all cases, for JSON. */
  readonly details: unknown;
  /** Names of the classes, questions or grades. */
  readonly classes: readonly string[];
  /** Cases by actual (row) and predicted (column) class, where there is such a thing. */
  readonly confusion?: readonly (readonly number[])[];
  /** Measures of each class or question: heading, then rows. */
  readonly perClass?: readonly (readonly string[])[];
  /** Places of the cases that are measured: all, but for regression without prediction. */
  readonly places: readonly number[];
  /** What became of cases without prediction. */
  readonly missing: string;
}

/** The elements at some places. */
export function pick<T>(list: readonly T[], places: readonly number[]): T[] {
  return places.map((place) => list[place]!);
}

/** Reads a cell that must be a number. */
export function toNumber(text: string, what: string): number {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) {
    throw new UsageError(`Cannot evaluate ${what}: got "${text}", expected a number. Correct the table.`);
  }
  return value;
}
