/** Masks of `metrics_segmentation.json`, made as tools/oracles/downstream_metrics.py makes them. */
import type { Triple } from "@med3d/volume";

/** What a mask is made of: a kind, then numbers. */
export type Part = readonly [kind: string, ...numbers: number[]];

/** Numbers in [0, 1) from an integer hash of a counter. */
export function uniform(seed: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let x = Number((BigInt(i) + BigInt(seed) * 1000003n) & 0xFFFFFFFFn) >>> 0;
    for (let round = 0; round < 2; round++) x = Math.imul((x >>> 16) ^ x, 0x45D9F3B) >>> 0;
    return (((x >>> 16) ^ x) >>> 0) / 2 ** 32;
  });
}

/** Paints parts one over the other, C order. */
export function paintMask([depth, height, width]: Triple, parts: readonly Part[]): Uint8Array {
  const mask = new Uint8Array(depth * height * width);
  for (const [kind, ...n] of parts) {
    const noise = kind === "noise" || kind === "flip" ? uniform(n[0]!, mask.length) : undefined;
    for (let i = 0; i < mask.length; i++) {
      const [z, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
      if (kind === "box") {
        if (z >= n[0]! && z < n[1]! && y >= n[2]! && y < n[3]! && x >= n[4]! && x < n[5]!) mask[i] = 1;
      } else if (kind === "ball") {
        const square = ((z - n[0]!) / n[3]!) ** 2 + ((y - n[1]!) / n[4]!) ** 2 + ((x - n[2]!) / n[5]!) ** 2;
        if (square <= 1) mask[i] = 1;
      } else if (noise![i]! < n[1]!) mask[i] = kind === "noise" ? 1 : 1 - mask[i]!;
    }
  }
  return mask;
}

/** A number of the fixtures, or the word for what is none. */
export type Word = number | "nan" | "inf" | "-inf";
