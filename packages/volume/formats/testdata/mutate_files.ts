import { deflateRawSync, gzipSync } from "node:zlib";
import type { Draws } from "./draws.ts";

/** A file that is to be read, with those beside it. */
export interface FileSet {
  /** Files by name. */
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** Which of them is to be read. */
  readonly main: string;
}

const EXTREME_BYTES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const EXTREME_WORDS = [0, 1, 3000, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x00010000];
/** Numbers that a text header may be made to hold; the first three ask for 18 GB and more. */
const EXTREME_NUMBERS = ["3000 3000 1000", "2000000000", "99999 99999", "-1", "0", "1e9", "1e999", "NaN", "", "0x10", "4.5"]
  .concat(["9".repeat(40), "9007199254740993", "1 1 1 1 1 1 1 1 1 1"]);
const HEADER_REACH = 600;

/** Damages one file of a set, the one to be read more often than others. Returns what was done, for counting, and the new set. */
export function mutateFiles(original: FileSet, random: Draws): { readonly kind: string; readonly set: FileSet } {
  const names = Object.keys(original.files);
  const name = random.int(0, 3) > 0 ? original.main : names[random.int(0, names.length - 1)]!;
  const kind = pick(KINDS, random);
  let bytes = original.files[name]!;
  for (let n = random.int(1, 3); n > 0 && bytes.length > 0; n--) bytes = MUTATIONS[kind]!(bytes, random);
  return { kind, set: { main: original.main, files: { ...original.files, [name]: bytes } } };
}

type Mutation = (bytes: Uint8Array<ArrayBuffer>, random: Draws) => Uint8Array<ArrayBuffer>;

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "cut short": (bytes, random) => bytes.slice(0, random.int(0, bytes.length - 1)),
  "bits flipped": (bytes, random) => {
    const changed = bytes.slice();
    for (let n = random.int(1, 6); n > 0; n--) changed[placeIn(bytes, random)]! ^= 1 << random.int(0, 7);
    return changed;
  },
  "extreme bytes": (bytes, random) => {
    const changed = bytes.slice();
    for (let n = random.int(1, 6); n > 0; n--) changed[placeIn(bytes, random)] = pick(EXTREME_BYTES, random);
    return changed;
  },
  "extreme words": (bytes, random) => {
    const changed = bytes.slice();
    const view = new DataView(changed.buffer);
    for (let n = random.int(1, 4); n > 0; n--) {
      const at = placeIn(bytes, random) & ~1;
      if (at + 4 > bytes.length) continue;
      if (random.boolean()) view.setUint16(at, pick(EXTREME_WORDS, random), random.boolean());
      else view.setUint32(at, pick(EXTREME_WORDS, random), random.boolean());
    }
    return changed;
  },
  "numbers in text": (bytes, random) => {
    const [text, rest] = splitText(bytes);
    const numbers = Array.from(text.matchAll(/-?\d[\d.e]*/g));
    if (numbers.length === 0) return MUTATIONS["extreme words"]!(bytes, random);
    const chosen = pick(numbers, random);
    const end = chosen.index + chosen[0].length;
    return joinText(text.slice(0, chosen.index) + pick(EXTREME_NUMBERS, random) + text.slice(end), rest);
  },
  "words in text": (bytes, random) => {
    const [text, rest] = splitText(bytes);
    const words = Array.from(text.matchAll(/[A-Za-z_]{3,}/g));
    if (words.length === 0) return MUTATIONS["extreme bytes"]!(bytes, random);
    const chosen = pick(words, random);
    const other = random.boolean() ? pick(words, random)[0] : pick(OTHER_WORDS, random);
    return joinText(text.slice(0, chosen.index) + other + text.slice(chosen.index + chosen[0].length), rest);
  },
  "lines moved": (bytes, random) => {
    const [text, rest] = splitText(bytes);
    const lines = text.split("\n");
    const from = random.int(0, lines.length - 1);
    const [line] = lines.splice(from, random.int(0, 1));
    lines.splice(random.int(0, lines.length), 0, ...Array(random.int(0, 2)).fill(line ?? lines[from] ?? ""));
    return joinText(lines.join("\n"), rest);
  },
  "a piece moved": (bytes, random) => {
    const changed = bytes.slice();
    const from = random.int(0, bytes.length - 1);
    return changed.copyWithin(random.int(0, bytes.length - 1), from, from + random.int(1, 64));
  },
  "a piece put in": (bytes, random) => {
    const at = placeIn(bytes, random);
    const piece = new Uint8Array(random.int(1, 64)).fill(pick(EXTREME_BYTES, random));
    return Uint8Array.from([...bytes.subarray(0, at), ...piece, ...bytes.subarray(at)]);
  },
  "byte order turned": (bytes, random) => {
    const changed = bytes.slice();
    const width = pick([2, 4, 8], random);
    const start = random.int(0, 3);
    const end = Math.min(bytes.length, random.boolean() ? HEADER_REACH : Infinity) - width;
    for (let at = start; at <= end; at += width) changed.subarray(at, at + width).reverse();
    return changed;
  },
  "packed again": (bytes) => Uint8Array.from(gzipSync(bytes)),
  "a bomb put in": (bytes, random) => {
    const bomb = pick(BOMBS, random);
    const at = random.boolean() ? endOfText(bytes) : placeIn(bytes, random);
    return Uint8Array.from([...bytes.subarray(0, at), ...bomb]);
  },
};

/** Changed numbers above all: what else is done to a text mostly makes it none. */
const KINDS = [...Object.keys(MUTATIONS), "numbers in text", "numbers in text", "numbers in text"];

const OTHER_WORDS = ["raw", "gzip", "bzip2", "ascii", "hex", "big", "little", "double", "block", "True", "False", "LIST", "LOCAL"]
  .concat(["none", "MET_DOUBLE", "int64", "LPS", "list", "RGB-color", "../../etc/passwd", "%05d 1 99999999 1", "object"]);

const ZEROS_BYTES = 3 * 2 ** 24;
const zeros = new Uint8Array(ZEROS_BYTES);
/** Few bytes that unpack to 48 MiB of zeros: by gzip, by gzip twice over, by deflate, and by bzip2 (made by libbzip2). */
const BOMBS: readonly Uint8Array<ArrayBuffer>[] = [
  Uint8Array.from(gzipSync(zeros)),
  Uint8Array.from(gzipSync(gzipSync(zeros))),
  Uint8Array.from(deflateRawSync(zeros)),
  Uint8Array.from(atob("QlpoOTFBWSZTWQ4J4t8BX45AAMAAAAggADCATUZCoCWpCoCXMUFZJlNZ2ibZtwAh9EAAwAAACCAAMIApGzSKqDRRVQcXckU4UJDGNRwJ"), (letter) => letter.charCodeAt(0)),
];

/** In a header three times out of four. */
function placeIn(bytes: Uint8Array, random: Draws): number {
  const reach = random.int(0, 3) > 0 ? Math.min(bytes.length, HEADER_REACH) : bytes.length;
  return random.int(0, Math.max(0, reach - 1));
}

function pick<T>(some: readonly T[], random: Draws): T {
  return some[random.int(0, some.length - 1)]!;
}

/** Where the text that a file begins with ends. */
function endOfText(bytes: Uint8Array): number {
  const at = bytes.findIndex((byte) => byte > 0x7e || (byte < 0x20 && ![9, 10, 13].includes(byte)));
  return at < 0 ? bytes.length : at;
}

function splitText(bytes: Uint8Array<ArrayBuffer>): [string, Uint8Array] {
  const end = endOfText(bytes);
  return [String.fromCharCode(...bytes.subarray(0, end)), bytes.subarray(end)];
}

function joinText(text: string, rest: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...Array.from(text, (letter) => letter.charCodeAt(0) & 0xff), ...rest]);
}
