import { encodeBfloat16, encodeFloat16 } from "./_half.ts";
import { MAX_HEADER_BYTES } from "./read_safetensors.ts";
import { DTYPES, isStoredDtype, type StoredDtype, type StoredTensor } from "./stored_tensor.ts";

const ORDER = Object.keys(DTYPES) as StoredDtype[];

/**
 * Writes a safetensors file. The same tensors and metadata give the same bytes, whatever the map's order: widest element type first,
 * then by name, as Python's library lays it out. F16 and BF16 are rounded to the nearest, ties to even.
 *
 * @param tensors Tensors by name; stay the caller's.
 * @param metadata Strings to keep under `__metadata__`. Default none.
 * @returns The whole file.
 * @throws TypeError when the element type is unknown or the data are not in its array.
 * @throws RangeError when a shape does not fit its data, a name is reserved or not well-formed Unicode, or the header exceeds 100 MB.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  for (const [name, tensor] of tensors) checkTensor(name, tensor);
  for (const text of Object.entries(metadata).flat()) checkText(text);
  const sorted = [...tensors].sort(([nameA, a], [nameB, b]) =>
    ORDER.indexOf(a.dtype) - ORDER.indexOf(b.dtype) || (nameA < nameB ? -1 : 1)
  );
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    const begin = end;
    end += data.length * DTYPES[dtype].bytes;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;
  if (headerLength > MAX_HEADER_BYTES) {
    throw new RangeError(
      `Cannot write safetensors: the header is too long: got ${headerLength} bytes, expected at most ${MAX_HEADER_BYTES}.`,
    );
  }
  const bytes = new Uint8Array(8 + headerLength + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, 8, 8 + headerLength);
  bytes.set(json, 8);
  let offset = 8 + headerLength;
  for (const [, tensor] of sorted) {
    const encoded = encode(tensor);
    bytes.set(encoded, offset);
    offset += encoded.length;
  }
  return bytes;
}

function encode({ dtype, data }: StoredTensor): Uint8Array {
  const stored = dtype === "F16"
    ? encodeFloat16(data as Float32Array)
    : dtype === "BF16"
    ? encodeBfloat16(data as Float32Array)
    : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function checkTensor(name: string, { dtype, shape, data }: StoredTensor): void {
  checkText(name);
  if (name === "__metadata__") {
    throw new RangeError(`Cannot write safetensors: a tensor's name is reserved: got "${name}", expected another.`);
  }
  if (!isStoredDtype(dtype)) {
    throw new TypeError(
      `Cannot write safetensors: the dtype of "${name}" is unknown: got ${dtype}, expected one of ${ORDER.join(", ")}.`,
    );
  }
  if (!(data instanceof DTYPES[dtype].array)) {
    throw new TypeError(
      `Cannot write safetensors: "${name}" is in the wrong array for ${dtype}: got ${data?.constructor.name}, ` +
        `expected ${DTYPES[dtype].array.name}.`,
    );
  }
  const size = shape.reduce((product, n) => product * n, 1);
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 0) || size !== data.length) {
    throw new RangeError(
      `Cannot write safetensors: the shape of "${name}" does not fit its data: got [${shape}] for ${data.length} elements, ` +
        `expected sizes whose product is ${data.length}.`,
    );
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed()) {
    throw new RangeError(
      `Cannot write safetensors: a name or metadata text is not well-formed: got ${JSON.stringify(text)}, ` +
        `expected no lone surrogates.`,
    );
  }
}
