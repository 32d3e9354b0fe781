import { checkClassIndices, checkPairs, checkProbabilities, checkRows } from "./_check_predictions.ts";

/** Cases whose confidence lies in one bin. */
export interface CalibrationBin {
  /** Lower end of the bin; the confidence is above it (the first bin holds 0 too). */
  readonly from: number;
  /** Upper end, which belongs to the bin. */
  readonly to: number;
  /** Number of cases. */
  readonly cases: number;
  /** Their mean confidence; `null` for an empty bin. */
  readonly confidence: number | null;
  /** How often they are right; `null` for an empty bin. */
  readonly accuracy: number | null;
}

/** How far confidence is from being right as often. */
export interface Calibration {
  /** Expected calibration error: the mean distance of both over bins, weighted by cases, 0 to 1. */
  readonly expectedError: number;
  /** The largest distance of any bin that has cases. */
  readonly maximumError: number;
  /** Bins of equal width in ascending order. */
  readonly bins: readonly CalibrationBin[];
}

/**
 * Measures whether stated confidence is right as often as it says.
 *
 * @param confidence For each case the probability that was given to an event: that the top class is right (multi-class), or that the case
 * is positive (binary).
 * @param happened Whether it was so: 1 or true, else 0 or false.
 * @param options `bins` of equal width, default 15.
 * @returns Errors and bins.
 * @throws RangeError when the lists are empty or differ in length, a value is no probability or `bins` no positive whole number.
 *
 * Source: C. Guo et al., "On calibration of modern neural networks", 2017.
 */
export function measureCalibration(
  confidence: ArrayLike<number>,
  happened: ArrayLike<number | boolean>,
  options: { readonly bins?: number } = {},
): Calibration {
  const { bins: count = 15 } = options;
  const action = "measure calibration";
  checkPairs(action, confidence.length, happened.length);
  checkProbabilities(action, confidence);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot ${action}: bad number of bins: got ${count}, expected a positive whole number. Give 15.`,
    );
  }
  const sums = Array.from({ length: count }, () => ({ cases: 0, confidence: 0, right: 0 }));
  for (let i = 0; i < confidence.length; i++) {
    const sum = sums[Math.max(0, Math.ceil(confidence[i]! * count) - 1)]!;
    sum.cases++;
    sum.confidence += confidence[i]!;
    if (happened[i]) sum.right++;
  }
  const gaps = sums.map((sum) => Math.abs(sum.confidence - sum.right));
  return {
    expectedError: gaps.reduce((total, gap) => total + gap, 0) / confidence.length,
    maximumError: Math.max(...gaps.map((gap, i) => sums[i]!.cases === 0 ? 0 : gap / sums[i]!.cases)),
    bins: sums.map((sum, i) => ({
      from: i / count,
      to: (i + 1) / count,
      cases: sum.cases,
      confidence: sum.cases === 0 ? null : sum.confidence / sum.cases,
      accuracy: sum.cases === 0 ? null : sum.right / sum.cases,
    })),
  };
}

/**
 * Brier's score of binary predictions: the mean squared distance of probabilities from what happened.
 *
 * @param probabilities For each case that it is positive.
 * @param positive Whether it is: 1 or true, else 0 or false.
 * @returns From 0 (certain and right) to 1 (certain and wrong).
 * @throws RangeError when the lists are empty or differ in length or a value is no probability.
 *
 * Checked against scikit-learn's `brier_score_loss`.
 */
export function brierScore(probabilities: ArrayLike<number>, positive: ArrayLike<number | boolean>): number {
  checkPairs("measure Brier's score", probabilities.length, positive.length);
  checkProbabilities("measure Brier's score", probabilities);
  const squares = Array.from(probabilities, (probability, i) => (probability - (positive[i] ? 1 : 0)) ** 2);
  return squares.reduce((sum, square) => sum + square, 0) / squares.length;
}

/**
 * Brier's score of multi-class predictions, as Brier defined it: squared distances summed over classes, averaged over cases.
 *
 * @param probabilities `[cases][classes]`, each row summing to 1.
 * @param actual The true class of each case, from 0.
 * @returns From 0 to 2; twice {@linkcode brierScore} for two classes.
 * @throws RangeError when the lists are empty or differ in length, rows are no probabilities or a label is no class.
 *
 * Checked against scikit-learn's `brier_score_loss`.
 */
export function multiclassBrierScore(
  probabilities: readonly ArrayLike<number>[],
  actual: ArrayLike<number>,
): number {
  const action = "measure Brier's score";
  checkPairs(action, probabilities.length, actual.length);
  const classes = probabilities[0]!.length;
  checkRows(action, probabilities, { classes, sumToOne: true });
  checkClassIndices(action, actual, classes);
  const scores = probabilities.map((row, i) =>
    Array.from(row).reduce((sum, probability, label) => sum + (probability - (actual[i] === label ? 1 : 0)) ** 2, 0)
  );
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
