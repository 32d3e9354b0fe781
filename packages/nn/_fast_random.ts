import type { Random } from "random";

/**
 * Makes a generator of uniform values in [0, 1) with 32 random bits each: xoshiro128** (Blackman & Vigna 2018), seeded by four draws from
 * `random`, whose own generator takes 20 times as long; whole weights and activations are drawn here.
 */
export function createFastRandom(random: Random): () => number {
  const word = (): number => Math.floor(random.float() * 0x100000000) | 0;
  let [a, b, c, d] = [word(), word(), word(), word() | 1]; // never all zero
  return () => {
    const product = Math.imul(b, 5);
    const bits = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return bits / 0x100000000;
  };
}

/** Fills an array with values drawn one after the other. */
export function fill(count: number, draw: () => number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = draw();
  return values;
}
