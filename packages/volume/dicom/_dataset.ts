import { decodeText } from "./_character_set.ts";
import {
  type DicomElement,
  type ElementCoding,
  type HeaderBytes,
  parseElements,
  parseItems,
  PIXEL_TAGS,
  UNDEFINED_LENGTH,
} from "./_elements.ts";
import { type TagName, TAGS } from "./_tags.ts";

const VALUE_LIMIT_BYTES = 1 << 20;

/** A data set of a DICOM header: attributes by keyword, parsed when first asked for, never voxels. */
export class DicomDataset {
  readonly #source: HeaderBytes;
  readonly #range: { readonly start: number; readonly end: number };
  readonly #coding: ElementCoding;
  readonly #depth: number;
  #elements: ReadonlyMap<number, DicomElement> | undefined;

  /** Made by `readDicomHeader` and {@linkcode DicomDataset.items}. */
  constructor(
    source: HeaderBytes,
    range: { readonly start: number; readonly end: number },
    options: {
      readonly coding: ElementCoding;
      readonly depth: number;
      readonly elements?: ReadonlyMap<number, DicomElement>;
    },
  ) {
    this.#source = source;
    this.#range = range;
    this.#coding = options.coding;
    this.#depth = options.depth;
    this.#elements = options.elements;
  }

  /** Every element by tag (group·65536 + element), in the file's order. */
  get elements(): ReadonlyMap<number, DicomElement> {
    const { coding, depth } = { coding: this.#coding, depth: this.#depth };
    return this.#elements ??= parseElements(this.#source, this.#range, { coding, depth }).elements;
  }

  /** Whether an attribute is there with a value. */
  has(name: TagName): boolean {
    return (this.elements.get(TAGS[name][0])?.length ?? 0) > 0;
  }

  /** How often each tag has more than padding, or items, here and in all sequences within. */
  countValues(counts: Map<number, number> = new Map()): Map<number, number> {
    for (const [tag, element] of this.elements) {
      const isPixels = PIXEL_TAGS.has(tag);
      const items = isPixels ? [] : this.#itemsOf(element);
      const isFilled = items.length > 0 || isPixels ||
        this.#bytes(element)?.some((byte) => byte !== 0 && byte !== 0x20);
      if (isFilled) counts.set(tag, (counts.get(tag) ?? 0) + 1);
      for (const item of items) item.countValues(counts);
    }
    return counts;
  }

  /** An attribute's texts, split at backslashes and trimmed; none when it is missing or empty. */
  texts(name: TagName): string[] {
    const bytes = this.bytes(name);
    if (!bytes) return [];
    const raw = decodeText(bytes, name === "SpecificCharacterSet" ? [] : this.texts("SpecificCharacterSet"));
    const trim = (text: string) => text.replace(/^[\0\s]+|[\0\s]+$/g, "");
    return trim(raw) === "" ? [] : raw.split("\\").map(trim);
  }

  /** An attribute's first text; empty when it is missing. */
  text(name: TagName): string {
    return this.texts(name)[0] ?? "";
  }

  /** An attribute's numbers, written as text or in binary; none when it is missing or one is not a finite number. */
  numbers(name: TagName): number[] {
    const element = this.elements.get(TAGS[name][0]);
    if (!element) return [];
    const width = BINARY_WIDTH[element.vr];
    const values = width === undefined ? this.texts(name).map(toNumber) : this.#binary(name, element, width);
    return values.every(Number.isFinite) ? values : [];
  }

  /** An attribute's first number, if it has one. */
  number(name: TagName): number | undefined {
    return this.numbers(name)[0];
  }

  /** A sequence's items; none when it is missing. */
  items(name: TagName): DicomDataset[] {
    const element = this.elements.get(TAGS[name][0]);
    return element ? this.#itemsOf(element) : [];
  }

  #itemsOf(element: DicomElement): DicomDataset[] {
    if (element.length === 0 || element.vr !== "SQ" && element.length !== UNDEFINED_LENGTH) return [];
    return parseItems(this.#source, element, this.#depth).map((range) =>
      new DicomDataset(this.#source, range, { coding: element.coding, depth: this.#depth + 1 })
    );
  }

  /** An attribute's value as it is stored, up to 1 MiB of it; undefined when it is missing or a sequence. */
  bytes(name: TagName): Uint8Array | undefined {
    const element = this.elements.get(TAGS[name][0]);
    return element && this.#bytes(element);
  }

  #bytes(element: DicomElement): Uint8Array | undefined {
    if (element.length === UNDEFINED_LENGTH) return undefined;
    const { buffer, byteLength } = this.#source.view;
    const length = Math.min(element.length, VALUE_LIMIT_BYTES, byteLength - element.start);
    return length > 0 ? new Uint8Array(buffer, this.#source.view.byteOffset + element.start, length) : undefined;
  }

  #binary(name: TagName, element: DicomElement, width: number): number[] {
    const bytes = this.bytes(name);
    if (!bytes) return [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { littleEndian } = element.coding;
    return Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => {
      const at = i * width;
      switch (element.vr) {
        case "US":
          return view.getUint16(at, littleEndian);
        case "SS":
          return view.getInt16(at, littleEndian);
        case "UL":
          return view.getUint32(at, littleEndian);
        case "SL":
          return view.getInt32(at, littleEndian);
        case "FL":
        case "OF":
          return view.getFloat32(at, littleEndian);
        case "AT":
          return view.getUint16(at, littleEndian) * 65536 + view.getUint16(at + 2, littleEndian);
        case "OV":
        case "UV":
          return Number(view.getBigUint64(at, littleEndian));
        case "SV":
          return Number(view.getBigInt64(at, littleEndian));
        default:
          return view.getFloat64(at, littleEndian);
      }
    });
  }
}

const BINARY_WIDTH: Readonly<Record<string, number>> = {
  ...{ US: 2, SS: 2, UL: 4, SL: 4, FL: 4, OF: 4, AT: 4, FD: 8, OD: 8, OV: 8, UV: 8, SV: 8 },
};

/** DS and IS are plain decimal numbers: what `Number` also takes (hexadecimal, an empty text) is none. */
function toNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
}
