/** Hash of 32 bits (Wellons' lowbias32), the same as {@linkcode HASH_SHADER}. */
export function hash(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The same in WGSL. */
export const HASH_SHADER = `
fn hash(value : u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}`;

/** The hash below which something is dropped. */
export function dropThreshold(rate: number): number {
  return Math.floor(rate * 2 ** 32);
}
