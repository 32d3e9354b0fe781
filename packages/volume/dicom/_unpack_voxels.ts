import type { VoxelArray } from "../volume.ts";
import type { PixelFormat } from "./_frame_source.ts";

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Turns a frame's bytes, in the machine's order and starting at a voxel, into stored values: the bits that count, with their sign.
 * The values lie where the bytes do, unless these begin at an odd place.
 */
export function unpackVoxels(bytes: Uint8Array<ArrayBuffer>, format: PixelFormat): VoxelArray {
  const { bitsAllocated, bitsStored, highBit, float } = format;
  const stored = valuesOf(bytes.byteOffset % (bitsAllocated / 8) === 0 ? bytes : bytes.slice(), format);
  if (!float && bitsStored < bitsAllocated) {
    const left = 31 - highBit;
    const right = 32 - bitsStored;
    if (format.signed) { for (let i = 0; i < stored.length; i++) stored[i] = (stored[i]! << left) >> right; }
    else for (let i = 0; i < stored.length; i++) stored[i] = (stored[i]! << left) >>> right;
  }
  return stored;
}

function valuesOf({ buffer, byteOffset }: Uint8Array<ArrayBuffer>, format: PixelFormat): VoxelArray {
  const { bitsAllocated, signed, float } = format;
  return new (arrayOf({ bitsAllocated, signed, float }))(buffer, byteOffset, format.rows * format.columns);
}

/** The kind of array that holds voxels as they are stored. */
export function arrayOf({ bitsAllocated, signed, float }: Pick<PixelFormat, "bitsAllocated" | "signed" | "float">) {
  if (float) return bitsAllocated === 32 ? Float32Array : Float64Array;
  if (bitsAllocated <= 8) return signed ? Int8Array : Uint8Array;
  if (bitsAllocated === 16) return signed ? Int16Array : Uint16Array;
  return signed ? Int32Array : Uint32Array;
}

/** Unpacks voxels of one bit each, the lowest bit of a byte first, from the bit where the frame begins. */
export function unpackBits(bytes: Uint8Array, firstBit: number, voxels: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(voxels);
  for (let i = 0; i < voxels; i++) {
    const bit = firstBit + i;
    result[i] = (bytes[bit >>> 3]! >>> (bit & 7)) & 1;
  }
  return result;
}

/** Turns values of several bytes into the machine's order, in place. */
export function toHostOrder(bytes: Uint8Array, width: number, littleEndian: boolean): void {
  if (width === 1 || littleEndian === HOST_IS_LITTLE_ENDIAN) return;
  for (let at = 0; at + width <= bytes.length; at += width) bytes.subarray(at, at + width).reverse();
}
