import { CorruptVolumeError } from "../findings.ts";

/** A header's fields as stored, brought to JavaScript numbers. */
export interface NiftiFields {
  readonly version: 1 | 2;
  readonly littleEndian: boolean;
  readonly isPair: boolean;
  readonly headerBytes: number;
  /** `dim[0..7]`. */
  readonly dim: readonly number[];
  readonly datatypeCode: number;
  readonly bitsPerVoxel: number;
  /** `pixdim[0..7]`. */
  readonly pixdim: readonly number[];
  readonly dataOffset: number;
  readonly slope: number;
  readonly intercept: number;
  readonly unitsCode: number;
  readonly description: string;
  /** Which axes were those of frequency, phase and slice encoding. */
  readonly dimInfo: number;
  readonly qformCode: number;
  readonly sformCode: number;
  /** `quatern_b, quatern_c, quatern_d`. */
  readonly quaternion: readonly number[];
  /** `qoffset_x, qoffset_y, qoffset_z`. */
  readonly quaternionOffset: readonly number[];
  /** `srow_x, srow_y, srow_z`: 12 numbers. */
  readonly sformRows: readonly number[];
}

/** Byte positions of the fields in the two versions of the standard. */
export const LAYOUTS = {
  1: {
    headerBytes: 348,
    magic: 344,
    dimInfo: 39,
    dim: 40,
    datatype: 70,
    bitpix: 72,
    pixdim: 76,
    offset: 108,
    slope: 112,
    intercept: 116,
    units: 123,
    descrip: 148,
    qformCode: 252,
    sformCode: 254,
    quaternion: 256,
    quaternionOffset: 268,
    sformRows: 280,
  },
  2: {
    headerBytes: 540,
    magic: 4,
    dimInfo: 524,
    dim: 16,
    datatype: 12,
    bitpix: 14,
    pixdim: 104,
    offset: 168,
    slope: 176,
    intercept: 184,
    units: 500,
    descrip: 240,
    qformCode: 344,
    sformCode: 348,
    quaternion: 352,
    quaternionOffset: 376,
    sformRows: 400,
  },
} as const;

/** Length of the `descrip` field in bytes. */
export const DESCRIP_BYTES = 80;
/** Bytes that follow the three letters of the magic string in NIfTI-2. */
export const MAGIC_TAIL_2 = [0, 0x0d, 0x0a, 0x1a, 0x0a] as const;

/** Splits a header into its fields; refuses what is not NIfTI-1 or NIfTI-2. */
export function parseFields(bytes: Uint8Array, path: string): NiftiFields {
  const { version, littleEndian, isPair } = identify(bytes, path);
  const layout = LAYOUTS[version];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const real = (at: number) => version === 1 ? view.getFloat32(at, littleEndian) : view.getFloat64(at, littleEndian);
  const size = (at: number) => version === 1 ? view.getInt16(at, littleEndian) : integer64(view, at, littleEndian);
  const code = (at: number) => version === 1 ? view.getInt16(at, littleEndian) : view.getInt32(at, littleEndian);
  const step = version === 1 ? 4 : 8;
  const reals = (at: number, count: number) => Array.from({ length: count }, (_, i) => real(at + i * step));
  return {
    version,
    littleEndian,
    isPair,
    headerBytes: layout.headerBytes,
    dim: Array.from({ length: 8 }, (_, i) => size(layout.dim + i * (version === 1 ? 2 : 8))),
    datatypeCode: view.getInt16(layout.datatype, littleEndian),
    bitsPerVoxel: view.getInt16(layout.bitpix, littleEndian),
    pixdim: reals(layout.pixdim, 8),
    dataOffset: version === 1 ? real(layout.offset) : integer64(view, layout.offset, littleEndian),
    slope: real(layout.slope),
    intercept: real(layout.intercept),
    unitsCode: version === 1 ? view.getUint8(layout.units) : view.getInt32(layout.units, littleEndian),
    description: textAt(bytes, layout.descrip, DESCRIP_BYTES),
    dimInfo: view.getUint8(layout.dimInfo),
    qformCode: code(layout.qformCode),
    sformCode: code(layout.sformCode),
    quaternion: reals(layout.quaternion, 3),
    quaternionOffset: reals(layout.quaternionOffset, 3),
    sformRows: reals(layout.sformRows, 12),
  };
}

function identify(bytes: Uint8Array, path: string): { version: 1 | 2; littleEndian: boolean; isPair: boolean } {
  const refuse = (code: "truncated" | "not-nifti", problem: string) =>
    new CorruptVolumeError(code, {
      action: "read NIfTI",
      path,
      problem,
      fix: code === "truncated" ? "Copy or download the file again." : "Give a NIfTI-1 or NIfTI-2 file.",
    });
  if (bytes.length < 4) throw refuse("truncated", `it holds ${bytes.length} bytes, expected a header of at least 348`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const version of [1, 2] as const) {
    const { headerBytes, magic } = LAYOUTS[version];
    const littleEndian = view.getInt32(0, true) === headerBytes;
    if (!littleEndian && view.getInt32(0, false) !== headerBytes) continue;
    if (bytes.length < headerBytes) {
      throw refuse("truncated", `it ends after ${bytes.length} bytes, within the header of ${headerBytes}`);
    }
    const expected = version === 1 ? [0] : MAGIC_TAIL_2;
    const kind = textAt(bytes, magic, 3);
    const tail = bytes.subarray(magic + 3, magic + 3 + expected.length);
    if ((kind === `n+${version}` || kind === `ni${version}`) && expected.every((byte, i) => tail[i] === byte)) {
      return { version, littleEndian, isPair: kind.startsWith("ni") };
    }
    throw refuse("not-nifti", `the magic string is ${JSON.stringify(kind)}, expected "n+${version}" or "ni${version}"`);
  }
  throw refuse("not-nifti", `the first field is ${view.getInt32(0, true)}, expected the header size 348 or 540`);
}

function integer64(view: DataView, at: number, littleEndian: boolean): number {
  return Number(view.getBigInt64(at, littleEndian));
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? field : field.subarray(0, end));
}
