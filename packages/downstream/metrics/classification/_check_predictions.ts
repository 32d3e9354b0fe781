/** Refuses lists that are empty or differ in length. */
export function checkPairs(action: string, predicted: number, actual: number): void {
  if (predicted === 0 || predicted !== actual) {
    throw new RangeError(
      `Cannot ${action}: predictions and labels do not pair up: got ${predicted} and ${actual}, expected as many of both, ` +
        `one at least. Match them by case first.`,
    );
  }
}

/** Refuses values that are not finite. */
export function checkFinite(action: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) {
      throw new RangeError(
        `Cannot ${action}: a value is no number: got ${
          values[i]
        }, expected finite numbers. Find out why the model gave it.`,
      );
    }
  }
}

/** Refuses values that are no probabilities. */
export function checkProbabilities(action: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!(values[i]! >= 0 && values[i]! <= 1)) {
      throw new RangeError(
        `Cannot ${action}: a value is no probability: got ${
          values[i]
        }, expected 0 to 1. Apply softmax or sigmoid to logits.`,
      );
    }
  }
}

/** Refuses classes that are not whole numbers in 0…classes − 1. */
export function checkClassIndices(action: string, indices: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= classes) {
      throw new RangeError(
        `Cannot ${action}: a label is no class: got ${index}, expected a whole number from 0 to ${classes - 1}. ` +
          `Number the classes from 0.`,
      );
    }
  }
}

/** Refuses rows that do not have one probability for each class, and those whose probabilities do not make one whole if they should. */
export function checkRows(
  action: string,
  rows: readonly ArrayLike<number>[],
  { classes, sumToOne }: { readonly classes: number; readonly sumToOne: boolean },
): void {
  for (const row of rows) {
    if (row.length !== classes) {
      throw new RangeError(
        `Cannot ${action}: a row has the wrong number of probabilities: got ${row.length}, expected ${classes}. ` +
          `Give one for each class.`,
      );
    }
    checkProbabilities(action, row);
    const sum = Array.from(row).reduce((total, probability) => total + probability, 0);
    if (sumToOne && Math.abs(sum - 1) > 1e-3) {
      throw new RangeError(
        `Cannot ${action}: probabilities of a case do not sum to 1: got ${sum}, expected 1 within 0.001. ` +
          `Apply softmax, or evaluate as multi-label.`,
      );
    }
  }
}
