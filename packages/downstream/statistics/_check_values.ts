/** Refuses values that no statistic can be taken of. */
export function checkValues(action: string, values: readonly number[], atLeast: number): void {
  if (values.length < atLeast) {
    throw new RangeError(
      `Cannot ${action}: too few values: got ${values.length}, expected ${atLeast} at least. Give one for each subject.`,
    );
  }
  const wrong = values.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) {
    throw new RangeError(
      `Cannot ${action}: a value is no number: got ${wrong}, expected finite numbers. ` +
        `Decide what a case without a value counts for, and give that.`,
    );
  }
}

/** Refuses pairs of different number, and returns the first less the second. */
export function differencesOf(action: string, a: readonly number[], b: readonly number[], atLeast: number): number[] {
  if (a.length !== b.length) {
    throw new RangeError(
      `Cannot ${action}: the sides differ in number: got ${a.length} and ${b.length}, expected one pair for each ` +
        `subject. Match them by subject first.`,
    );
  }
  checkValues(action, a, atLeast);
  checkValues(action, b, atLeast);
  return a.map((value, i) => value - b[i]!);
}

/** Refuses shares outside of (0, 1). */
export function checkConfidence(action: string, confidence: number): void {
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(
      `Cannot ${action}: bad confidence: got ${confidence}, expected between 0 and 1. Give 0.95 for 95 %.`,
    );
  }
}

/** Refuses numbers of draws that are none. */
export function checkResamples(action: string, resamples: number): void {
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new RangeError(
      `Cannot ${action}: bad number of resamples: got ${resamples}, expected a positive whole number. Give 10000.`,
    );
  }
}
