import type { VoxelArray } from "../volume.ts";
import type { AxisPlan } from "./_axis_plan.ts";
import { resampleRows, transpose } from "./_axis_rows.ts";
import { interpolateLinearly } from "./_interpolate_linear.ts";
import { bitsOf, sameTypeArray } from "./_voxel_bits.ts";

/** How each axis is resampled (C order: depth, height, width), and the range that splines must not leave. */
export interface SeparablePlan {
  readonly axes: readonly [AxisPlan, AxisPlan, AxisPlan];
  readonly range?: readonly [number, number];
}

/** Elements of a block of columns that is worked on at once: small enough to stay in a processor's cache. */
const BLOCK_ELEMENTS = 1 << 17;

/** Array that interpolated values go to: float64 for float64 input, else float32; nearest keeps the type. */
export function outputArray(data: VoxelArray, length: number, method: "nearest" | "mixed"): VoxelArray {
  if (method === "nearest") return sameTypeArray(data, length);
  return data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

/**
 * Resamples along the three axes one after the other. Beside input and result only a slice and a block of columns are held:
 * what lies between two passes stands in the result's own memory, and what does not fit there in as much more as is missing.
 */
export function interpolateSeparably(
  data: VoxelArray,
  shape: readonly [number, number, number],
  plan: SeparablePlan,
): VoxelArray {
  const [depth, height, width] = plan.axes;
  if (plan.axes.every(({ method, isIdentity }) => method === "nearest" || isIdentity)) {
    const method = plan.axes.some(({ method }) => method !== "nearest") ? "mixed" : "nearest";
    const out = outputArray(data, depth.count * height.count * width.count, method);
    if (method === "nearest") takeNearest(bitsOf(data), bitsOf(out), shape, plan.axes);
    else takeNearest(data, out, shape, plan.axes);
    return out;
  }
  const area = height.count * width.count;
  const out = outputArray(data, depth.count * area, "mixed") as Float32Array | Float64Array;
  if (
    plan.axes.every(({ method, gaussian, isIdentity }) => (method !== "cubic" || isIdentity) && gaussian.length < 2)
  ) {
    interpolateLinearly(data, shape, { axes: plan.axes, out });
    return out;
  }
  const oldArea = shape[1] * shape[2];
  const isDepthFirst = depth.method !== "nearest" && depth.count < depth.size && area >= oldArea;
  const isDepthLast = depth.method !== "nearest" && !depth.isIdentity && !isDepthFirst;
  const inPlane = new SliceResampler({ axes: plan.axes, ...(plan.range && !isDepthLast && { range: plan.range }) });
  if (depth.method === "nearest" || depth.isIdentity) {
    for (let z = 0; z < depth.count; z++) {
      const from = depth.method === "nearest" ? depth.first[z]! : z;
      const before = z > 0 && depth.method === "nearest" && depth.first[z - 1] === from;
      if (before) out.copyWithin(z * area, (z - 1) * area, z * area);
      else inPlane.run(data.subarray(from * oldArea, (from + 1) * oldArea), out.subarray(z * area, (z + 1) * area));
    }
    return out;
  }
  if (isDepthFirst) {
    const slices = (z: number) => out.subarray(z * area, z * area + oldArea);
    alongDepth((z) => data.subarray(z * oldArea, (z + 1) * oldArea), slices, oldArea, { axes: plan.axes });
    for (let z = 0; z < depth.count; z++) inPlane.run(slices(z), out.subarray(z * area, (z + 1) * area));
    return out;
  }
  const more = new (out.constructor as typeof Float32Array)(Math.max(0, depth.size - depth.count) * area);
  const slices = (z: number) =>
    z < depth.count
      ? out.subarray(z * area, (z + 1) * area)
      : more.subarray((z - depth.count) * area, (z - depth.count + 1) * area);
  for (let z = 0; z < depth.size; z++) inPlane.run(data.subarray(z * oldArea, (z + 1) * oldArea), slices(z));
  alongDepth(slices, slices, area, plan);
  return out;
}

/** Gathers voxels without making new values. */
function takeNearest(
  data: VoxelArray,
  out: VoxelArray,
  shape: readonly [number, number, number],
  axes: readonly [AxisPlan, AxisPlan, AxisPlan],
): void {
  const [zs, ys, xs] = axes.map(({ isIdentity, first, count }) =>
    isIdentity ? Int32Array.from({ length: count }, (_, i) => i) : first
  ) as [Int32Array, Int32Array, Int32Array];
  const [, height, width] = shape;
  const rowLength = xs.length;
  const area = ys.length * rowLength;
  for (let z = 0, to = 0; z < zs.length; z++) {
    if (z > 0 && zs[z] === zs[z - 1]) {
      out.copyWithin(to, to - area, to);
      to += area;
      continue;
    }
    for (let y = 0; y < ys.length; y++) {
      const from = (zs[z]! * height + ys[y]!) * width;
      if (y > 0 && ys[y] === ys[y - 1]) out.copyWithin(to, to - rowLength, to);
      else if (axes[2].isIdentity) out.set(data.subarray(from, from + width), to);
      else for (let x = 0; x < rowLength; x++) out[to + x] = data[from + xs[x]!]!;
      to += rowLength;
    }
  }
}

/** Resamples slices of one size along height and width, in scratch memory that is made once. */
class SliceResampler {
  readonly #height: AxisPlan;
  readonly #width: AxisPlan;
  readonly #range: readonly [number, number] | undefined;
  readonly #a: Float64Array;
  readonly #b: Float64Array;

  constructor({ axes: [, height, width], range }: SeparablePlan) {
    this.#height = height;
    this.#width = width;
    this.#range = range;
    const elements = (height.size + 2 * height.margin) * width.size;
    const turned = (width.size + 2 * width.margin) * height.count;
    this.#a = new Float64Array(Math.max(elements, turned, height.count * width.count));
    this.#b = new Float64Array(Math.max(height.count * width.size, width.count * height.count));
  }

  /** Resamples a slice; the two may share memory. */
  run(slice: VoxelArray, out: VoxelArray): void {
    const height = this.#height;
    const width = this.#width;
    const [a, b] = [this.#a, this.#b];
    if (height.isIdentity) {
      b.set(slice);
    } else {
      a.set(slice, height.margin * width.size);
      resampleRows(a, b, width.size, height);
    }
    let filled = b;
    if (!width.isIdentity) {
      transpose(b, a, { height: height.count, width: width.size, start: width.margin * height.count });
      resampleRows(a, b, height.count, width);
      transpose(b, a, { height: width.count, width: height.count, start: 0 });
      filled = a;
    }
    const made = filled.subarray(0, height.count * width.count);
    if (this.#range) clamp(made, this.#range);
    out.set(made);
  }
}

/** Resamples along depth, a block of columns after another; `from` and `to` may give the same slices. */
function alongDepth(
  from: (z: number) => VoxelArray,
  to: (z: number) => VoxelArray,
  area: number,
  { axes: [depth], range }: SeparablePlan,
): void {
  const rows = depth.size + 2 * depth.margin;
  const block = Math.min(area, Math.max(64, Math.floor(BLOCK_ELEMENTS / Math.max(rows, depth.count))));
  const a = new Float64Array(rows * block);
  const b = new Float64Array(depth.count * block);
  const sources = Array.from({ length: depth.size }, (_, z) => from(z));
  const targets = Array.from({ length: depth.count }, (_, z) => to(z));
  for (let start = 0; start < area; start += block) {
    const columns = Math.min(block, area - start);
    for (let z = 0; z < depth.size; z++) {
      a.set(sources[z]!.subarray(start, start + columns), (z + depth.margin) * columns);
    }
    resampleRows(a, b, columns, depth);
    const made = b.subarray(0, depth.count * columns);
    if (range) clamp(made, range);
    for (let z = 0; z < depth.count; z++) targets[z]!.set(made.subarray(z * columns, (z + 1) * columns), start);
  }
}

function clamp(values: Float64Array, [low, high]: readonly [number, number]): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low) values[i] = low;
    else if (value > high) values[i] = high;
  }
}
