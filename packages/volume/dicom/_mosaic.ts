import type { Triple } from "../geometry/affine.ts";
import type { VoxelArray } from "../volume.ts";
import type { DicomDataset } from "./_dataset.ts";

const TAG_LIMIT = 1000;
const ITEM_LIMIT = 1000;

/** How many slices one image of Siemens holds side by side, and in which direction they are stacked. */
export interface Mosaic {
  /** Number of slices, row by row from the image's upper left; the places that are left over are empty. */
  readonly slices: number;
  /** Slices beside each other, and below each other. */
  readonly across: number;
  /** Direction from slice to slice, LPS+, of unit length. */
  readonly normal: Triple;
}

/** Reads from the scanner's private header how a mosaic is laid out; undefined where that is missing or not understood. */
export function mosaicOf(dataset: DicomDataset): Mosaic | undefined {
  const fields = readCsa(dataset.bytes("SiemensCsaImageHeader"));
  const slices = Number(fields.get("NumberOfImagesInMosaic")?.[0] ?? dataset.number("SiemensMosaicImages"));
  const [x, y, z] = (fields.get("SliceNormalVector") ?? []).map(Number);
  if (!(Number.isSafeInteger(slices) && slices > 0 && slices <= 65536) || z === undefined) return undefined;
  const length = Math.hypot(x!, y!, z);
  if (!(Math.abs(length - 1) < 0.01)) return undefined;
  return { slices, across: Math.ceil(Math.sqrt(slices)), normal: [x! / length, y! / length, z / length] };
}

/** Reads the second form of Siemens' header ("SV10"): names with texts, little-endian. */
function readCsa(bytes: Uint8Array | undefined): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  if (!bytes || bytes.length < 16 || text(bytes.subarray(0, 4)) !== "SV10") return fields;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tags = view.getUint32(8, true);
  for (let tag = 0, at = 16; tag < Math.min(tags, TAG_LIMIT) && at + 84 <= bytes.length; tag++) {
    const name = text(bytes.subarray(at, at + 64));
    const items = view.getInt32(at + 76, true);
    at += 84;
    if (items < 0 || items > ITEM_LIMIT) break;
    const values: string[] = [];
    for (let item = 0; item < items && at + 16 <= bytes.length; item++) {
      const length = view.getInt32(at + 4, true);
      at += 16;
      if (length < 0 || at + length > bytes.length) return fields;
      values.push(text(bytes.subarray(at, at + length)).trim());
      at += Math.ceil(length / 4) * 4;
    }
    fields.set(name, values.filter((value) => value !== ""));
  }
  return fields;
}

/** A text that ends at its first zero byte. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Cuts one slice out of a mosaic's voxels. */
export function tileOf(
  whole: VoxelArray,
  place: { readonly index: number; readonly across: number; readonly rows: number; readonly columns: number },
): VoxelArray {
  const { index, across, rows, columns } = place;
  const width = across * columns;
  const start = Math.floor(index / across) * rows * width + (index % across) * columns;
  const tile = whole.slice(0, rows * columns);
  for (let row = 0; row < rows; row++) {
    const from = start + row * width;
    tile.set(whole.subarray(from, from + columns), row * columns);
  }
  return tile;
}
