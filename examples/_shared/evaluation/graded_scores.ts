import { evaluateOrdinal, evaluateRegression } from "@med3d/downstream";
import { UsageError } from "../pretraining/configuration.ts";
import type { MatchedScores } from "./read_scores.ts";
import { pick, type ScoreProblem, toNumber } from "./score_problem.ts";

/** Grades, as one column or a column of probabilities for each. */
export function ordinal({ ids, actual, predicted }: MatchedScores): ScoreProblem {
  const grades = actual.map(([cell], i) => toNumber(cell!, ids[i]!));
  const given = predicted.map((row, i) => {
    if (!row) return null;
    const values = row.map((cell) => toNumber(cell, ids[i]!));
    return values.length === 1 ? values[0]! : values.indexOf(Math.max(...values)); // a column for each grade
  });
  const width = Math.max(0, ...predicted.map((row) => row && row.length > 1 ? row.length : 0));
  const count = Math.max(width, 1 + Math.max(...grades, ...given.map((grade) => grade ?? 0)));
  const guesses = given.map((grade, i) => grade ?? (grades[i]! < (count - 1) / 2 ? count - 1 : 0)); // the farthest
  const evaluate = (drawn: readonly number[]) => evaluateOrdinal(pick(guesses, drawn), pick(grades, drawn), count);
  const places = ids.map((_, i) => i);
  const all = evaluate(places);
  return {
    measure: (drawn) => {
      const scores = evaluate(drawn);
      return {
        "quadratic kappa": scores.quadraticKappa,
        "mean absolute error": scores.meanAbsoluteError,
        "accuracy": scores.accuracy,
        "at most one grade off": scores.withinOne,
        "balanced accuracy": scores.balancedAccuracy,
      };
    },
    details: all,
    classes: Array.from({ length: count }, (_, grade) => `grade ${grade}`),
    confusion: all.confusion,
    places,
    missing: "counts as the farthest grade",
  };
}

/** One number for each case. */
export function regression({ ids, actual, predicted }: MatchedScores): ScoreProblem {
  const truth = actual.map(([cell], i) => toNumber(cell!, ids[i]!));
  const values = predicted.map((row, i) => row && toNumber(row[0]!, ids[i]!));
  const places = ids.flatMap((_, i) => values[i] === null ? [] : [i]);
  if (places.length === 0) {
    throw new UsageError("Cannot evaluate regression: no case has a prediction. Check the names.");
  }
  const evaluate = (drawn: readonly number[]) =>
    evaluateRegression(pick(values, drawn).map((value) => value!), pick(truth, drawn));
  return {
    measure: (drawn) => {
      const { meanAbsoluteError, rootMeanSquaredError, bias, rSquared, pearson } = evaluate(drawn);
      return {
        "mean absolute error": meanAbsoluteError,
        "root mean squared error": rootMeanSquaredError,
        "bias": bias,
        "R²": rSquared,
        "Pearson's r": pearson,
      };
    },
    details: evaluate(places),
    classes: [],
    places,
    missing: "is left out, as no error is the worst",
  };
}
