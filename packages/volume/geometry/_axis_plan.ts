import type { AxisMap } from "./axis_map.ts";

/** How values between voxel centres are made along one axis. */
export type AxisMethod = "nearest" | "linear" | "cubic";

/** What is to be done along one axis, with everything that does not depend on the voxels worked out. */
export interface AxisPlan {
  readonly size: number;
  readonly count: number;
  readonly method: AxisMethod;
  /** Nothing is to be done: the new voxels are the old ones. */
  readonly isIdentity: boolean;
  /** Rows that the input must have before and after its own, for the spline's coefficients beyond the edges. */
  readonly margin: number;
  /** For each new voxel, the first old one (margin included) that it is made of. */
  readonly first: Int32Array;
  /** For each new voxel, the weights of the old ones from `first` on: 1, 2 or 4. */
  readonly weights: Float64Array;
  /** Half of a Gaussian, from its centre outwards, to smooth by before; empty for none. */
  readonly gaussian: Float64Array;
}

/** Rounding noise that must not decide which of two neighbours is nearest, in voxels. */
const TIE_TOLERANCE = 1e-9;

/** How far beyond the outermost centres a spline is followed; there it has come to the outermost value. */
const SPLINE_MARGIN = 4;

/** Index of the nearest voxel; halfway goes to the higher index. Not yet clamped. */
export function nearestIndex(position: number): number {
  return Math.floor(position + 0.5 + TIE_TOLERANCE);
}

/** Works out an axis; positions outside take the outermost value. */
export function planAxis(
  map: AxisMap,
  size: number,
  options: { readonly method: AxisMethod; readonly antialias?: boolean },
): AxisPlan {
  const { method, antialias = false } = options;
  const isIdentity = map.scale === 1 && map.start === 0 && map.count === size;
  const gaussian = antialias && method !== "nearest" && Math.abs(map.scale) > 1
    ? gaussianHalf((Math.abs(map.scale) - 1) / 2)
    : new Float64Array(0);
  const margin = method === "cubic" && !isIdentity ? SPLINE_MARGIN : 0;
  const taps = method === "nearest" ? 1 : method === "linear" ? 2 : 4;
  const first = new Int32Array(map.count);
  const weights = new Float64Array(map.count * taps);
  const reach = Math.max(0, margin - 1);
  for (let o = 0; o < map.count; o++) {
    const position = Math.min(Math.max(map.start + map.scale * o, -reach), size - 1 + Math.max(0, reach - 1));
    if (method === "nearest") {
      first[o] = Math.min(nearestIndex(position), size - 1);
      weights[o] = 1;
      continue;
    }
    const low = Math.floor(position);
    const share = position - low;
    first[o] = method === "linear" || isIdentity ? low : low - 1 + margin;
    if (method === "linear") weights[2 * o + 1] = share;
    else cubicWeights(share, weights, 4 * o);
  }
  return { size, count: map.count, method, isIdentity, margin, first, weights, gaussian };
}

/** The cubic B-spline's values at −1, 0, 1 and 2 seen from a share of the way between 0 and 1. */
export function cubicWeights(share: number, out: Float64Array, at: number): void {
  const rest = 1 - share;
  out[at] = rest * rest * rest / 6;
  out[at + 1] = 2 / 3 - share * share * (2 - share) / 2;
  out[at + 2] = 2 / 3 - rest * rest * (2 - rest) / 2;
  out[at + 3] = share * share * share / 6;
}

/** A Gaussian from its centre to four deviations, so that the whole of it sums to 1. */
export function gaussianHalf(sigma: number): Float64Array {
  const radius = Math.floor(4 * sigma + 0.5);
  const half = Float64Array.from({ length: radius + 1 }, (_, i) => Math.exp(-0.5 * (i / sigma) ** 2));
  const total = half.reduce((sum, value, i) => sum + (i === 0 ? value : 2 * value), 0);
  return half.map((value) => value / total);
}
