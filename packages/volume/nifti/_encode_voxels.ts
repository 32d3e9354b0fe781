import type { VoxelArray } from "../volume.ts";
import { datatypeOfArray, DATATYPES, type NiftiDatatype } from "./datatypes.ts";

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Stores voxels little-endian, sharing memory with them where they lie so already; refuses one that the datatype cannot hold exactly. `first` is their place in the volume. */
export function encodeVoxels(voxels: VoxelArray, datatype: NiftiDatatype, first: number): Uint8Array<ArrayBuffer> {
  if (HOST_IS_LITTLE_ENDIAN && datatypeOfArray(voxels) === datatype) {
    return new Uint8Array(voxels.buffer as ArrayBuffer, voxels.byteOffset, voxels.byteLength);
  }
  const { bytes: width } = DATATYPES[datatype];
  const bytes = new Uint8Array(voxels.length * width);
  const view = new DataView(bytes.buffer);
  const store = storeOf(view, datatype);
  const fits = datatypeOfArray(voxels) === datatype ? () => true : fitOf(datatype);
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i]!;
    if (!fits(value)) {
      throw new RangeError(
        `Cannot write NIfTI: ${datatype} cannot hold a voxel exactly: got ${value} at index ${first + i}, expected ` +
          `${expectation(datatype)}. Choose a wider datatype, or round the volume first.`,
      );
    }
    store(i * width, value);
  }
  return bytes;
}

function fitOf(datatype: NiftiDatatype): (value: number) => boolean {
  const { minimum, maximum } = DATATYPES[datatype];
  if (minimum !== undefined && maximum !== undefined) {
    return (value) => Number.isInteger(value) && value >= minimum && value <= maximum;
  }
  return datatype === "float32" ? (value) => Object.is(Math.fround(value), value) : () => true;
}

function expectation(datatype: NiftiDatatype): string {
  const { minimum, maximum } = DATATYPES[datatype];
  return minimum === undefined ? "a 32-bit floating point number" : `an integer from ${minimum} to ${maximum}`;
}

/** How a value is put into bytes, little-endian. */
export function storeOf(view: DataView, datatype: NiftiDatatype): (at: number, value: number) => void {
  switch (datatype) {
    case "uint8":
      return (at, value) => view.setUint8(at, value);
    case "int8":
      return (at, value) => view.setInt8(at, value);
    case "int16":
      return (at, value) => view.setInt16(at, value, true);
    case "uint16":
      return (at, value) => view.setUint16(at, value, true);
    case "int32":
      return (at, value) => view.setInt32(at, value, true);
    case "uint32":
      return (at, value) => view.setUint32(at, value, true);
    case "int64":
      return (at, value) => view.setBigInt64(at, BigInt(value), true);
    case "uint64":
      return (at, value) => view.setBigUint64(at, BigInt(value), true);
    case "float32":
      return (at, value) => view.setFloat32(at, value, true);
    case "float64":
      return (at, value) => view.setFloat64(at, value, true);
  }
}
