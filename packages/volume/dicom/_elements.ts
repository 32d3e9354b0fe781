import { dicomFault } from "./_fault.ts";
import { dictionaryVr, KNOWN_VRS, LONG_VRS, showTag, TAGS } from "./_tags.ts";

const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
/** The length that says: until the delimiter. */
export const UNDEFINED_LENGTH = 0xffffffff;
/** Real headers nest about 8 deep. */
const DEPTH_LIMIT = 32;
const ELEMENT_LIMIT = 1 << 16;
/** Attributes that hold voxels at the top level, and packed pictures within sequences. */
export const PIXEL_TAGS: ReadonlySet<number> = new Set(
  [TAGS.FloatPixelData[0], TAGS.DoubleFloatPixelData[0], TAGS.PixelData[0]],
);

/** How elements are written. */
export interface ElementCoding {
  /** Whether each element names its VR. */
  readonly explicit: boolean;
  /** Whether numbers are little-endian. */
  readonly littleEndian: boolean;
}

/** The beginning of a file, or all of it. */
export interface HeaderBytes {
  /** What was read so far. */
  readonly view: DataView<ArrayBuffer>;
  /** Whether the file ends with it. */
  readonly complete: boolean;
  /** For messages. */
  readonly path: string;
}

/** One attribute's place; its value stays where it is. */
export interface DicomElement {
  /** Value representation; from the dictionary where the file does not name it. */
  readonly vr: string;
  /** First byte of the value. */
  readonly start: number;
  /** Bytes of the value, or {@linkcode UNDEFINED_LENGTH}. */
  readonly length: number;
  /** How items within are written. */
  readonly coding: ElementCoding;
}

/** Raised when the value lies beyond what was read so far: read more and parse again. */
export class NeedMoreBytes extends Error {
  constructor(readonly bytes: number) {
    super("more of the file is needed");
  }
}

/** Lists a data set's elements: of an item up to its end, of a file up to its pixel data, which is never looked into. */
export function parseElements(
  source: HeaderBytes,
  range: { readonly start: number; readonly end: number },
  options: { readonly coding: ElementCoding; readonly depth: number; readonly onlyGroup?: number },
): { elements: Map<number, DicomElement>; next: number } {
  const { depth, onlyGroup } = options;
  const coding = recogniseCoding(source, range.start, options.coding);
  const elements = new Map<number, DicomElement>();
  let at = range.start;
  for (let count = 1; at < range.end; count++) {
    if (!source.complete) demand(source, at + 8);
    else if (at + 8 > Math.min(range.end, source.view.byteLength)) {
      if (isPadding(source, at, range.end)) break;
      throw dicomFault("truncated", source.path, `an element is cut off at byte ${at}`);
    }
    const tag = readTag(source.view, at, coding);
    if (tag === ITEM_END || tag === SEQUENCE_END || isPadding(source, at, at + 8)) break;
    if (onlyGroup !== undefined && tag >>> 16 !== onlyGroup) break;
    const element = readElement(source, at, tag, coding);
    elements.set(tag, element);
    if (depth === 0 && PIXEL_TAGS.has(tag)) return { elements, next: element.start };
    if (count > ELEMENT_LIMIT) {
      throw dicomFault("bad-element", source.path, `a data set has more than ${ELEMENT_LIMIT} elements`);
    }
    at = endOfElement(source, element, tag, depth);
    if (at > range.end) throw beyond(source, tag, at, range.end);
  }
  return { elements, next: at };
}

/** Whether only zero bytes are left, too few for an element. */
function isPadding({ view }: HeaderBytes, at: number, end: number): boolean {
  for (let i = at; i < Math.min(end, view.byteLength); i++) if (view.getUint8(i) !== 0) return false;
  return true;
}

/** Lists the places of a sequence's items. */
export function parseItems(
  source: HeaderBytes,
  element: DicomElement,
  depth: number,
): { start: number; end: number }[] {
  const items: { start: number; end: number }[] = [];
  const end = element.length === UNDEFINED_LENGTH ? Infinity : element.start + element.length;
  walkItems(source, element, { depth, end, onItem: (start, stop) => items.push({ start, end: stop }) });
  return items;
}

/** Finds where an element's value ends and so the next begins. */
function endOfElement(source: HeaderBytes, element: DicomElement, tag: number, depth: number): number {
  if (element.length === UNDEFINED_LENGTH) return walkItems(source, element, { depth, end: Infinity });
  const end = element.start + element.length;
  demand(source, end, tag);
  return end;
}

function walkItems(
  source: HeaderBytes,
  element: DicomElement,
  options: {
    readonly depth: number;
    readonly end: number;
    readonly onItem?: (start: number, end: number) => void;
  },
): number {
  const { depth, end, onItem } = options;
  if (depth >= DEPTH_LIMIT) throw dicomFault("bad-element", source.path, `sequences nest deeper than ${DEPTH_LIMIT}`);
  const { coding } = element;
  let at = element.start;
  while (at + 8 <= end) {
    demand(source, at + 8);
    const tag = readTag(source.view, at, coding);
    const length = source.view.getUint32(at + 4, coding.littleEndian);
    at += 8;
    if (tag === SEQUENCE_END) return at;
    if (tag !== ITEM) {
      throw dicomFault("bad-element", source.path, `at byte ${at - 8} an item was expected, got ${showTag(tag)}`);
    }
    const start = at;
    if (length === UNDEFINED_LENGTH) {
      at = parseElements(source, { start, end }, { coding, depth: depth + 1 }).next;
      onItem?.(start, at);
      demand(source, at + 8);
      if (readTag(source.view, at, coding) !== ITEM_END) {
        throw dicomFault("bad-element", source.path, `the item at byte ${start} has no end mark`);
      }
      at += 8;
    } else {
      at += length;
      if (at > end) throw beyond(source, ITEM, at, end);
      demand(source, at, ITEM);
      onItem?.(start, at);
    }
  }
  return at;
}

function readElement(source: HeaderBytes, at: number, tag: number, coding: ElementCoding): DicomElement {
  const { view } = source;
  if (!coding.explicit) {
    const vr = dictionaryVr(tag);
    return { vr, start: at + 8, length: view.getUint32(at + 4, coding.littleEndian), coding };
  }
  const vr = vrAt(view, at);
  if (!/^[A-Z]{2}$/.test(vr)) {
    throw dicomFault("bad-element", source.path, `${showTag(tag)} at byte ${at} has no value representation`);
  }
  if (!LONG_VRS.has(vr)) return { vr, start: at + 8, length: view.getUint16(at + 6, coding.littleEndian), coding };
  demand(source, at + 12, tag);
  const length = view.getUint32(at + 8, coding.littleEndian);
  // PS3.5, 6.2.2, note 4: an unknown of undefined length holds items of implicit VR little endian.
  const inner = vr === "UN" ? { explicit: false, littleEndian: true } : coding;
  return { vr: vr === "UN" ? dictionaryVr(tag) : vr, start: at + 12, length, coding: inner };
}

/** Sees whether the first element names its VR, whatever was declared: writers err here, within items above all. */
export function recogniseCoding(source: HeaderBytes, at: number, declared: ElementCoding): ElementCoding {
  if (at + 8 > source.view.byteLength || readTag(source.view, at, declared) >>> 16 === 0xfffe) return declared;
  return { explicit: KNOWN_VRS.has(vrAt(source.view, at)), littleEndian: declared.littleEndian };
}

function readTag(view: DataView, at: number, { littleEndian }: ElementCoding): number {
  return view.getUint16(at, littleEndian) * 65536 + view.getUint16(at + 2, littleEndian);
}

function vrAt(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5));
}

/** Makes sure that the bytes up to `end` are there. */
function demand(source: HeaderBytes, end: number, tag?: number): void {
  if (end <= source.view.byteLength) return;
  if (!source.complete) throw new NeedMoreBytes(end);
  const what = tag === undefined ? "the header" : `the value of ${showTag(tag)}`;
  throw dicomFault(
    "truncated",
    source.path,
    `${what} reaches to byte ${end}, the file ends at ${source.view.byteLength}`,
  );
}

function beyond(source: HeaderBytes, tag: number, at: number, end: number): Error {
  const problem = `the value of ${showTag(tag)} reaches to byte ${at}, beyond the item that ends at ${end}`;
  return dicomFault("bad-element", source.path, problem);
}
