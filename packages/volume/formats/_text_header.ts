import type { ByteSource } from "./_byte_source.ts";
import type { HeaderReport } from "./_header_report.ts";

/** Headers of segmentations with thousands of segments stay far below. */
const MOST_BYTES = 1 << 22;
const MOST_LINES = 1 << 16;
const NEWLINE = 0x0a;

/** Longest value that means anything; what parses values may take time with the square of their length. */
const LONGEST_VALUE = 1 << 13;

/** A header in text, line by line, and how many bytes it took. */
export interface TextHeader {
  /** Lines without their ends. */
  readonly lines: readonly string[];
  /** Bytes that were taken from the source. */
  readonly position: number;
}

/**
 * Reads lines until one ends the header.
 *
 * @param source Where from, front to back.
 * @param report How to refuse a header that is too long.
 * @param isLast Whether a line, which is kept, is the last. The end of the file ends the header too.
 */
export async function readTextHeader(
  source: ByteSource,
  report: HeaderReport,
  isLast: (line: string, index: number) => boolean,
): Promise<TextHeader> {
  const decoder = new TextDecoder();
  const lines: string[] = [];
  let position = 0;
  for (;;) {
    const taken = await source.takeThrough(NEWLINE, MOST_BYTES);
    if (taken.length === 0) break;
    position += taken.length;
    const line = decoder.decode(taken).replace(/\r?\n$/, "");
    lines.push(line);
    if (isLast(line, lines.length - 1)) break;
    if (position >= MOST_BYTES || lines.length >= MOST_LINES) {
      const problem = `its header is longer than ${MOST_BYTES} bytes or ${MOST_LINES} lines`;
      throw report.refuse("bad-header", problem, `Give a ${report.format} file.`);
    }
  }
  return { lines, position };
}

/** Refuses a value that is too long to mean anything. */
export function requireShort(value: string, line: number, report: HeaderReport): void {
  if (value.length <= LONGEST_VALUE) return;
  const problem = `the value in line ${line} has ${value.length} characters, expected at most ${LONGEST_VALUE}`;
  throw report.refuse("bad-header", problem);
}

/** Numbers apart by white space; refuses anything else, and another count where one is expected. */
export function numbersOf(
  text: string,
  { name, count, report }: { readonly name: string; readonly count?: number; readonly report: HeaderReport },
): number[] {
  const words = text.trim().split(/\s+/).filter((word) => word !== "");
  const numbers = words.map((word) => /^[+-]?nan$/i.test(word) ? NaN : Number(word));
  const isBad = numbers.some((number, i) => Number.isNaN(number) && !/nan/i.test(words[i]!));
  if (isBad || words.length === 0 || (count !== undefined && numbers.length !== count)) {
    const expected = count === undefined ? "numbers" : `${count} number${count === 1 ? "" : "s"}`;
    throw report.refuse("bad-header", `${name} is ${JSON.stringify(text.slice(0, 80))}, expected ${expected}`);
  }
  return numbers;
}

/** Sizes of axes: positive integers whose product is exact. */
export function sizesOf(
  text: string,
  options: { readonly name: string; readonly count: number; readonly report: HeaderReport },
): number[] {
  const { name, report } = options;
  const sizes = numbersOf(text, options);
  if (!sizes.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw report.refuse("bad-dimensions", `${name} is [${sizes}], expected positive integers`);
  }
  const voxels = sizes.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(voxels)) {
    throw report.refuse("too-large", `the header promises ${voxels} voxels (${name} ${sizes.join(" ")})`);
  }
  return sizes;
}
