import type { VoxelArray } from "../volume.ts";
import { DATATYPES, type NiftiDatatype } from "./datatypes.ts";

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const LARGEST_FLOAT32 = 3.4e38;
const SMALLEST_NORMAL_FLOAT32 = 2 ** -126;

/** How stored voxels become intensities. */
export interface VoxelCoding {
  /** How the voxels are stored. */
  readonly datatype: NiftiDatatype;
  /** Whether multi-byte values are little-endian. */
  readonly littleEndian: boolean;
  /** Factor from stored value to intensity; 1 with intercept 0 means that stored values are the intensities. */
  readonly slope: number;
  /** Summand after the factor. */
  readonly intercept: number;
}

/** Raised when a 64-bit integer has no exact double. */
export class InexactIntegerError extends RangeError {
  /** The first such value. */
  readonly value: bigint;
  constructor(value: bigint) {
    super(`${value} has no exact double`);
    this.value = value;
  }
}

/** Bytes that a voxel takes once decoded. */
export function decodedBytes(coding: VoxelCoding): number {
  const { datatype } = coding;
  if (isScaled(coding)) return scaledFitsFloat32(coding) ? 4 : 8;
  return DATATYPES[datatype].bytes;
}

/** Turns stored bytes, which are used up (swapped in place, perhaps kept as the result), into intensities. */
export function decodeVoxels(bytes: Uint8Array<ArrayBuffer>, coding: VoxelCoding): VoxelArray {
  const { datatype, littleEndian, slope, intercept } = coding;
  if (littleEndian !== HOST_IS_LITTLE_ENDIAN) swapBytes(bytes, DATATYPES[datatype].bytes);
  const scaled = isScaled(coding);
  const stored = datatype === "int64" || datatype === "uint64"
    ? integers64(bytes, datatype === "int64", !scaled)
    : viewAs(bytes.buffer, datatype);
  if (!scaled) return stored;
  const result = scaledFitsFloat32(coding) ? new Float32Array(stored.length) : new Float64Array(stored.length);
  for (let i = 0; i < stored.length; i++) result[i] = stored[i]! * slope + intercept;
  return result;
}

/** Whether the header asks for any scaling at all. */
export function isScaled(coding: Pick<VoxelCoding, "slope" | "intercept">): boolean {
  return coding.slope !== 1 || coding.intercept !== 0;
}

/** Whether decoded voxels need an array beside that of the stored bytes. */
export function isConverted(coding: VoxelCoding): boolean {
  return isScaled(coding) || coding.datatype === "int64" || coding.datatype === "uint64";
}

/** Whether neighbouring stored values stay at least four float32 steps apart after scaling, and in range. */
export function scaledFitsFloat32({ datatype, slope, intercept }: Omit<VoxelCoding, "littleEndian">): boolean {
  const { bytes, maximum } = DATATYPES[datatype];
  if (maximum === undefined || bytes > 2) return false;
  const step = Math.abs(slope);
  const largest = 65536 * step + Math.abs(intercept);
  return largest < LARGEST_FLOAT32 && step > SMALLEST_NORMAL_FLOAT32 * 2 ** 24 && largest <= step * 2 ** 22;
}

function viewAs(buffer: ArrayBuffer, datatype: Exclude<NiftiDatatype, "int64" | "uint64">): VoxelArray {
  switch (datatype) {
    case "uint8":
      return new Uint8Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "uint32":
      return new Uint32Array(buffer);
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
  }
}

/** Reads 64-bit integers, already in host order, into doubles; `exact` refuses those that a double cannot hold. */
function integers64(bytes: Uint8Array<ArrayBuffer>, signed: boolean, exact: boolean): Float64Array {
  const words = new Uint32Array(bytes.buffer);
  const signedWords = new Int32Array(bytes.buffer);
  const integers = signed ? new BigInt64Array(bytes.buffer) : new BigUint64Array(bytes.buffer);
  const result = new Float64Array(integers.length);
  const [low, high] = HOST_IS_LITTLE_ENDIAN ? [0, 1] : [1, 0];
  for (let i = 0; i < result.length; i++) {
    const upper = signed ? signedWords[2 * i + high]! : words[2 * i + high]!;
    const value = upper * 2 ** 32 + words[2 * i + low]!; // one rounding at most, hence the nearest double
    if (exact && !Number.isSafeInteger(value) && BigInt(value) !== integers[i]) {
      throw new InexactIntegerError(integers[i]!);
    }
    result[i] = value;
  }
  return result;
}

function swapBytes(bytes: Uint8Array<ArrayBuffer>, width: number): void {
  if (width === 2) {
    const words = new Uint16Array(bytes.buffer);
    for (let i = 0; i < words.length; i++) words[i] = (words[i]! << 8) | (words[i]! >>> 8);
  } else if (width >= 4) {
    const words = new Uint32Array(bytes.buffer);
    for (let i = 0; i < words.length; i++) {
      const w = words[i]!;
      words[i] = (w << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24);
    }
    if (width === 8) {
      for (let i = 0; i < words.length; i += 2) [words[i], words[i + 1]] = [words[i + 1]!, words[i]!];
    }
  }
}
