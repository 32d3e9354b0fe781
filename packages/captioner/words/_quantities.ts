/** Rounds to a step. */
function toStep(value: number, step: number): number {
  return Math.round(value / step) * step;
}

/** Millimetres as a reader would give them: by 1 below 20, by 5 below 100, by 10 above. */
export function roundMm(value: number): number {
  if (value < 19.5) return Math.max(1, Math.round(value));
  return toStep(value, value < 97.5 ? 5 : 10);
}

/** A share in per cent: by 1 below 10, by 5 above; `<1` for what is there but hardly. */
export function roundPercent(share: number): string {
  const percent = 100 * share;
  if (percent > 0 && percent < 0.5) return "<1";
  return String(percent < 9.5 ? Math.round(percent) : toStep(percent, 5));
}

/** HU by tens. */
export function roundHu(value: number): number {
  const rounded = toStep(value, 10);
  return rounded === 0 ? 0 : rounded; // no minus zero
}

/** `a`, `a and b`, `a, b and c`. */
export function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** One to nine in words, as prose has them. */
export function countWord(count: number): string {
  return ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"][count] ?? String(count);
}

/** With the indefinite article that its first letter asks for. */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
}

/** With a capital first letter. */
export function capitalise(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
