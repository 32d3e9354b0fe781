import { confusionMatrix, type ConfusionScores, measureConfusion } from "./confusion_matrix.ts";

/** How close predicted grades are to true ones. */
export interface OrdinalScores extends ConfusionScores {
  /** Number of cases. */
  readonly cases: number;
  /** Mean number of grades that predictions are off. */
  readonly meanAbsoluteError: number;
  /** Part of the cases at most one grade off. */
  readonly withinOne: number;
  /** Cases by actual (row) and predicted (column) grade. */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * Evaluates predicted grades, classes in an order.
 *
 * @param predicted A grade for each case, whole numbers from 0.
 * @param actual The true grades, in the same order.
 * @param classes Number of grades.
 * @returns The scores; `quadraticKappa` is the one that is commonly reported.
 * @throws RangeError when the lists are empty or differ in length or a grade is out of range.
 *
 * Checked against scikit-learn's `cohen_kappa_score` with quadratic weights.
 */
export function evaluateOrdinal(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
): OrdinalScores {
  const confusion = confusionMatrix(predicted, actual, classes);
  const distances = Array.from(predicted, (grade, i) => Math.abs(grade - actual[i]!));
  return {
    cases: distances.length,
    ...measureConfusion(confusion),
    meanAbsoluteError: distances.reduce((sum, distance) => sum + distance, 0) / distances.length,
    withinOne: distances.filter((distance) => distance <= 1).length / distances.length,
    confusion,
  };
}
