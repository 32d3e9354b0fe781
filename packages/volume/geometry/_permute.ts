import type { VoxelArray } from "../volume.ts";

/** How one output axis is read from the input; axes in C order: 0 depth, 1 height, 2 width. */
export interface AxisSource {
  readonly axis: 0 | 1 | 2;
  readonly flipped: boolean;
}

/** Makes an array of the same type. */
export function sameTypeArray(data: VoxelArray, length: number): VoxelArray {
  return new (data.constructor as new (length: number) => VoxelArray)(length);
}

/** Reorders and flips axes of a C-order array; `sources[i]` says which input axis output axis i is. */
export function permuteAxes(
  data: VoxelArray,
  shape: readonly [number, number, number],
  sources: readonly [AxisSource, AxisSource, AxisSource],
): { data: VoxelArray; shape: [number, number, number] } {
  const strides = [shape[1] * shape[2], shape[2], 1] as const;
  const outShape = sources.map(({ axis }) => shape[axis]) as [number, number, number];
  const steps = sources.map(({ axis, flipped }) => flipped ? -strides[axis] : strides[axis]) as [
    number,
    number,
    number,
  ];
  const first = sources.reduce((sum, { axis, flipped }) => sum + (flipped ? (shape[axis] - 1) * strides[axis] : 0), 0);
  const out = sameTypeArray(data, data.length);
  let to = 0;
  for (let z = 0; z < outShape[0]; z++) {
    for (let y = 0; y < outShape[1]; y++) {
      let from = first + z * steps[0] + y * steps[1];
      for (let x = 0; x < outShape[2]; x++, from += steps[2]) out[to++] = data[from]!;
    }
  }
  return { data: out, shape: outShape };
}
