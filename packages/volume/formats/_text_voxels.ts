import { CorruptVolumeError } from "../findings.ts";
import { type ByteSource } from "./_byte_source.ts";
import { transformSource } from "./_inflate_source.ts";
import { storeOf } from "../nifti/_encode_voxels.ts";
import { DATATYPES, type NiftiDatatype } from "../nifti/datatypes.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const WHOLE = /^[+-]?\d+$/;
const NOT_FINITE: Readonly<Record<string, number>> = {
  "nan": NaN,
  "-nan": NaN,
  "inf": Infinity,
  "+inf": Infinity,
  "-inf": -Infinity,
  "infinity": Infinity,
  "-infinity": -Infinity,
};
const LONGEST_TOKEN = 400;

/** Turns numbers in text, apart by white space or commas, into little-endian voxels. */
export function textVoxelSource(source: ByteSource, datatype: NiftiDatatype): ByteSource {
  const bound = Math.ceil(source.boundBytes / 2) * DATATYPES[datatype].bytes;
  return transformSource(source, (chunks) => textVoxels(chunks, { source, datatype }), bound);
}

/** Turns pairs of hexadecimal digits, white space between them or not, into bytes. */
export function hexSource(source: ByteSource): ByteSource {
  const bound = Math.floor(source.boundBytes / 2);
  return transformSource(source, (chunks) => hexBytes(chunks, source), bound);
}

interface Target {
  readonly source: ByteSource;
  readonly datatype: NiftiDatatype;
}

async function* textVoxels(chunks: AsyncIterable<Uint8Array>, target: Target): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("latin1");
  let left = "";
  for await (const chunk of chunks) {
    const text = left + decoder.decode(chunk);
    const tokens = text.split(/[\s,]+/);
    left = tokens.pop()!;
    if (left.length > LONGEST_TOKEN) throw badVoxel(target, left);
    yield encodeTokens(tokens, target);
  }
  yield encodeTokens([left], target);
}

function encodeTokens(tokens: readonly string[], target: Target): Uint8Array {
  const { datatype } = target;
  const { bytes: width, minimum = -Infinity, maximum = Infinity } = DATATYPES[datatype];
  const bytes = new Uint8Array(tokens.length * width);
  const view = new DataView(bytes.buffer);
  const store = storeOf(view, datatype);
  const isInteger = minimum !== -Infinity;
  let at = 0;
  for (const token of tokens) {
    if (token === "") continue;
    if (token.length > LONGEST_TOKEN) throw badVoxel(target, token);
    const value = NUMBER.test(token) ? Number(token) : NOT_FINITE[token.toLowerCase()];
    const fits = value !== undefined &&
      (!isInteger || (Number.isInteger(value) && value >= minimum && value <= maximum));
    if (!fits) throw badVoxel(target, token);
    if (width === 8 && isInteger && WHOLE.test(token)) view.setBigInt64(at, BigInt.asIntN(64, BigInt(token)), true);
    else store(at, value);
    at += width;
  }
  return bytes.subarray(0, at);
}

function badVoxel({ source, datatype }: Target, token: string): CorruptVolumeError {
  return new CorruptVolumeError("bad-voxel", {
    action: `read ${source.format}`,
    path: source.path,
    problem: `a voxel is ${JSON.stringify(token.slice(0, 40))}, expected a number that ${datatype} can hold`,
    fix: "Write the file again, or correct the type in its header.",
  });
}

async function* hexBytes(chunks: AsyncIterable<Uint8Array>, source: ByteSource): AsyncGenerator<Uint8Array> {
  let high = -1;
  for await (const chunk of chunks) {
    const bytes = new Uint8Array((chunk.length + 1) >>> 1);
    let filled = 0;
    for (const letter of chunk) {
      const digit = digitOf(letter);
      if (digit === SPACE) continue;
      if (digit < 0) {
        throw new CorruptVolumeError("bad-voxel", {
          action: `read ${source.format}`,
          path: source.path,
          problem: `its hexadecimal voxels hold byte ${letter}, expected 0 to 9, a to f or white space`,
          fix: "Copy or download the file again.",
        });
      }
      if (high < 0) high = digit;
      else {
        bytes[filled++] = high * 16 + digit;
        high = -1;
      }
    }
    yield bytes.subarray(0, filled);
  }
}

const SPACE = 16;

function digitOf(letter: number): number {
  if (letter >= 0x30 && letter <= 0x39) return letter - 0x30;
  if (letter >= 0x61 && letter <= 0x66) return letter - 0x61 + 10;
  if (letter >= 0x41 && letter <= 0x46) return letter - 0x41 + 10;
  return letter === 0x20 || (letter >= 0x09 && letter <= 0x0d) ? SPACE : -1;
}
