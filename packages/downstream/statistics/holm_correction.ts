/**
 * Corrects p values for having made several tests, so that the chance of any false alarm among them stays below the level that each
 * corrected value is held against.
 *
 * @param pValues From 0 to 1, in any order.
 * @returns The corrected values in the same order, at most 1.
 * @throws RangeError when a value is outside of 0 to 1.
 *
 * Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979. Checked by its definition, step by step.
 */
export function holmCorrection(pValues: readonly number[]): number[] {
  const wrong = pValues.find((value) => !(value >= 0 && value <= 1));
  if (wrong !== undefined) {
    throw new RangeError(
      `Cannot correct p values: one is no probability: got ${wrong}, expected 0 to 1. Leave out tests that gave none.`,
    );
  }
  const order = pValues.map((_, i) => i).sort((i, j) => pValues[i]! - pValues[j]!);
  const corrected = new Array<number>(pValues.length);
  let largest = 0;
  order.forEach((test, place) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - place) * pValues[test]!));
    corrected[test] = largest;
  });
  return corrected;
}
