import { LONG_VRS, type TagName, TAGS } from "./_tags.ts";

const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";
/** Names this implementation; derived from a random UUID, as PS3.5, B.2 allows. */
const IMPLEMENTATION = "2.25.208715498732165429870153446291735208114";
const PREAMBLE_BYTES = 128;

/** Attributes by keyword: texts, numbers, bytes or items; `undefined` leaves one out, an empty text writes it empty. */
export type DatasetContent = {
  readonly [Name in TagName]?:
    | string
    | number
    | readonly (string | number)[]
    | Uint8Array
    | readonly DatasetContent[]
    | undefined;
};

const NUMBERS: Readonly<Record<string, (view: DataView, at: number, value: number) => void>> = {
  US: (view, at, value) => view.setUint16(at, value, true),
  UL: (view, at, value) => view.setUint32(at, value, true),
  FD: (view, at, value) => view.setFloat64(at, value, true),
  AT: (view, at, value) => {
    view.setUint16(at, Math.floor(value / 65536), true);
    view.setUint16(at + 2, value % 65536, true);
  },
};
const WIDTHS: Readonly<Record<string, number>> = { US: 2, UL: 4, FD: 8, AT: 4 };

/** Writes a data set in explicit VR little endian, elements by tag, sequences of defined length. */
export function encodeDataset(content: DatasetContent): Uint8Array<ArrayBuffer> {
  const entries = (Object.keys(content) as TagName[]).filter((name) => content[name] !== undefined)
    .sort((a, b) => TAGS[a][0] - TAGS[b][0]);
  const words = Number(content.BitsAllocated) > 8;
  return joined(entries.map((name) => element(name, vrOf(name, words), encodeValue(TAGS[name][1], content[name]!))));
}

/** Writes a part 10 file of one instance: preamble, meta information (PS3.10, 7.1) and the data set, in explicit VR little endian. */
export function encodeDicomFile(dataset: DatasetContent): Uint8Array<ArrayBuffer> {
  const meta = encodeDataset({
    FileMetaInformationVersion: Uint8Array.of(0, 1),
    MediaStorageSopClassUid: dataset.SopClassUid,
    MediaStorageSopInstanceUid: dataset.SopInstanceUid,
    TransferSyntaxUid: EXPLICIT_LITTLE_ENDIAN,
    ImplementationClassUid: IMPLEMENTATION,
  });
  return joined([
    new Uint8Array(PREAMBLE_BYTES),
    new TextEncoder().encode("DICM"),
    encodeDataset({ FileMetaInformationGroupLength: meta.length }),
    meta,
    encodeDataset(dataset),
  ]);
}

/** Joins pieces into one array. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Voxels of 16 bits are words, and packed bits are bytes. */
function vrOf(name: TagName, words: boolean): string {
  return name === "PixelData" && !words ? "OB" : TAGS[name][1];
}

function element(name: TagName, vr: string, value: Uint8Array): Uint8Array {
  const [tag] = TAGS[name];
  const long = LONG_VRS.has(vr);
  const bytes = new Uint8Array((long ? 12 : 8) + value.length);
  const view = new DataView(bytes.buffer);
  NUMBERS.AT!(view, 0, tag);
  bytes.set([...vr].map((letter) => letter.charCodeAt(0)), 4);
  if (long) view.setUint32(8, value.length, true);
  else view.setUint16(6, value.length, true);
  bytes.set(value, long ? 12 : 8);
  return bytes;
}

function encodeValue(vr: string, value: NonNullable<DatasetContent[TagName]>): Uint8Array {
  if (value instanceof Uint8Array) return padded(value, 0);
  if (vr === "SQ") return joined((value as readonly DatasetContent[]).map(encodeItem));
  const values = (Array.isArray(value) ? value : [value]) as readonly (string | number)[];
  const width = WIDTHS[vr];
  if (width !== undefined) {
    const bytes = new Uint8Array(width * values.length);
    const view = new DataView(bytes.buffer);
    values.forEach((number, i) => NUMBERS[vr]!(view, i * width, Number(number)));
    return bytes;
  }
  const text = values.map((part) => typeof part === "number" ? decimal(part) : part).join("\\");
  return padded(new TextEncoder().encode(text), vr === "UI" ? 0 : 0x20);
}

function encodeItem(content: DatasetContent): Uint8Array {
  const body = encodeDataset(content);
  const bytes = new Uint8Array(8 + body.length);
  const view = new DataView(bytes.buffer);
  NUMBERS.AT!(view, 0, 0xfffee000);
  view.setUint32(4, body.length, true);
  bytes.set(body, 8);
  return bytes;
}

function padded(bytes: Uint8Array, filler: number): Uint8Array {
  return bytes.length % 2 === 0 ? bytes : joined([bytes, Uint8Array.of(filler)]);
}

/** A number in the 16 characters that DS allows, as near as they come. */
export function decimal(value: number): string {
  if (value === 0) return "0";
  for (let digits = 17; digits > 0; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
  }
  return value.toExponential(8);
}
