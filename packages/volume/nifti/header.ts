import { CorruptVolumeError, type Finding } from "../findings.ts";
import { datatypeOf, DATATYPES, type NiftiDatatype, refusedDatatypeName } from "./datatypes.ts";
import { affineOfFields } from "./_header_affine.ts";
import { type NiftiFields, parseFields } from "./_header_fields.ts";

/** Header fields that an affine can come from, in the order of preference. */
export type AffineOrigin = "sform" | "qform" | "pixdim";

/** How a NIfTI header states its grid, number by number, so that another file can state it alike. */
export interface NiftiPlacement {
  /** `qform_code`: whether quaternion and offset hold, and in which space. */
  readonly qformCode: number;
  /** `sform_code`: whether the rows hold, and in which space. */
  readonly sformCode: number;
  /** `pixdim[0..3]`: the sign of the third axis, then voxel sizes. */
  readonly pixdim: readonly number[];
  /** `quatern_b, quatern_c, quatern_d`. */
  readonly quaternion: readonly number[];
  /** `qoffset_x, qoffset_y, qoffset_z`. */
  readonly quaternionOffset: readonly number[];
  /** `srow_x, srow_y, srow_z`: 12 numbers. */
  readonly sformRows: readonly number[];
  /** `xyzt_units`. */
  readonly unitsCode: number;
  /** `dim_info`: which axes were those of frequency, phase and slice encoding. */
  readonly dimInfo: number;
}

/** What a NIfTI header says about one 3D volume, checked and ready to use. */
export interface NiftiHeader {
  /** Which version of the standard. */
  readonly version: 1 | 2;
  /** Whether multi-byte values are little-endian. */
  readonly littleEndian: boolean;
  /** Whether the voxels are in a second file (`.img`). */
  readonly isPair: boolean;
  /** How the voxels are stored. */
  readonly datatype: NiftiDatatype;
  /** `[depth, height, width]` in voxels. */
  readonly shape: readonly [number, number, number];
  /** Number of 3D frames: the product of all dimensions after the third, 1 for a plain 3D scan. */
  readonly frames: number;
  /** 4×4 row-major, voxel index (width, height, depth) → RAS+ millimetres. */
  readonly affine: Float64Array;
  /** Which header fields the affine came from. */
  readonly affineOrigin: AffineOrigin;
  /** How the header states affine and units. */
  readonly placement: NiftiPlacement;
  /** Factor from stored value to intensity; 1 when the header asks for no scaling. */
  readonly slope: number;
  /** Summand after the factor; 0 when the header asks for no scaling. */
  readonly intercept: number;
  /** Byte at which the voxels begin, in the file that holds them. */
  readonly dataOffset: number;
  /** The `descrip` field: free text, which may name a patient. */
  readonly description: string;
  /** Oddities that were put right or ignored as nibabel does. */
  readonly findings: readonly Finding[];
}

/**
 * Reads and checks a NIfTI-1 or NIfTI-2 header.
 *
 * Follows nibabel 5 wherever it repairs (pixdim zero or negative, qfac, unknown transform codes), with a finding for each;
 * units of metres or micrometres are brought to millimetres, which nibabel leaves to the caller.
 *
 * @param bytes At least 348 (NIfTI-1) or 540 (NIfTI-2) bytes from the start of the file, already out of gzip.
 * @param path The file's path for messages, or an empty string.
 * @returns The header.
 * @throws CorruptVolumeError when this is no NIfTI header or it cannot describe a 3D scan.
 */
export function parseNiftiHeader(bytes: Uint8Array, path = ""): NiftiHeader {
  const findings: Finding[] = [];
  const fields = parseFields(bytes, path);
  const refuse = (code: CorruptVolumeError["code"], problem: string, fix: string) =>
    new CorruptVolumeError(code, { action: "read NIfTI", path, problem, fix });
  const datatype = datatypeOf(fields.datatypeCode);
  if (datatype === undefined) {
    throw refuse(
      "unsupported-datatype",
      `datatype ${fields.datatypeCode} (${refusedDatatypeName(fields.datatypeCode)}) is not a supported scalar`,
      `Convert the scan to one of ${Object.keys(DATATYPES).join(", ")}.`,
    );
  }
  const { shape, frames } = sizesOf(fields, refuse);
  if (fields.bitsPerVoxel !== DATATYPES[datatype].bytes * 8) {
    findings.push({
      severity: "info",
      code: "bitpix-mismatch",
      path,
      message: `bitpix is ${fields.bitsPerVoxel} but ${datatype} takes ${
        DATATYPES[datatype].bytes * 8
      }; the datatype rules`,
      fix: "Write the file again with a tool that keeps the standard.",
    });
  }
  if (shape.includes(1)) {
    findings.push({
      severity: "warning",
      code: "single-slice",
      path,
      message: `the scan is one voxel thick: [${shape}] (depth, height, width)`,
      fix: "Leave it out if 3D structure is to be learned.",
    });
  }
  const { affine, origin } = affineOfFields(fields, { path, shape, findings });
  return {
    version: fields.version,
    littleEndian: fields.littleEndian,
    isPair: fields.isPair,
    datatype,
    shape,
    frames,
    affine,
    affineOrigin: origin,
    placement: placementOf(fields),
    ...scalingOf(fields, refuse),
    dataOffset: offsetOf(fields, refuse),
    description: fields.description,
    findings,
  };
}

function placementOf(fields: NiftiFields): NiftiPlacement {
  const { qformCode, sformCode, pixdim, quaternion, quaternionOffset, sformRows, unitsCode, dimInfo } = fields;
  return {
    qformCode,
    sformCode,
    pixdim: pixdim.slice(0, 4),
    quaternion,
    quaternionOffset,
    sformRows,
    unitsCode,
    dimInfo,
  };
}

type Refuse = (code: CorruptVolumeError["code"], problem: string, fix: string) => CorruptVolumeError;

function sizesOf(fields: NiftiFields, refuse: Refuse): { shape: [number, number, number]; frames: number } {
  const [rank, ...sizes] = fields.dim as [number, ...number[]];
  const shown = `dim ${fields.dim.join(" ")}`;
  const again = "Export the scan again.";
  if (!(rank >= 1 && rank <= 7)) {
    throw refuse("bad-dimensions", `the number of dimensions is ${rank} (${shown}), expected 1 to 7`, again);
  }
  const used = sizes.slice(0, rank);
  if (used.some((size) => size < 1)) {
    throw refuse("bad-dimensions", `a dimension is zero or negative (${shown}), expected positive sizes`, again);
  }
  if (rank < 3) {
    throw refuse(
      "not-3d",
      `the image has ${rank} dimensions (${shown}), expected a 3D scan`,
      "Leave it out, or stack it.",
    );
  }
  const [width, height, depth, ...more] = used as [number, number, number, ...number[]];
  const frames = more.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(width * height * depth * frames)) {
    throw refuse("too-large", `the header promises ${width * height * depth * frames} voxels (${shown})`, again);
  }
  return { shape: [depth, height, width], frames };
}

function scalingOf(fields: NiftiFields, refuse: Refuse): { slope: number; intercept: number } {
  const { slope, intercept } = fields;
  if (slope === 0 || !Number.isFinite(slope)) return { slope: 1, intercept: 0 };
  if (!Number.isFinite(intercept)) {
    throw refuse(
      "bad-scaling",
      `scl_slope is ${slope} but scl_inter is ${intercept}, expected a finite number`,
      "Set scl_inter in the header to 0 if no offset was meant.",
    );
  }
  return { slope, intercept };
}

function offsetOf(fields: NiftiFields, refuse: Refuse): number {
  const smallest = fields.isPair ? 0 : fields.headerBytes + 4;
  const offset = fields.dataOffset;
  if (!Number.isSafeInteger(offset) || offset < smallest) {
    throw refuse(
      "bad-offset",
      `vox_offset is ${offset}, expected an integer of at least ${smallest}`,
      "Write the file again with a tool that sets vox_offset.",
    );
  }
  return offset;
}
