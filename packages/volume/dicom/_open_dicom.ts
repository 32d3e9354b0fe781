import { type ByteAccess, inflateAccess, openBytes } from "./_byte_access.ts";
import { DicomDataset } from "./_dataset.ts";
import {
  type DicomElement,
  type ElementCoding,
  type HeaderBytes,
  NeedMoreBytes,
  parseElements,
  recogniseCoding,
} from "./_elements.ts";
import { dicomFault } from "./_fault.ts";
import { KNOWN_VRS, type TagName, TAGS } from "./_tags.ts";
import { type TransferSyntax, transferSyntaxOf } from "./transfer_syntax.ts";

const FIRST_READ_BYTES = 1 << 15;
/** All that comes before the voxels; private elements of some scanners take megabytes. */
const HEADER_LIMIT_BYTES = 1 << 26;
const PREAMBLE_BYTES = 128;
const EXPLICIT: ElementCoding = { explicit: true, littleEndian: true };
const PIXEL_NAMES = ["PixelData", "FloatPixelData", "DoubleFloatPixelData"] as const satisfies readonly TagName[];

/** Where a file's voxels lie. */
export interface PixelElement extends DicomElement {
  /** Which of the three attributes holds them. */
  readonly name: typeof PIXEL_NAMES[number];
}

/** A file whose header was read and whose voxels were not. */
export interface DicomFile {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** What to open again for the voxels. */
  readonly source: string | Uint8Array;
  /** Bytes of the file; of a deflated one an upper bound of what it unpacks to. */
  readonly size: number;
  /** What its transfer syntax says. */
  readonly syntax: TransferSyntax;
  /** All attributes up to the voxels. */
  readonly dataset: DicomDataset;
  /** The voxels, if there are any. */
  readonly pixels: PixelElement | undefined;
}

/** Reads a file's header: 32 KiB at first, more only when the voxels begin later, and never the voxels. */
export async function readDicomFile(source: string | Uint8Array): Promise<DicomFile> {
  const access = await openDicomBytes(source);
  try {
    const { bytes, start, syntax } = access;
    const coding = await codingOf(bytes, start, syntax);
    const { value: { elements }, window } = await parseGrowing(
      bytes,
      (window) => parseElements(window, { start, end: Infinity }, { coding, depth: 0 }),
    );
    const name = PIXEL_NAMES.find((name) => elements.has(TAGS[name][0]));
    const element = name && elements.get(TAGS[name][0]);
    const actual = recogniseCoding(window, start, coding);
    return {
      path: bytes.path,
      source,
      size: bytes.size,
      syntax: syntax.uid === "" ? { ...syntax, ...actual } : syntax,
      dataset: new DicomDataset(window, { start, end: Infinity }, { coding: actual, depth: 0, elements }),
      pixels: element && { ...element, name: name! },
    };
  } finally {
    await access.bytes.close();
  }
}

/** Opens a file at its data set, past preamble and meta information, unpacked where it is deflated. */
export async function openDicomBytes(
  source: string | Uint8Array,
): Promise<{ bytes: ByteAccess; start: number; syntax: TransferSyntax }> {
  const raw = await rememberBeginning(await openBytes(source));
  try {
    const begin = await findBeginning(raw);
    const { value: meta, window } = await parseGrowing(
      raw,
      (window) => parseElements(window, { start: begin, end: Infinity }, { coding: EXPLICIT, depth: 1, onlyGroup: 2 }),
    );
    const header = new DicomDataset(window, { start: begin, end: meta.next }, {
      coding: EXPLICIT,
      depth: 1,
      elements: meta.elements,
    });
    const syntax = transferSyntaxOf(header.text("TransferSyntaxUid"));
    if (syntax.deflated) return { bytes: inflateAccess(raw, meta.next), start: 0, syntax };
    return { bytes: raw, start: meta.next, syntax };
  } catch (error) {
    await raw.close();
    throw error;
  }
}

/** Reads a file's first bytes once, whoever asks for some of them. */
async function rememberBeginning(raw: ByteAccess): Promise<ByteAccess> {
  let head: Uint8Array<ArrayBuffer>;
  try {
    head = await raw.read(0, FIRST_READ_BYTES);
  } catch (error) {
    await raw.close();
    throw error;
  }
  const holds = (end: number) => end <= head.length || head.length < FIRST_READ_BYTES;
  const read: ByteAccess["read"] = (start, length) =>
    holds(start + length) ? Promise.resolve(head.subarray(start, start + length)) : raw.read(start, length);
  return { ...raw, read };
}

/** Finds where elements begin: after the preamble, or at once in files that lack it, when they look like DICOM. */
async function findBeginning(raw: ByteAccess): Promise<number> {
  const head = await raw.read(0, PREAMBLE_BYTES + 4);
  if (new TextDecoder("latin1").decode(head.subarray(PREAMBLE_BYTES)) === "DICM") return PREAMBLE_BYTES + 4;
  if (head.length >= 16 && [true, false].some((littleEndian) => looksLikeElement(head, littleEndian))) return 0;
  throw dicomFault("not-dicom", raw.path, "it has no DICM mark and begins with no DICOM element", "Give a DICOM file.");
}

function looksLikeElement(head: Uint8Array, littleEndian: boolean): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const [group, element] = [view.getUint16(0, littleEndian), view.getUint16(2, littleEndian)];
  if (![2, 8].includes(group) || element > 0x70) return false;
  if (KNOWN_VRS.has(String.fromCharCode(head[4]!, head[5]!))) return true;
  return littleEndian && view.getUint32(4, true) <= 64;
}

/** How the data set is coded. Without meta information a big-endian file shows by its first group, 0008, turned round. */
async function codingOf(bytes: ByteAccess, start: number, syntax: TransferSyntax): Promise<ElementCoding> {
  const { explicit, littleEndian } = syntax;
  if (syntax.uid !== "") return { explicit, littleEndian };
  const [first, second] = await bytes.read(start, 2);
  return { explicit, littleEndian: !(first === 0 && second !== 0) };
}

/** Parses the beginning of a file, reading four times as much whenever the parser asks for more. */
async function parseGrowing<T>(
  bytes: ByteAccess,
  parse: (window: HeaderBytes) => T,
): Promise<{ value: T; window: HeaderBytes }> {
  for (let wanted = FIRST_READ_BYTES;;) {
    const read = await bytes.read(0, wanted);
    const complete = read.length < wanted || wanted >= bytes.size;
    const window = { view: new DataView(read.buffer, 0, read.length), complete, path: bytes.path };
    try {
      return { value: parse(window), window };
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (error.bytes > bytes.size) {
        throw dicomFault(
          "truncated",
          bytes.path,
          `its header reaches to byte ${error.bytes}, the file ends at ${bytes.size}`,
        );
      }
      if (error.bytes > HEADER_LIMIT_BYTES) {
        const problem = `its header reaches to byte ${error.bytes}, above ${HEADER_LIMIT_BYTES}`;
        throw dicomFault("too-large", bytes.path, problem, "Remove large private elements.");
      }
      wanted = Math.max(error.bytes, wanted * 4);
    }
  }
}
