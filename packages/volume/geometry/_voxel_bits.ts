import type { VoxelArray } from "../volume.ts";

/** Makes an array of the same type; of Node's Buffer its plain kin. */
export function sameTypeArray(data: VoxelArray, length: number): VoxelArray {
  return new (typeOf(data))(length);
}

function typeOf(data: VoxelArray): new (of: number | ArrayBufferLike) => VoxelArray {
  return data instanceof Uint8Array ? Uint8Array : data.constructor as new (of: number | ArrayBufferLike) => VoxelArray;
}

/** Arrays by the size of their elements alone. */
export type VoxelBits = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** The same memory seen as one of four types, so that code that only moves voxels is compiled for four and not for eight. */
export function bitsOf(data: VoxelArray): VoxelBits {
  const { buffer, byteOffset, length } = data;
  if (data.BYTES_PER_ELEMENT === 1) return new Uint8Array(buffer, byteOffset, length);
  if (data.BYTES_PER_ELEMENT === 2) return new Uint16Array(buffer, byteOffset, length);
  if (data.BYTES_PER_ELEMENT === 4) return new Uint32Array(buffer, byteOffset, length);
  return data as Float64Array;
}

/** Copies an array of any of the types, and of Node's Buffer too, whose own `slice` shares memory. */
export function copyOf(data: VoxelArray): VoxelArray {
  return new (typeOf(data))(bitsOf(data).slice().buffer);
}
