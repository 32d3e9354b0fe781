/** Depth, height, width. */
export type Triple = readonly [number, number, number];

/** One number for all three axes, or one for each of depth, height and width. */
export type TripleLike = number | Triple;

/** Spreads a number over the three axes and refuses anything but integers of at least `least`. */
export function toTriple(action: string, name: string, value: TripleLike, least: number): Triple {
  const triple = typeof value === "number" ? [value, value, value] as const : value;
  if (triple.length !== 3 || triple.some((n) => !Number.isSafeInteger(n) || n < least)) {
    throw new RangeError(
      `Cannot ${action}: ${name} is wrong: got ${
        JSON.stringify(value)
      }, expected an integer of at least ${least} or three of them.`,
    );
  }
  return [triple[0], triple[1], triple[2]];
}
