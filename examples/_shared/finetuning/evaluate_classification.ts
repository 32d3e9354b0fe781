import {
  type ClassificationNetwork,
  type ClassificationTarget,
  classProbabilities,
  evaluateMulticlass,
  evaluateMultilabel,
  evaluateOrdinal,
  evaluateRegression,
} from "@med3d/downstream";
import { inOwnUnit } from "../inference/classify_scan.ts";
import type { Table } from "../report/table.ts";
import type { LabelledCase } from "./cases.ts";
import { type ClassificationSource, disposeClassificationBatch, stackCases } from "./classification_batches.ts";

/** What was said of a held-out scan, and what is true. */
export interface ClassifiedCase {
  /** Name within the data set. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** Its class, labels or values. */
  readonly actual: readonly number[];
  /** Probability of each class or label, or the values. */
  readonly predicted: readonly number[];
}

/** Classifies cases, a few at a time. Values come back in the data's own unit. */
export async function classifyCases(
  cases: readonly LabelledCase[],
  network: ClassificationNetwork,
  { source, batch, signal }: { source: ClassificationSource; batch: number; signal?: AbortSignal | undefined },
): Promise<ClassifiedCase[]> {
  const { target, valueScales } = source;
  const classified: ClassifiedCase[] = [];
  for (let first = 0; first < cases.length; first += batch) {
    signal?.throwIfAborted();
    const some = cases.slice(first, first + batch);
    const stacked = await stackCases(source, some);
    const outputs = network.apply(stacked.input);
    const values = await outputs.data();
    outputs.dispose();
    disposeClassificationBatch(stacked);
    some.forEach(({ id, subject, classLabels }, i) => {
      const said = classProbabilities(values.slice(i * network.outputs, (i + 1) * network.outputs), target);
      const predicted = inOwnUnit(said, valueScales);
      classified.push({ id, subject, actual: classLabels!, predicted });
    });
  }
  return classified;
}

/** The measures that fit what is learned. */
export function scoreClassification(cases: readonly ClassifiedCase[], target: ClassificationTarget) {
  const predicted = cases.map((entry) => entry.predicted);
  const actual = cases.map((entry) => entry.actual[0]!);
  switch (target) {
    case "classes":
      return evaluateMulticlass(predicted, actual);
    case "labels":
      return evaluateMultilabel(predicted, cases.map((entry) => entry.actual));
    case "ordinal":
      return evaluateOrdinal(predicted.map(gradeOf), actual, predicted[0]!.length);
    case "values":
      return {
        values: predicted[0]!.map((_, i) =>
          evaluateRegression(predicted.map((row) => row[i]!), cases.map((entry) => entry.actual[i]!))
        ),
      };
  }
}

/** The grade in the middle of the probability: the first at which half of it is reached. */
function gradeOf(probabilities: readonly number[]): number {
  let sum = 0;
  const grade = probabilities.findIndex((share) => (sum += share) >= 0.5);
  return grade < 0 ? probabilities.length - 1 : grade;
}

/** The single numbers among measures, nested ones by their path. */
export function scoreTable(scores: unknown): Table {
  const rows: string[][] = [["measure", "value"]];
  const add = (value: unknown, path: string): void => {
    if (typeof value === "number") rows.push([path, Number.isInteger(value) ? String(value) : value.toFixed(4)]);
    else if (value !== null && typeof value === "object" && !(Array.isArray(value) && value.some(Array.isArray))) {
      for (const [key, part] of Object.entries(value)) {
        if (key !== "bins") add(part, path === "" ? key : `${path}.${key}`);
      }
    }
  };
  add(scores, "");
  return rows;
}
