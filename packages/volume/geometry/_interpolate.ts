import type { VoxelArray } from "../volume.ts";
import { sameTypeArray } from "./_permute.ts";
import type { Interpolation } from "./resample.ts";

/** Old index of new voxel `o` along one axis: `start + scale · o`. */
export interface AxisMap {
  readonly scale: number;
  readonly start: number;
  readonly count: number;
}

/** Rounding noise that must not decide which of two neighbours is nearest, in voxels. */
const TIE_TOLERANCE = 1e-9;

/** Index of the nearest voxel; halfway goes to the higher index. Not yet clamped. */
export function nearestIndex(position: number): number {
  return Math.floor(position + 0.5 + TIE_TOLERANCE);
}

/** Array that interpolated values go to: float64 for float64 input, else float32; nearest keeps the type. */
export function outputArray(data: VoxelArray, length: number, interpolation: Interpolation): VoxelArray {
  if (interpolation === "nearest") return sameTypeArray(data, length);
  return data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

/** Interpolates along the three axes one after the other (C order: depth, height, width); positions outside are clamped. */
export function interpolateSeparably(
  data: VoxelArray,
  shape: readonly [number, number, number],
  options: { readonly maps: readonly [AxisMap, AxisMap, AxisMap]; readonly interpolation: Interpolation },
): VoxelArray {
  const { maps, interpolation } = options;
  const sizes: [number, number, number] = [...shape];
  let current = data;
  // The axis that shrinks most goes first, so that the later passes have less to do.
  const order = ([0, 1, 2] as const).toSorted((a, b) => maps[a].count / shape[a] - maps[b].count / shape[b]);
  for (const axis of order) {
    const map = maps[axis];
    if (map.scale === 1 && map.start === 0 && map.count === sizes[axis]) continue;
    const outer = sizes.slice(0, axis).reduce((product, n) => product * n, 1);
    const inner = sizes.slice(axis + 1).reduce((product, n) => product * n, 1);
    const out = outputArray(current, outer * map.count * inner, interpolation);
    interpolateAxis(current, out, { outer, inner, size: sizes[axis], map, interpolation });
    current = out;
    sizes[axis] = map.count;
  }
  if (current !== data) return current;
  const copy = outputArray(data, data.length, interpolation);
  copy.set(data);
  return copy;
}

interface AxisPass {
  readonly outer: number;
  readonly inner: number;
  readonly size: number;
  readonly map: AxisMap;
  readonly interpolation: Interpolation;
}

function interpolateAxis(data: VoxelArray, out: VoxelArray, pass: AxisPass): void {
  const { outer, inner, size, map, interpolation } = pass;
  const { lower, upper, weight } = neighbours(map, size, interpolation);
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < map.count; n++) {
      const low = (o * size + lower[n]!) * inner;
      const high = (o * size + upper[n]!) * inner;
      const to = (o * map.count + n) * inner;
      const w = weight[n]!;
      if (w === 0) {
        for (let i = 0; i < inner; i++) out[to + i] = data[low + i]!;
      } else {
        for (let i = 0; i < inner; i++) {
          const a = data[low + i]!;
          out[to + i] = a + w * (data[high + i]! - a);
        }
      }
    }
  }
}

function neighbours(
  map: AxisMap,
  size: number,
  interpolation: Interpolation,
): { lower: Int32Array; upper: Int32Array; weight: Float64Array } {
  const lower = new Int32Array(map.count);
  const upper = new Int32Array(map.count);
  const weight = new Float64Array(map.count);
  for (let n = 0; n < map.count; n++) {
    const position = Math.min(Math.max(map.start + map.scale * n, 0), size - 1);
    if (interpolation === "nearest") {
      lower[n] = upper[n] = Math.min(nearestIndex(position), size - 1);
    } else {
      lower[n] = Math.min(Math.floor(position), size - 1);
      upper[n] = Math.min(lower[n]! + 1, size - 1);
      weight[n] = position - lower[n]!;
    }
  }
  return { lower, upper, weight };
}
