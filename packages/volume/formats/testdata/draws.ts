import { SeededRandom } from "../../_seeded_random.ts";

/** What damaging files needs of a source of random numbers; npm's `random` offers it too, but repeats itself after some thousand draws. */
export interface Draws {
  /** An integer evenly from low…high, both included. */
  int(low: number, high: number): number;
  /** Heads or tails. */
  boolean(): boolean;
}

/** Draws that a string fixes. */
export function drawsOf(seed: string): Draws {
  const random = new SeededRandom(seed);
  return { int: (low, high) => random.integer(low, high), boolean: () => random.integer(0, 1) === 1 };
}
