import type { VoxelArray } from "../volume.ts";

/** Scalar datatypes of the NIfTI standard that fit a JavaScript number. */
export type NiftiDatatype =
  | "uint8"
  | "int8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "float32"
  | "float64";

/** How a datatype is stored. */
export interface DatatypeInfo {
  /** The standard's `datatype` code. */
  readonly code: number;
  /** Bytes per voxel. */
  readonly bytes: number;
  /** Smallest integer, or undefined for floating point. */
  readonly minimum?: number;
  /** Largest integer, or undefined for floating point; for 64 bit the largest double below it. */
  readonly maximum?: number;
}

/** Every scalar datatype by name. */
export const DATATYPES: Readonly<Record<NiftiDatatype, DatatypeInfo>> = {
  uint8: { code: 2, bytes: 1, minimum: 0, maximum: 255 },
  int8: { code: 256, bytes: 1, minimum: -128, maximum: 127 },
  int16: { code: 4, bytes: 2, minimum: -32768, maximum: 32767 },
  uint16: { code: 512, bytes: 2, minimum: 0, maximum: 65535 },
  int32: { code: 8, bytes: 4, minimum: -2147483648, maximum: 2147483647 },
  uint32: { code: 768, bytes: 4, minimum: 0, maximum: 4294967295 },
  int64: { code: 1024, bytes: 8, minimum: -(2 ** 63), maximum: 2 ** 63 - 1024 },
  uint64: { code: 1280, bytes: 8, minimum: 0, maximum: 2 ** 64 - 2048 },
  float32: { code: 16, bytes: 4 },
  float64: { code: 64, bytes: 8 },
};

const REFUSED: Readonly<Record<number, string>> = {
  0: "unknown",
  1: "binary (1 bit)",
  32: "complex64",
  128: "RGB24",
  1536: "float128",
  1792: "complex128",
  2048: "complex256",
  2304: "RGBA32",
};

/** Finds a datatype's name by the standard's code; undefined for what is not a scalar that fits a number. */
export function datatypeOf(code: number): NiftiDatatype | undefined {
  return (Object.keys(DATATYPES) as NiftiDatatype[]).find((name) => DATATYPES[name].code === code);
}

/** Names a datatype code that is refused, for messages. */
export function refusedDatatypeName(code: number): string {
  return REFUSED[code] ?? "not in the standard";
}

/** Names the datatype that holds an array's values as they are. */
export function datatypeOfArray(data: VoxelArray): NiftiDatatype {
  if (data instanceof Uint8Array) return "uint8";
  if (data instanceof Int8Array) return "int8";
  if (data instanceof Int16Array) return "int16";
  if (data instanceof Uint16Array) return "uint16";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Uint32Array) return "uint32";
  if (data instanceof Float32Array) return "float32";
  return "float64";
}
