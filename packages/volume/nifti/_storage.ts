import type { VoxelArray } from "../volume.ts";
import { isScaled, scaledFitsFloat32, type VoxelCoding } from "./_decode_voxels.ts";
import { DATATYPES, type NiftiDatatype } from "./datatypes.ts";

/** How voxels are stored in a file. */
export type Storage = Pick<VoxelCoding, "datatype" | "slope" | "intercept">;

/** Stored as they are. */
export function unscaled(datatype: NiftiDatatype): Storage {
  return { datatype, slope: 1, intercept: 0 };
}

/** The first way of storage in which every voxel reads back as it is; the last one, if none does. */
export function chooseStorage(data: VoxelArray, candidates: readonly Storage[]): Storage {
  return candidates.find((storage) => holdsExactly(data, storage)) ?? candidates.at(-1)!;
}

/** Values before slope and intercept; what the datatype holds of them is seen to elsewhere. */
export function unscale(slab: VoxelArray, storage: Storage): VoxelArray {
  if (!isScaled(storage)) return slab;
  const stored = storedBy(storage);
  return Float64Array.from(slab, stored);
}

function holdsExactly(data: VoxelArray, storage: Storage): boolean {
  const { datatype, slope, intercept } = storage;
  const { minimum = -Infinity, maximum = Infinity } = DATATYPES[datatype];
  const stored = storedBy(storage);
  const scaled = isScaled(storage);
  const read = scaled && scaledFitsFloat32(storage)
    ? (value: number) => Math.fround(value * slope + intercept)
    : (value: number) => value * slope + intercept;
  for (let i = 0; i < data.length; i++) {
    const value = stored(data[i]!);
    if (!(value >= minimum && value <= maximum) && !(minimum === -Infinity && Number.isNaN(value))) return false;
    const back = scaled ? read(value) : value;
    if (!Object.is(back + 0, data[i]! + 0)) return false;
  }
  return true;
}

/** The stored value that stands for an intensity, as near as the datatype comes to it. */
function storedBy({ datatype, slope, intercept }: Storage): (value: number) => number {
  if (datatype === "float64") return (value) => (value - intercept) / slope;
  if (datatype === "float32") return (value) => Math.fround((value - intercept) / slope);
  return (value) => Math.round((value - intercept) / slope);
}
