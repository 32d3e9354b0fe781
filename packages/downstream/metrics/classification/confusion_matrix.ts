import { checkClassIndices, checkPairs } from "./_check_predictions.ts";

/**
 * Counts cases by actual and predicted class.
 *
 * @param predicted A class for each case, whole numbers from 0.
 * @param actual The true classes, in the same order.
 * @param classes Number of classes.
 * @returns `[classes][classes]`: the row is the actual class, the column the predicted one.
 * @throws RangeError when the lists are empty or differ in length, or a label is no class.
 */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
): number[][] {
  const action = "count confusions";
  checkPairs(action, predicted.length, actual.length);
  checkClassIndices(action, predicted, classes);
  checkClassIndices(action, actual, classes);
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < actual.length; i++) matrix[actual[i]!]![predicted[i]!]!++;
  return matrix;
}

/** How one class fared. */
export interface ClassScores {
  /** Cases of the class. */
  readonly support: number;
  /** Part of the class's cases that were found; `null` where it has none. */
  readonly sensitivity: number | null;
  /** Part of the other classes' cases that were not taken for it; `null` where there are none. */
  readonly specificity: number | null;
  /** Part of what was taken for the class that is of it; 0 where nothing was though there are cases; `null` where there are none either. */
  readonly precision: number | null;
  /** 2 TP / (2 TP + FP + FN); 0 for a class that is missed or made up; `null` where it neither occurs nor was predicted. */
  readonly f1: number | null;
}

/** What a confusion matrix says. `null` stands for what does not exist. */
export interface ConfusionScores {
  /** Part of the cases that are right. */
  readonly accuracy: number;
  /** Mean sensitivity of the classes that occur. */
  readonly balancedAccuracy: number;
  /** Mean F1 of the classes that occur or were predicted. */
  readonly macroF1: number;
  /** Mean F1 of the classes that occur, weighted by their cases. */
  readonly weightedF1: number;
  /** Cohen's kappa; `null` where all cases are of one class and all predictions too. */
  readonly kappa: number | null;
  /** The same with squared distances between classes as weights, for classes in an order. */
  readonly quadraticKappa: number | null;
  /** Each class in order. */
  readonly classes: readonly ClassScores[];
}

/**
 * Measures what a confusion matrix says.
 *
 * @param matrix `[classes][classes]` counts: the row is the actual class, the column the predicted one; at least one case.
 * @returns The scores, 0 to 1 (kappas −1 to 1).
 * @throws RangeError when the matrix is not square or has no case.
 *
 * Checked against scikit-learn's `accuracy_score`, `balanced_accuracy_score`, `f1_score` and `cohen_kappa_score`.
 */
export function measureConfusion(matrix: readonly (readonly number[])[]): ConfusionScores {
  const total = matrix.flat().reduce((sum, count) => sum + count, 0);
  if (matrix.some((row) => row.length !== matrix.length) || !(total > 0)) {
    throw new RangeError(
      `Cannot measure confusion: bad matrix: got ${matrix.length} rows and ${total} cases, expected a square matrix with a ` +
        `case at least. Make it with confusionMatrix.`,
    );
  }
  const actual = matrix.map((row) => row.reduce((sum, count) => sum + count, 0));
  const predicted = matrix.map((_, column) => matrix.reduce((sum, row) => sum + row[column]!, 0));
  const classes = matrix.map((row, i): ClassScores => {
    const [right, cases, taken] = [row[i]!, actual[i]!, predicted[i]!];
    const others = total - cases;
    return {
      support: cases,
      sensitivity: cases === 0 ? null : right / cases,
      specificity: others === 0 ? null : (others - (taken - right)) / others,
      precision: taken > 0 ? right / taken : cases > 0 ? 0 : null,
      f1: cases + taken === 0 ? null : 2 * right / (cases + taken),
    };
  });
  const average = (values: readonly (number | null)[]): number => {
    const defined = values.filter((value) => value !== null);
    return defined.reduce((sum, value) => sum + value, 0) / defined.length;
  };
  return {
    accuracy: matrix.reduce((sum, row, i) => sum + row[i]!, 0) / total,
    balancedAccuracy: average(classes.map(({ sensitivity }) => sensitivity)),
    macroF1: average(classes.map(({ f1 }) => f1)),
    weightedF1: classes.reduce((sum, { f1, support }) => sum + (f1 ?? 0) * support, 0) / total,
    kappa: kappa(matrix, actual, predicted, (i, j) => i === j ? 0 : 1),
    quadraticKappa: kappa(matrix, actual, predicted, (i, j) => (i - j) ** 2),
    classes,
  };
}

/** 1 less the weighted disagreement over that expected by chance. */
function kappa(
  matrix: readonly (readonly number[])[],
  actual: readonly number[],
  predicted: readonly number[],
  weight: (actual: number, predicted: number) => number,
): number | null {
  const total = actual.reduce((sum, count) => sum + count, 0);
  let [observed, expected] = [0, 0];
  matrix.forEach((row, i) =>
    row.forEach((count, j) => {
      observed += weight(i, j) * count;
      expected += weight(i, j) * actual[i]! * predicted[j]! / total;
    })
  );
  return expected === 0 ? null : 1 - observed / expected;
}
