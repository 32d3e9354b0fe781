import { createHash } from "node:crypto";

/**
 * A source of random numbers that a string fixes: xoshiro128** (Blackman & Vigna 2018) started from the string's SHA-256.
 *
 * It is our own because the default generator of npm's `random` 5.4.1 comes back to the same numbers after some 4,600 draws, which
 * shows as stripes in the noise of a volume.
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spare = Number.NaN;

  /** Starts the sequence that belongs to a seed. */
  constructor(seed: string) {
    const digest = createHash("sha256").update(seed).digest();
    this.#a = digest.readInt32LE(0);
    this.#b = digest.readInt32LE(4);
    this.#c = digest.readInt32LE(8);
    this.#d = digest.readInt32LE(12) | 1; // never all zero
  }

  /** Draws evenly from [low, high), in steps of 2⁻³² of the range. */
  float(low = 0, high = 1): number {
    const product = Math.imul(this.#b, 5);
    const bits = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return low + (high - low) * (bits / 0x100000000);
  }

  /** Draws an integer evenly from low…high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1));
  }

  /** Draws from the normal distribution with mean 0 and deviation 1 (Marsaglia's polar method). */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const value = this.#spare;
      this.#spare = Number.NaN;
      return value;
    }
    for (;;) {
      const u = this.float(-1, 1);
      const v = this.float(-1, 1);
      const square = u * u + v * v;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = v * scale;
      return u * scale;
    }
  }

  /** Says yes with a probability. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** Draws one of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }
}
