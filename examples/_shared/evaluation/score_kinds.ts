import { evaluateMulticlass, evaluateMultilabel } from "@med3d/downstream";
import { UsageError } from "../pretraining/configuration.ts";
import { ordinal, regression } from "./graded_scores.ts";
import type { MatchedScores, ScoreTable } from "./read_scores.ts";
import { pick, type ScoreProblem, toNumber } from "./score_problem.ts";

/** What a table of predictions holds. */
export const SCORE_KINDS = ["multiclass", "multilabel", "ordinal", "regression"] as const;
/** One of {@linkcode SCORE_KINDS}. */
export type ScoreKind = typeof SCORE_KINDS[number];

/** Settles what kind of predictions there are, where that isn't said. */
export function chooseKind(predictions: ScoreTable, references: ScoreTable): ScoreKind {
  if (sameColumns(predictions, references)) return "multilabel";
  if (references.columns.length === 1 && predictions.columns.length > 1) return "multiclass";
  throw new UsageError(
    `Cannot tell what was predicted: predictions have the columns ${predictions.columns.join(", ")}, references ` +
      `${
        references.columns.join(", ")
      }. Give a column of probabilities for each class and one column with the class (multiclass), ` +
      `the same columns in both (multilabel), or say --kind.`,
  );
}

function sameColumns(a: ScoreTable, b: ScoreTable): boolean {
  return a.columns.length === b.columns.length && a.columns.every((name) => b.columns.includes(name));
}

const format = (value: number | null): string => value === null ? "–" : value.toFixed(3);
const COUNTED_WRONG = "counts as wrong with certainty";

/** Turns tables into numbers. */
export function scoreProblem(
  kind: ScoreKind,
  predictions: ScoreTable,
  references: ScoreTable,
  matched: MatchedScores,
): ScoreProblem {
  if (kind !== "multilabel" && references.columns.length !== 1) {
    throw new UsageError(
      `Cannot evaluate ${kind}: references have ${references.columns.length} columns of values, expected 1. Leave out the others.`,
    );
  }
  switch (kind) {
    case "multiclass":
      return multiclass(predictions.columns, matched);
    case "multilabel":
      return multilabel(predictions, references, matched);
    case "ordinal":
      return ordinal(matched);
    case "regression":
      return regression(matched);
  }
}

function multiclass(classes: readonly string[], { ids, actual, predicted }: MatchedScores): ScoreProblem {
  const labels = actual.map(([cell], i) => {
    const named = classes.indexOf(cell!);
    const label = named >= 0 ? named : /^\d+$/.test(cell!) ? Number(cell) : -1;
    if (label >= 0 && label < classes.length) return label;
    throw new UsageError(
      `Cannot evaluate ${ids[i]}: got the class "${cell}", expected one of ${
        classes.join(", ")
      } or its number from 0. ` +
        "Name the columns of the predictions as the references name classes.",
    );
  });
  const probabilities = predicted.map((row, i) =>
    row
      ? row.map((cell) => toNumber(cell, ids[i]!))
      : classes.map((_, label) => label === labels[i] ? 0 : 1 / (classes.length - 1))
  );
  const evaluate = (places: readonly number[]) => evaluateMulticlass(pick(probabilities, places), pick(labels, places));
  const places = ids.map((_, i) => i);
  const all = evaluate(places);
  return {
    measure: (drawn) => {
      const scores = evaluate(drawn);
      return {
        "AUROC, macro": scores.rocAuc.macro,
        "average precision, macro": scores.averagePrecision.macro,
        "accuracy": scores.accuracy,
        "balanced accuracy": scores.balancedAccuracy,
        "F1, macro": scores.macroF1,
        "kappa": scores.kappa,
        "calibration error": scores.calibration.expectedError,
        "Brier": scores.brier,
      };
    },
    details: all,
    classes,
    confusion: all.confusion,
    perClass: [
      ["class", "cases", "AUROC", "average precision", "sensitivity", "specificity", "precision", "F1"],
      ...classes.map((name, label) => {
        const { support, sensitivity, specificity, precision, f1 } = all.classes[label]!;
        const areas = [all.rocAuc.perClass[label]!, all.averagePrecision.perClass[label]!];
        return [name, String(support), ...[...areas, sensitivity, specificity, precision, f1].map(format)];
      }),
    ],
    places,
    missing: COUNTED_WRONG,
  };
}

function multilabel(
  predictions: ScoreTable,
  references: ScoreTable,
  { ids, actual, predicted }: MatchedScores,
): ScoreProblem {
  if (!sameColumns(predictions, references)) {
    throw new UsageError(
      `Cannot evaluate multilabel: predictions have the columns ${predictions.columns.join(", ")}, references ` +
        `${references.columns.join(", ")}. Name them alike.`,
    );
  }
  const questions = predictions.columns;
  const places = ids.map((_, i) => i);
  const answers = actual.map((row, i) =>
    questions.map((name) => {
      const cell = row[references.columns.indexOf(name)]!;
      return cell === "" ? null : toNumber(cell, ids[i]!);
    })
  );
  const probabilities = predicted.map((row, i) =>
    row ? row.map((cell) => toNumber(cell, ids[i]!)) : answers[i]!.map((answer) => answer === 1 ? 0 : 1)
  );
  const evaluate = (drawn: readonly number[]) => evaluateMultilabel(pick(probabilities, drawn), pick(answers, drawn));
  const all = evaluate(places);
  return {
    measure: (drawn) => {
      const { labels, rocAuc, averagePrecision, f1, subsetAccuracy } = evaluate(drawn);
      const measures: Record<string, number | null> = {
        "AUROC, macro": rocAuc.macro,
        "average precision, macro": averagePrecision.macro,
        "F1, macro": f1.macro,
        "all answers right": subsetAccuracy,
      };
      if (questions.length > 1) questions.forEach((name, i) => measures[`AUROC, ${name}`] = labels[i]!.rocAuc);
      return measures;
    },
    details: all,
    classes: questions,
    perClass: [
      [
        "question",
        "cases",
        "positive",
        "AUROC",
        "average precision",
        "sensitivity",
        "specificity",
        "F1",
        "Brier",
        "ECE",
      ],
      ...questions.map((name, i) => {
        const { cases, positives, ...scores } = all.labels[i]!;
        const { rocAuc, averagePrecision, sensitivity, specificity, f1, brier, calibration } = scores;
        const values = [
          rocAuc,
          averagePrecision,
          sensitivity,
          specificity,
          f1,
          brier,
          calibration?.expectedError ?? null,
        ];
        return [name, String(cases), String(positives), ...values.map(format)];
      }),
    ],
    places,
    missing: COUNTED_WRONG,
  };
}
