import { Random } from "random";

/**
 * Fills an array with independent values that are `kept` with the given probability and 0 otherwise, from nothing but the seed.
 * xoshiro128** (Blackman & Vigna 2018), seeded through `random`, because its own generator is too slow for whole activations.
 */
export function fillBernoulli(
  values: Float32Array,
  options: { probability: number; kept: number; seed: string },
): void {
  const { probability, kept, seed } = options;
  const seeder = new Random(seed);
  const word = (): number => Math.floor(seeder.float() * 0x100000000) | 0;
  let [a, b, c, d] = [word(), word(), word(), word() | 1]; // never all zero
  const threshold = probability * 0x100000000;
  for (let i = 0; i < values.length; i++) {
    const product = Math.imul(b, 5);
    const bits = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    values[i] = bits < threshold ? kept : 0;
  }
}
