import type { BitReader } from "./_bit_reader.ts";

const FAST_BITS = 10;
const MOST_BITS = 20;

/** A canonical prefix code: shorter codes come first, equal ones in the order of their symbols. */
export interface PrefixCode {
  /** By the next 10 bits: symbol · 32 + length, or 0 where the code is longer. */
  readonly fast: Uint16Array;
  /** By length: the first code that is longer, left-aligned to 20 bits. */
  readonly limits: Uint32Array;
  /** By length: what to add to a code to get its place among the symbols. */
  readonly offsets: Int32Array;
  /** Symbols by their codes. */
  readonly symbols: Uint16Array;
}

/** Makes the code from the length of each symbol's, 1 to 20. */
export function makePrefixCode(lengths: Uint8Array): PrefixCode {
  const symbols = Uint16Array.from(lengths.keys()).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const limits = new Uint32Array(MOST_BITS + 1);
  const offsets = new Int32Array(MOST_BITS + 1);
  const fast = new Uint16Array(1 << FAST_BITS);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= MOST_BITS; length++) {
    offsets[length] = place - code;
    for (; place < symbols.length && lengths[symbols[place]!] === length; place++, code++) {
      if (length > FAST_BITS) continue;
      const shift = FAST_BITS - length;
      fast.fill(symbols[place]! * 32 + length, code << shift, (code + 1) << shift);
    }
    limits[length] = code * 2 ** (MOST_BITS - length);
    code *= 2;
  }
  return { fast, limits, offsets, symbols };
}

/** Takes a symbol; −1 where the bits are none of the code's. */
export function readSymbol(bits: BitReader, code: PrefixCode): number {
  const next = bits.peek(MOST_BITS);
  const found = code.fast[next >>> (MOST_BITS - FAST_BITS)]!;
  if (found !== 0) {
    bits.skip(found & 31);
    return found >>> 5;
  }
  for (let length = 1; length <= MOST_BITS; length++) {
    if (next >= code.limits[length]!) continue;
    bits.skip(length);
    return code.symbols[(next >>> (MOST_BITS - length)) + code.offsets[length]!] ?? -1;
  }
  return -1;
}
