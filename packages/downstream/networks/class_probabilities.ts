/** What the outputs of a classification network are: classes that exclude each other, labels that do not, ranked classes, or numbers. */
export type ClassificationTarget = "classes" | "labels" | "ordinal" | "values";

/**
 * Turns one scan's outputs into what they say.
 *
 * @param outputs Logits, or standardised values of a regression.
 * @param target `"classes"`: softmax. `"labels"`: a sigmoid for each. `"ordinal"`: sigmoids that a class is above each threshold, made never to
 * rise from one to the next, and their differences. `"values"`: the outputs as they are.
 * @returns A probability for each class or label (one more than the outputs where ordinal), or the values.
 */
export function classProbabilities(outputs: ArrayLike<number>, target: ClassificationTarget): Float64Array {
  const values = Float64Array.from(outputs);
  if (target === "values") return values;
  if (target === "classes") {
    const highest = Math.max(...values);
    const shares = values.map((value) => Math.exp(value - highest));
    const sum = shares.reduce((total, share) => total + share, 0);
    return shares.map((share) => share / sum);
  }
  const above = values.map((value) => 1 / (1 + Math.exp(-value)));
  if (target === "labels") return above;
  let least = 1;
  const falling = Float64Array.from(above, (value) => least = Math.min(least, value));
  return Float64Array.from(
    { length: falling.length + 1 },
    (_, k) => (k === 0 ? 1 : falling[k - 1]!) - (falling[k] ?? 0),
  );
}
