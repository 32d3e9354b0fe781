/** Words that say nothing about a number near them. */
const STOP_WORDS = new Set(
  "a about an and are as at by for from has in is it its lies of on or out over taken than that the there these this to which with"
    .split(" "),
);
const UNITS = new Set(["mm", "cm", "hu", "%", "ml", "t", "ms", "s"]);
/** Buckets per doubling of a number. */
const BUCKETS_PER_OCTAVE = 3;
/** How far, in words, a number looks for what it is a number of. */
const REACH = 4;

/** A word, or a number with its two buckets. */
interface Token {
  readonly word: string;
  readonly buckets?: readonly [string, string];
}

/**
 * Splits a caption into the terms that its vector is made of.
 *
 * Terms are single words, pairs of neighbouring words, numbers and numbers joined with the content words around them; none crosses the
 * end of a clause. Numbers become buckets of a logarithmic grid with their unit, each number in two grids that are half a bucket apart: so
 * `31 mm` and `33 mm` share terms, `31 mm` and `60 mm` do not, and `31 mm` never meets `31 %`.
 *
 * @param text Any text; case does not matter.
 * @returns Terms in order of occurrence, repeated as often as they occur; empty for a text without words and numbers.
 */
export function tokeniseCaption(text: string): string[] {
  return clausesOf(text).flatMap((tokens) => {
    const terms = tokens.flatMap(({ word, buckets }) => buckets ?? [word]);
    for (let index = 0; index + 1 < tokens.length; index++) {
      terms.push(`${nameOf(tokens[index]!)} ${nameOf(tokens[index + 1]!)}`);
    }
    for (const [index, { buckets }] of tokens.entries()) {
      if (!buckets) continue;
      const near = tokens.slice(Math.max(0, index - REACH), index + REACH + 1)
        .filter(({ word, buckets }) => !buckets && !STOP_WORDS.has(word));
      for (const { word } of near) terms.push(...buckets.map((bucket) => `${word}~${bucket}`));
    }
    return terms;
  });
}

function nameOf({ word, buckets }: Token): string {
  return buckets ? buckets[0] : word;
}

/** Cuts a text into clauses of tokens. Units are told apart from words: they go into the numbers before them. */
function clausesOf(text: string): Token[][] {
  const clauses: Token[][] = [];
  // A full stop or comma inside a number belongs to it; a minus counts where no word or number stands before it.
  const pattern = /(?<![\p{L}\p{N}])[-−]?\d+(?:[.,]\d+)?|[\p{L}]+|%|[.;:,()!?]/gu;
  for (const clause of splitAtMarks(text.normalize("NFKC").toLowerCase().match(pattern) ?? [])) {
    const tokens: Token[] = [];
    clause.forEach((piece, index) => {
      if (/\d/.test(piece)) {
        const unit = clause.slice(index + 1, index + 4).find((next) => UNITS.has(next)) ?? "";
        const value = Number(piece.replace("−", "-").replace(",", "."));
        if (Number.isFinite(value)) tokens.push({ word: piece, buckets: bucketsOf(value, unit) });
      } else if (!UNITS.has(piece)) tokens.push({ word: piece });
    });
    if (tokens.length > 0) clauses.push(tokens);
  }
  return clauses;
}

function splitAtMarks(pieces: readonly string[]): string[][] {
  const clauses: string[][] = [[]];
  for (const piece of pieces) {
    if (/^[.;:,()!?]$/.test(piece)) clauses.push([]);
    else clauses.at(-1)!.push(piece);
  }
  return clauses;
}

/** Names of the buckets that a number falls into, on two grids half a bucket apart. */
function bucketsOf(value: number, unit: string): [string, string] {
  const place = BUCKETS_PER_OCTAVE * Math.log2(1 + Math.abs(value));
  const sign = value < 0 ? "-" : "";
  return [`#${sign}${Math.floor(place)}${unit}`, `#${sign}${Math.floor(place + 0.5)}½${unit}`];
}
