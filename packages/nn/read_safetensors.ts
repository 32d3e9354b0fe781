import { decodeBfloat16, decodeFloat16 } from "./_half.ts";
import { findDuplicateKey } from "./_json_keys.ts";
import { DTYPES, isStoredDtype, type StoredData, type StoredDtype, type StoredTensor } from "./stored_tensor.ts";

/** Longest header that is read, in bytes; the limit of the reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Contents of a safetensors file. */
export interface Safetensors {
  /** Tensors by name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** What stands under `__metadata__`; empty when there is nothing. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file. Every element is copied out, so `bytes` may be reused; nothing is read beyond what the file holds.
 *
 * Stricter than Python's library in one point: a tensor must begin at a multiple of its element size within the data, as every
 * known writer lays it out.
 *
 * Source: the format's description and reference implementation (huggingface/safetensors 0.8); checked against files that Python's
 * library wrote.
 *
 * @param bytes The whole file.
 * @throws SyntaxError when the file is malformed: shorter than it promises, a header that is over 100 MB, not UTF-8, not JSON or holds
 * a key twice; an unknown element type; sizes that overflow or do not fit the shape; tensors that overlap, leave a hole, are
 * misaligned or do not reach the end of the file.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const { header, dataStart } = readHeader(bytes);
  const { __metadata__: metadata, ...described } = header;
  const entries = Object.entries(described).map(([name, value]) => parseEntry(name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, bytes.length - dataStart);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, { dtype, shape, data: decode(copyBytes(bytes, dataStart + begin, dataStart + end), dtype) });
  }
  return { tensors, metadata: parseMetadata(metadata) };
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) refuse("the file is too short", `${bytes.length} bytes`, "at least 8");
  const promised = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (promised > BigInt(MAX_HEADER_BYTES)) {
    refuse("the header is too long", `${promised} bytes`, `at most ${MAX_HEADER_BYTES}`);
  }
  const length = Number(promised);
  if (length > bytes.length - 8) {
    refuse("the file ends inside its header", `${bytes.length - 8} bytes after the length`, `at least ${length}`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length));
  } catch {
    refuse("the header is not UTF-8", "an invalid byte sequence", "UTF-8");
  }
  if (!text.startsWith("{")) refuse("the header does not begin with a brace", quote(text.slice(0, 1)), '"{"');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    refuse("the header is not JSON", (error as Error).message, "one JSON object");
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) refuse("the header holds a key twice", quote(duplicate), "unique keys");
  return { header: header as Record<string, unknown>, dataStart: 8 + length }; // an object, for it begins with a brace
}

function parseEntry(name: string, value: unknown): Entry {
  const of = `of ${quote(name)}`;
  if (!isRecord(value)) {
    return refuse(`the description ${of} is no object`, quote(value), "{dtype, shape, data_offsets}");
  }
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  for (const other of Object.keys(others)) {
    refuse(`the description ${of} has an unknown field`, quote(other), "no others");
  }
  if (!isStoredDtype(dtype)) {
    return refuse(`the dtype ${of} is unknown`, quote(dtype), `one of ${Object.keys(DTYPES).join(", ")}`);
  }
  if (!isSizes(shape)) return refuse(`the shape ${of} is wrong`, quote(shape), "a list of integers from 0");
  if (!isSizes(offsets) || offsets.length !== 2) {
    return refuse(`data_offsets ${of} are wrong`, quote(offsets), "two integers from 0");
  }
  const [begin, end] = offsets as [number, number];
  let size: number = DTYPES[dtype].bytes;
  let overflow = false;
  for (const n of shape) {
    size *= n;
    overflow ||= !Number.isSafeInteger(size);
  }
  if (overflow) refuse(`the size ${of} overflows`, `shape [${shape}]`, "at most 2^53 − 1 bytes");
  if (end - begin !== size) refuse(`the size ${of} does not fit its shape`, `${end - begin} bytes`, `${size}`);
  if (begin % DTYPES[dtype].bytes !== 0) {
    refuse(`the data ${of} are misaligned`, `begin ${begin}`, `a multiple of ${DTYPES[dtype].bytes}`);
  }
  return { name, dtype, shape, begin, end };
}

/** Refuses overlaps, holes and data that are missing or left over; the entries are sorted by begin. */
function checkCoverage(entries: readonly Entry[], dataLength: number): void {
  let reached = 0;
  for (const { name, begin, end } of entries) {
    if (begin < reached) refuse(`${quote(name)} overlaps the tensor before it`, `begin ${begin}`, `${reached}`);
    if (begin > reached) refuse(`there is a hole before ${quote(name)}`, `begin ${begin}`, `${reached}`);
    if (end > dataLength) {
      refuse(`the file ends inside ${quote(name)}`, `${dataLength} bytes of data`, `at least ${end}`);
    }
    reached = end;
  }
  if (reached !== dataLength) refuse("bytes are left over behind the last tensor", `${dataLength - reached}`, "0");
}

function parseMetadata(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isRecord(value) || Object.values(value).some((text) => typeof text !== "string")) {
    return refuse("__metadata__ is wrong", quote(value), "an object of strings");
  }
  return value as Record<string, string>;
}

/** Copies a part. Not `slice`, which on Node's Buffer makes no copy. */
function copyBytes(bytes: Uint8Array, begin: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - begin);
  copy.set(bytes.subarray(begin, end));
  return copy;
}

/** Views or widens the bytes of one tensor; they are a copy of their own and so aligned. */
function decode(bytes: Uint8Array<ArrayBuffer>, dtype: StoredDtype): StoredData {
  if (dtype === "F16") return decodeFloat16(new Uint16Array(bytes.buffer));
  if (dtype === "BF16") return decodeBfloat16(new Uint16Array(bytes.buffer));
  return new DTYPES[dtype].array(bytes.buffer);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0));
}

/** JSON of a value from the file, cut to a length that suits a message. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function refuse(what: string, got: string, expected: string): never {
  throw new SyntaxError(
    `Cannot read safetensors: ${what}: got ${got}, expected ${expected}. The file is damaged or no safetensors file; take another copy.`,
  );
}
