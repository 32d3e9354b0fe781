import { Random } from "random";

/**
 * Makes a source of whole numbers in 0…count − 1 that a string fixes: sfc32 (C. Doty-Humphrey's PractRand), started with 128 bits that npm's
 * `random` draws from the string. That package's own generator repeats itself after some thousand draws.
 */
export function indexSource(seed: string): (count: number) => number {
  const start = new Random(seed);
  const word = (): number => start.int(-0x80000000, 0x7fffffff);
  let [a, b, c, counter] = [word(), word(), word(), 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 20; i++) next(); // until the start is mixed in
  return (count) => Math.floor(next() / 0x100000000 * count);
}
