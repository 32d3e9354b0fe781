import type { Random } from "random";

/** Seeds of the dropped branches, one for each pass in training. */
export class DropPathSeeds {
  /** Passes in training so far. */
  passes = 0;
  readonly #run: string;

  constructor(random: Random) {
    this.#run = `${random.float()}`;
  }

  /** Seed of a pass: that of the caller, or else the next of the series; undefined when nothing is dropped. */
  draw(training: boolean, seed: string | undefined): string | undefined {
    if (!training) return undefined;
    return seed ?? `${this.#run}/${this.passes++}`;
  }
}

/** Rates that rise from 0 in the first block to the greatest in the last. */
export function risingRates(greatest: number, blocks: number): readonly number[] {
  return Array.from({ length: blocks }, (_, i) => i === 0 ? 0 : greatest * i / (blocks - 1));
}

/** Rates of the stages, by the number of blocks of each. */
export function ratesOfStages(greatest: number, depths: readonly number[]): readonly (readonly number[])[] {
  const rates = risingRates(greatest, depths.reduce((sum, depth) => sum + depth, 0));
  let first = 0;
  return depths.map((depth) => rates.slice(first, first += depth));
}
