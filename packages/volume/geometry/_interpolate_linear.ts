import type { VoxelArray } from "../volume.ts";
import type { AxisPlan } from "./_axis_plan.ts";

/**
 * Interpolates linearly (or takes the nearest) along all three axes at once, a row of the result at a time: two slices are mixed,
 * then two rows of what came of it, then neighbours in that row. Three slices in float64 are held beside input and result.
 */
export function interpolateLinearly(
  data: VoxelArray,
  shape: readonly [number, number, number],
  { axes, out }: { readonly axes: readonly [AxisPlan, AxisPlan, AxisPlan]; readonly out: VoxelArray },
): void {
  const [depth, height, width] = axes.map(neighbours) as [Neighbours, Neighbours, Neighbours];
  const area = shape[1] * shape[2];
  const slices = [new Float64Array(area), new Float64Array(area)] as const;
  const held = [-1, -1];
  const sliceOf = (z: number): Float64Array => { // even slices in one place, odd ones in the other: two in a row never meet
    const place = z & 1;
    if (held[place] !== z) slices[place]!.set(data.subarray(z * area, (z + 1) * area));
    held[place] = z;
    return slices[place]!;
  };
  const mixed = new Float64Array(area);
  const row = new Float64Array(shape[2]);
  const line = new Float64Array(width.count);
  for (let z = 0, to = 0; z < depth.count; z++) {
    const share = depth.share[z]!;
    const low = sliceOf(depth.low[z]!);
    const slice = share === 0 ? low : mixed;
    if (share !== 0) mix(low, sliceOf(depth.low[z]! + 1), { share, from: 0, next: 0, out: mixed });
    for (let y = 0; y < height.count; y++, to += width.count) {
      const from = height.low[y]! * shape[2];
      const shareOfRow = height.share[y]!;
      if (shareOfRow !== 0) mix(slice, slice, { share: shareOfRow, from, next: from + shape[2], out: row });
      const source = shareOfRow === 0 ? slice.subarray(from, from + shape[2]) : row;
      if (width.isIdentity) {
        out.set(source, to);
        continue;
      }
      gather(source, line, width);
      out.set(line, to);
    }
  }
}

interface Neighbours {
  readonly count: number;
  readonly isIdentity: boolean;
  readonly low: Int32Array;
  /** Of the upper neighbour; 0 means that it is not touched. */
  readonly share: Float64Array;
}

function neighbours({ count, isIdentity, method, first, weights }: AxisPlan): Neighbours {
  const share = Float64Array.from({ length: count }, (_, o) => method === "linear" ? weights[2 * o + 1]! : 0);
  return { count, isIdentity, low: first, share };
}

function mix(
  a: Float64Array,
  b: Float64Array,
  options: { readonly share: number; readonly from: number; readonly next: number; readonly out: Float64Array },
): void {
  const { share, from, next, out } = options;
  for (let i = 0; i < out.length; i++) {
    const low = a[from + i]!;
    out[i] = low + share * (b[next + i]! - low);
  }
}

function gather(row: Float64Array, out: Float64Array, { low, share, count }: Neighbours): void {
  for (let o = 0; o < count; o++) {
    const at = low[o]!;
    const weight = share[o]!;
    const value = row[at]!;
    out[o] = weight === 0 ? value : value + weight * (row[at + 1]! - value);
  }
}
