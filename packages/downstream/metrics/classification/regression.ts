import { checkFinite, checkPairs } from "./_check_predictions.ts";

/** How close predicted numbers are to true ones. */
export interface RegressionScores {
  /** Number of cases. */
  readonly cases: number;
  /** Mean absolute error, in the target's unit. */
  readonly meanAbsoluteError: number;
  /** Root of the mean squared error, in the target's unit. */
  readonly rootMeanSquaredError: number;
  /** Mean of prediction less truth, in the target's unit. */
  readonly bias: number;
  /** 1 less the squared error over that of predicting the mean; `null` where all true values are equal. */
  readonly rSquared: number | null;
  /** Pearson's correlation; `null` where either side's values are all equal. */
  readonly pearson: number | null;
}

/**
 * Measures predicted numbers against true ones.
 *
 * @param predicted One finite number for each case.
 * @param actual The true numbers, in the same order and unit.
 * @returns The scores.
 * @throws RangeError when the lists are empty or differ in length or a value is not finite.
 *
 * Checked against scikit-learn and SciPy's `pearsonr`.
 */
export function evaluateRegression(predicted: ArrayLike<number>, actual: ArrayLike<number>): RegressionScores {
  const action = "evaluate regression";
  checkPairs(action, predicted.length, actual.length);
  checkFinite(action, predicted);
  checkFinite(action, actual);
  const cases = actual.length;
  const errors = Array.from(predicted, (value, i) => value - actual[i]!);
  const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / cases;
  const [truth, guess] = [deviations(actual), deviations(predicted)];
  const product = truth.values.reduce((sum, value, i) => sum + value * guess.values[i]!, 0);
  const squares = average(errors.map((error) => error * error));
  const constant = truth.squares === 0;
  return {
    cases,
    meanAbsoluteError: average(errors.map(Math.abs)),
    rootMeanSquaredError: Math.sqrt(squares),
    bias: average(errors),
    rSquared: constant ? null : 1 - squares * cases / truth.squares,
    pearson: constant || guess.squares === 0
      ? null
      : Math.max(-1, Math.min(1, product / Math.sqrt(truth.squares * guess.squares))),
  };
}

/** Distances from the mean; exactly 0 where all values are equal. */
function deviations(list: ArrayLike<number>): { values: number[]; squares: number } {
  const values = Array.from(list);
  const constant = values.every((value) => value === values[0]);
  const mean = constant ? values[0]! : values.reduce((sum, value) => sum + value, 0) / values.length;
  const distances = values.map((value) => value - mean);
  return { values: distances, squares: distances.reduce((sum, value) => sum + value * value, 0) };
}
