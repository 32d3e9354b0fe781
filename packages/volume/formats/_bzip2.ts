import { CorruptVolumeError } from "../findings.ts";
import { type ByteSource } from "./_byte_source.ts";
import { joinBytes } from "./_chunk_source.ts";
import { transformSource } from "./_inflate_source.ts";
import { BitReader, OutOfBits } from "./_bit_reader.ts";
import { Bzip2Checksum, undoRunLengths } from "./_bzip2_runs.ts";
import { makePrefixCode, type PrefixCode, readSymbol } from "./_prefix_code.ts";

/** A block of 900,000 bytes, each fifth of which stands for 255 more, takes at least this many bytes. */
const SMALLEST_BLOCK_BYTES = 36;
const MAXIMUM_RATIO = Math.ceil(900_000 * 259 / 5 / SMALLEST_BLOCK_BYTES);
/** What almost constant data shrinks by; it takes some blocks of runs to come so far. */
const SUSPECT_RATIO = 20_000;
const BLOCK_MARK = [0x314159, 0x265359] as const;
const END_MARK = [0x177245, 0x385090] as const;
const GROUP_SYMBOLS = 50;
const MOST_CODE_BITS = 20;

/** Raised at damage within a stream. */
class Damage extends Error {}

/**
 * Unpacks what a source has left by bzip2, block by block: at most one block stands in memory, beside the packed bytes. Written from the format's
 * published description (J. Tsai, "BZIP2: Format Specification", 2016); checked against streams of libbzip2.
 */
export function bunzip2Source(source: ByteSource): ByteSource {
  const bound = source.boundBytes * MAXIMUM_RATIO;
  return transformSource(source, (chunks) => bunzip2Chunks(chunks, source), bound, source.boundBytes * SUSPECT_RATIO);
}

async function* bunzip2Chunks(chunks: AsyncIterable<Uint8Array>, source: ByteSource): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  try {
    yield* unpackStreams(new BitReader(joinBytes(parts)));
  } catch (cause) {
    if (!(cause instanceof Damage || cause instanceof OutOfBits)) throw cause;
    const truncated = cause instanceof OutOfBits;
    throw new CorruptVolumeError(truncated ? "truncated" : "corrupt-bzip2", {
      action: `read ${source.format}`,
      path: source.path,
      problem: truncated
        ? "the bzip2 stream ends before its end mark"
        : `the bzip2 stream is damaged (${cause.message})`,
      fix: "Copy or download the file again.",
      cause,
    });
  }
}

/** Unpacks streams that follow one another; what follows the last and begins no stream is passed over, as bzip2 itself does. */
function* unpackStreams(bits: BitReader): Generator<Uint8Array> {
  for (let streams = 0;; streams++) {
    if (bits.remainingBytes < 4) {
      if (streams === 0) throw new OutOfBits();
      return;
    }
    if (bits.read(16) !== 0x425a || bits.read(8) !== 0x68) {
      if (streams === 0) throw new Damage("it does not begin with BZh");
      return;
    }
    const level = bits.read(8) - 0x30;
    if (level < 1 || level > 9) throw new Damage(`its block size is ${level}, expected 1 to 9`);
    yield* unpackBlocks(bits, level * 100_000);
    bits.alignToByte();
  }
}

function* unpackBlocks(bits: BitReader, mostBytes: number): Generator<Uint8Array> {
  const places = new Uint32Array(mostBytes);
  let combined = 0;
  for (;;) {
    const [high, low] = [bits.read(24), bits.read(24)];
    const expected = bits.read32();
    if (high === END_MARK[0] && low === END_MARK[1]) {
      if (expected !== combined) throw new Damage("its checksum is wrong");
      return;
    }
    if (high !== BLOCK_MARK[0] || low !== BLOCK_MARK[1]) throw new Damage("a block's mark is missing");
    const checksum = new Bzip2Checksum();
    for (const chunk of undoRunLengths(unsort(bits, places))) {
      checksum.update(chunk);
      yield chunk;
    }
    if (checksum.value !== expected) throw new Damage("a block's checksum is wrong");
    combined = (((combined << 1) | (combined >>> 31)) ^ expected) >>> 0;
  }
}

/** Reads a block and undoes its sorting (Burrows and Wheeler 1994): links in the high bits of `places`, bytes in the low ones. */
function unsort(bits: BitReader, places: Uint32Array): { places: Uint32Array; length: number; start: number } {
  if (bits.read(1) === 1) throw new Damage("it is randomised, as only bzip2 before 0.9.5 did");
  const first = bits.read(24);
  const { length, counts } = readSymbols(bits, places);
  if (first >= length) throw new Damage("a block's first place is outside it");
  const starts = new Uint32Array(256);
  for (let byte = 1; byte < 256; byte++) starts[byte] = starts[byte - 1]! + counts[byte - 1]!;
  for (let i = 0; i < length; i++) {
    const byte = places[i]! & 0xff;
    const at = starts[byte]!++;
    places[at] = (places[at]! & 0xff) | (i << 8);
  }
  return { places, length, start: places[first]! >>> 8 };
}

/** Reads a block's symbols and undoes runs of zeros and moves to the front; bytes go to `places`. */
function readSymbols(bits: BitReader, places: Uint32Array): { length: number; counts: Uint32Array } {
  const recent = readUsedBytes(bits);
  const endSymbol = recent.length + 1;
  const selectors = readSelectors(bits);
  const codes = Array.from({ length: selectors.groups }, () => readCode(bits, recent.length + 2));
  const counts = new Uint32Array(256);
  let length = 0;
  let run = 0;
  let weight = 1;
  for (let group = 0;; group++) {
    const selector = selectors.order[group];
    if (selector === undefined) throw new Damage("a block has more symbols than it says");
    const code = codes[selector]!;
    for (let i = 0; i < GROUP_SYMBOLS; i++) {
      const symbol = readSymbol(bits, code);
      if (symbol < 0) throw new Damage("a code has no symbol");
      if (symbol <= 1) {
        run += weight << symbol;
        weight <<= 1;
        if (run > places.length) throw new Damage("a block is longer than it may be");
        continue;
      }
      if (run > 0) {
        if (length + run > places.length) throw new Damage("a block is longer than it may be");
        places.fill(recent[0]!, length, length + run);
        counts[recent[0]!]! += run;
        length += run;
        [run, weight] = [0, 1];
      }
      if (symbol === endSymbol) return { length, counts };
      if (length === places.length) throw new Damage("a block is longer than it may be");
      const byte = recent[symbol - 1]!;
      recent.copyWithin(1, 0, symbol - 1);
      recent[0] = byte;
      places[length++] = byte;
      counts[byte]!++;
    }
  }
}

/** Which bytes occur: 16 bits for groups of 16, then 16 bits for each group in use. */
function readUsedBytes(bits: BitReader): Uint8Array {
  const groups = bits.read(16);
  const used: number[] = [];
  for (let group = 0; group < 16; group++) {
    if ((groups & (0x8000 >>> group)) === 0) continue;
    const members = bits.read(16);
    for (let i = 0; i < 16; i++) if ((members & (0x8000 >>> i)) !== 0) used.push(group * 16 + i);
  }
  if (used.length === 0) throw new Damage("a block uses no bytes");
  return Uint8Array.from(used);
}

/** Which code each group of 50 symbols has, moved to the front. */
function readSelectors(bits: BitReader): { groups: number; order: Uint8Array } {
  const groups = bits.read(3);
  const count = bits.read(15);
  if (groups < 2 || groups > 6 || count < 1) throw new Damage(`a block has ${groups} codes for ${count} groups`);
  const recent = Uint8Array.from({ length: groups }, (_, i) => i);
  const order = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    let back = 0;
    while (bits.read(1) === 1) {
      if (++back >= groups) throw new Damage("a group's code does not exist");
    }
    const chosen = recent[back]!;
    recent.copyWithin(1, 0, back);
    recent[0] = order[n] = chosen;
  }
  return { groups, order };
}

/** Code lengths, each by its difference from the one before. */
function readCode(bits: BitReader, symbols: number): PrefixCode {
  const lengths = new Uint8Array(symbols);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (;;) {
      if (length < 1 || length > MOST_CODE_BITS) throw new Damage(`a code has ${length} bits, expected 1 to 20`);
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return makePrefixCode(lengths);
}
