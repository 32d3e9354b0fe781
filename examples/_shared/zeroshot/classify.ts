import { evaluateTables, type ScoreEvaluation } from "../evaluation/evaluate_scores.ts";
import type { Table } from "../report/table.ts";
import { type Aggregate, aggregateSlices, cosines, softmax } from "./scores.ts";

/** What was said of a scan. */
export interface ClassifiedScan {
  /** Name within the data set. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** Whether the weights were made from it. */
  readonly seen: boolean;
  /** Its class by name or number, where it is known. */
  readonly actual?: string;
  /** Cosine to each class, over all slices. */
  readonly similarities: readonly number[];
  /** Softmax of these. */
  readonly probabilities: readonly number[];
}

/** How answers become classes. */
export interface ClassifyOptions {
  /** How the slices of a scan become one. */
  readonly aggregate: Aggregate;
  /** Of the softmax. */
  readonly temperature: number;
}

/** Compares answers about a scan's slices with the vectors of classes. */
export function classifyAnswers(
  answers: Float32Array,
  classes: readonly Float32Array[],
  { aggregate, temperature }: ClassifyOptions,
): Pick<ClassifiedScan, "similarities" | "probabilities"> {
  const similarities = aggregateSlices(cosines(answers, classes), aggregate);
  return { similarities, probabilities: softmax(similarities, temperature) };
}

/**
 * Measures how scans were classified: those whose class is known and that the weights were not made from. Intervals are over subjects.
 *
 * @returns Nothing where there is no such scan.
 * @throws UsageError when a scan's class is none of the classes.
 */
export function measureClasses(
  scans: readonly ClassifiedScan[],
  classes: readonly string[],
  { resamples, seed }: { readonly resamples: number; readonly seed: string },
): ScoreEvaluation | undefined {
  const scored = scans.filter(({ seen, actual }) => !seen && actual !== undefined);
  if (scored.length === 0) return undefined;
  const subjects = new Map(scored.map(({ id, subject }) => [id, subject]));
  const tableOf = (columns: readonly string[], cells: (scan: ClassifiedScan) => readonly string[]) => ({
    columns,
    rows: new Map(scored.map((scan) => [scan.id, cells(scan)])),
    subjects,
  });
  return evaluateTables({
    predictions: tableOf(classes, ({ probabilities }) => probabilities.map(String)),
    references: tableOf(["class"], ({ actual }) => [actual!]),
  }, { predictions: "prompts", references: "labels", unit: "case", kind: "multiclass", resamples, seed });
}

/** Every scan with the share of each class, as `deno task evaluate` reads it but for the column `seen`. */
export function classesCsv(scans: readonly ClassifiedScan[], classes: readonly string[]): Table {
  const marked = scans.some(({ seen }) => seen);
  return [
    ["case", "subject", ...marked ? ["seen"] : [], ...classes],
    ...scans.map(({ id, subject, seen, probabilities }) => [
      id,
      subject,
      ...marked ? [String(seen)] : [],
      ...probabilities.map(String),
    ]),
  ];
}
