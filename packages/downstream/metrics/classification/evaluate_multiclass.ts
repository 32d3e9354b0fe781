import { checkClassIndices, checkPairs, checkRows } from "./_check_predictions.ts";
import { type Calibration, measureCalibration, multiclassBrierScore } from "./calibration.ts";
import { confusionMatrix, type ConfusionScores, measureConfusion } from "./confusion_matrix.ts";
import { averagePrecision, rocAuc } from "./ranking.ts";

/** A measure of each class against the rest, and its means. */
export interface OneVersusRest {
  /** One value for each class in order; `null` where the class or the rest has no case. */
  readonly perClass: readonly (number | null)[];
  /** Mean over the classes for which it exists; `null` where there is none. */
  readonly macro: number | null;
  /** The same weighted by the classes' cases. */
  readonly weighted: number | null;
}

/** How well probabilities of one class among several are. */
export interface MulticlassScores extends ConfusionScores {
  /** Number of cases. */
  readonly cases: number;
  /** AUROC of each class against the rest. For two classes both are equal. */
  readonly rocAuc: OneVersusRest;
  /** Average precision of each class against the rest. */
  readonly averagePrecision: OneVersusRest;
  /** How far the top class's probability is from being right as often. */
  readonly calibration: Calibration;
  /** Brier's score summed over classes, 0 to 2. */
  readonly brier: number;
  /** Mean of −ln of the true class's probability, held to 1e-15 from below. */
  readonly logLoss: number;
  /** Cases by actual (row) and predicted (column) class. */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * Evaluates probabilities of one class among several. The class of highest probability is taken, the first of equal ones.
 *
 * A measure that does not exist for a class (no case of it, or of no other) is `null` and takes no part in means; it is never set to 0.5.
 *
 * @param probabilities `[cases][classes]`, each row summing to 1 within 0.001; two classes at least.
 * @param actual The true class of each case, whole numbers from 0.
 * @param options `bins` of the calibration, default 15.
 * @returns The scores.
 * @throws RangeError when the lists are empty or differ in length, rows are no probabilities or a label is no class.
 *
 * Checked against scikit-learn.
 */
export function evaluateMulticlass(
  probabilities: readonly ArrayLike<number>[],
  actual: ArrayLike<number>,
  options: { readonly bins?: number } = {},
): MulticlassScores {
  const action = "evaluate classification";
  checkPairs(action, probabilities.length, actual.length);
  const classes = probabilities[0]!.length;
  if (classes < 2) {
    throw new RangeError(
      `Cannot ${action}: too few classes: got ${classes}, expected 2 at least. Give both probabilities of a yes or no.`,
    );
  }
  checkRows(action, probabilities, { classes, sumToOne: true });
  checkClassIndices(action, actual, classes);
  const predicted = probabilities.map(topClass);
  const confusion = confusionMatrix(predicted, actual, classes);
  const confidence = probabilities.map((row, i) => row[predicted[i]!]!);
  const scores = measureConfusion(confusion);
  const losses = probabilities.map((row, i) => -Math.log(Math.max(1e-15, row[actual[i]!]!)));
  const oneVersusRest = (measure: typeof rocAuc): OneVersusRest =>
    summariseClasses(
      Array.from({ length: classes }, (_, label) =>
        measure(probabilities.map((row) => row[label]!), Array.from(actual, (is) => is === label))),
      scores.classes.map(({ support }) =>
        support
      ),
    );
  return {
    cases: actual.length,
    ...scores,
    rocAuc: oneVersusRest(rocAuc),
    averagePrecision: oneVersusRest(averagePrecision),
    calibration: measureCalibration(confidence, predicted.map((label, i) => label === actual[i]), options),
    brier: multiclassBrierScore(probabilities, actual),
    logLoss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    confusion,
  };
}

/** The first of the highest. */
export function topClass(row: ArrayLike<number>): number {
  let best = 0;
  for (let label = 1; label < row.length; label++) if (row[label]! > row[best]!) best = label;
  return best;
}

/** Means over the classes that have a value. */
export function summariseClasses(
  perClass: readonly (number | null)[],
  support: readonly number[],
): OneVersusRest {
  const mean = (weightOf: (label: number) => number): number | null => {
    let [sum, total] = [0, 0];
    perClass.forEach((value, label) => {
      if (value === null) return;
      sum += weightOf(label) * value;
      total += weightOf(label);
    });
    return total === 0 ? null : sum / total;
  };
  return { perClass, macro: mean(() => 1), weighted: mean((label) => support[label]!) };
}
