import type { VoxelArray } from "../volume.ts";
import type { PixelFormat } from "./_frame_source.ts";

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Turns a frame's bytes, in the machine's order and starting at a voxel, into stored values: the bits that count, with their sign. */
export function unpackVoxels(bytes: Uint8Array<ArrayBuffer>, format: PixelFormat): VoxelArray {
  const voxels = format.rows * format.columns;
  const { bitsAllocated, bitsStored, highBit, signed, float } = format;
  const buffer = bytes.byteOffset % 8 === 0 && bytes.byteLength === bytes.buffer.byteLength
    ? bytes.buffer
    : bytes.slice().buffer;
  if (float) return bitsAllocated === 32 ? new Float32Array(buffer, 0, voxels) : new Float64Array(buffer, 0, voxels);
  const stored = integers(buffer, { bitsAllocated, signed, voxels });
  if (bitsStored < bitsAllocated) {
    const left = 31 - highBit;
    const right = 32 - bitsStored;
    if (signed) { for (let i = 0; i < voxels; i++) stored[i] = (stored[i]! << left) >> right; }
    else for (let i = 0; i < voxels; i++) stored[i] = (stored[i]! << left) >>> right;
  }
  return stored;
}

function integers(
  buffer: ArrayBuffer,
  options: { readonly bitsAllocated: number; readonly signed: boolean; readonly voxels: number },
): VoxelArray {
  const { bitsAllocated, signed, voxels } = options;
  if (bitsAllocated === 8) return signed ? new Int8Array(buffer, 0, voxels) : new Uint8Array(buffer, 0, voxels);
  if (bitsAllocated === 16) return signed ? new Int16Array(buffer, 0, voxels) : new Uint16Array(buffer, 0, voxels);
  return signed ? new Int32Array(buffer, 0, voxels) : new Uint32Array(buffer, 0, voxels);
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
