import type { Volume, VoxelArray } from "../volume.ts";
import { type AxisPlan, cubicWeights, nearestIndex, planAxis } from "./_axis_plan.ts";
import { interpolateSeparably } from "./_interpolate.ts";
import { LabelVote, voteOfCell } from "./_one_hot.ts";
import { finiteRange, type ResolvedInterpolation } from "./interpolation.ts";

/** Rounding noise in positions that must not push a voxel out of the volume. */
export const EDGE_TOLERANCE = 1e-6;

/** Coefficients beyond the outermost voxels that a place half a voxel outside needs. */
const ROOM = 2;

/** Writes a row of values at places along a line through the volume, leaving out those outside it. */
type RowSampler = (row: Row, out: VoxelArray, to: number) => void;

interface Row {
  readonly count: number;
  /** Index (width, height, depth) of the first place, and the step to the next. */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly dx: number;
  readonly dy: number;
  readonly dz: number;
}

/** Interpolates at places on a grid that does not run along the volume's axes; `data` comes filled for what lies outside. */
export function sampleOblique(
  volume: Volume,
  options: {
    readonly shape: readonly [number, number, number];
    readonly map: Float64Array;
    readonly how: ResolvedInterpolation;
    readonly data: VoxelArray;
  },
): { data: VoxelArray; line: string } {
  const { shape: [depth, height, width], map, how, data } = options;
  const sample = samplerOf(volume, how);
  let to = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++, to += width) {
      const row = {
        count: width,
        x: map[1]! * y + map[2]! * z + map[3]!,
        y: map[5]! * y + map[6]! * z + map[7]!,
        z: map[9]! * y + map[10]! * z + map[11]!,
        dx: map[0]!,
        dy: map[4]!,
        dz: map[8]!,
      };
      sample(row, data, to);
    }
  }
  return { data, line: `${how.interpolation} interpolation` };
}

function samplerOf(volume: Volume, { interpolation, clip }: ResolvedInterpolation): RowSampler {
  if (interpolation === "nearest") return nearestSampler(volume);
  if (interpolation === "cubic") return cubicSampler(volume, clip ? finiteRange(volume.data) : undefined);
  return cellSampler(volume, interpolation === "one-hot");
}

function isOutside(position: number, size: number): boolean {
  return !(position >= -0.5 - EDGE_TOLERANCE && position <= size - 0.5 + EDGE_TOLERANCE);
}

function clamp(position: number, size: number): number {
  return position < 0 ? 0 : position > size - 1 ? size - 1 : position;
}

function nearestSampler({ data, shape: [depth, height, width] }: Volume): RowSampler {
  return ({ count, x, y, z, dx, dy, dz }, out, to) => {
    for (let n = 0; n < count; n++) {
      const px = x + dx * n, py = y + dy * n, pz = z + dz * n;
      if (isOutside(px, width) || isOutside(py, height) || isOutside(pz, depth)) continue;
      const k = nearestIndex(clamp(pz, depth)), j = nearestIndex(clamp(py, height)), i = nearestIndex(clamp(px, width));
      out[to + n] = data[(k * height + j) * width + i]!;
    }
  };
}

/** Linear interpolation, or the vote of labels; a neighbour of weight 0 is not touched: it may be NaN. */
function cellSampler({ data, shape: [depth, height, width] }: Volume, isVote: boolean): RowSampler {
  const vote = new LabelVote();
  return ({ count, x, y, z, dx, dy, dz }, out, to) => {
    for (let n = 0; n < count; n++) {
      const px = x + dx * n, py = y + dy * n, pz = z + dz * n;
      if (isOutside(px, width) || isOutside(py, height) || isOutside(pz, depth)) continue;
      const cx = clamp(px, width), cy = clamp(py, height), cz = clamp(pz, depth);
      const i = Math.floor(cx), j = Math.floor(cy), k = Math.floor(cz);
      const u = cx - i, v = cy - j, w = cz - k;
      const right = u === 0 ? 0 : 1, front = v === 0 ? 0 : width, above = w === 0 ? 0 : width * height;
      const at = (k * height + j) * width + i;
      if (isVote) {
        out[to + n] = voteOfCell(data, vote, { at, dx: right, dy: front, dz: above, wx: u, wy: v, wz: w });
        continue;
      }
      const a = mix(data[at]!, data[at + right]!, u);
      const b = v === 0 ? a : mix(data[at + front]!, data[at + front + right]!, u);
      const near = mix(a, b, v);
      if (w === 0) {
        out[to + n] = near;
        continue;
      }
      const up = at + above;
      const c = mix(data[up]!, data[up + right]!, u);
      const d = v === 0 ? c : mix(data[up + front]!, data[up + front + right]!, u);
      out[to + n] = mix(near, mix(c, d, v), w);
    }
  };
}

function mix(a: number, b: number, weight: number): number {
  return weight === 0 ? a : a + weight * (b - a);
}

/** Follows the cubic B-spline, 4³ coefficients a place. */
function cubicSampler(volume: Volume, range: readonly [number, number] | undefined): RowSampler {
  const [depth, height, width] = volume.shape;
  const axes = volume.shape.map(planCoefficients) as [AxisPlan, AxisPlan, AxisPlan];
  const data = interpolateSeparably(volume.data, volume.shape, { axes });
  const rowStep = width + 2 * ROOM;
  const sliceStep = (height + 2 * ROOM) * rowStep;
  const [low, high] = range ?? [-Infinity, Infinity];
  const weights = new Float64Array(12);
  return ({ count, x, y, z, dx, dy, dz }, out, to) => {
    for (let n = 0; n < count; n++) {
      const px = x + dx * n, py = y + dy * n, pz = z + dz * n;
      if (isOutside(px, width) || isOutside(py, height) || isOutside(pz, depth)) continue;
      // The tolerance at the edges must not lead to a coefficient that is not there.
      const cx = Math.max(-0.5, Math.min(px, width - 0.5)), i = Math.floor(cx);
      const cy = Math.max(-0.5, Math.min(py, height - 0.5)), j = Math.floor(cy);
      const cz = Math.max(-0.5, Math.min(pz, depth - 0.5)), k = Math.floor(cz);
      cubicWeights(cx - i, weights, 0);
      cubicWeights(cy - j, weights, 4);
      cubicWeights(cz - k, weights, 8);
      const w0 = weights[0]!, w1 = weights[1]!, w2 = weights[2]!, w3 = weights[3]!;
      let sum = 0;
      for (let c = 0; c < 4; c++) {
        let slice = 0;
        for (let b = 0; b < 4; b++) {
          const at = (k + ROOM - 1 + c) * sliceStep + (j + ROOM - 1 + b) * rowStep + (i + ROOM - 1);
          slice += weights[4 + b]! * (w0 * data[at]! + w1 * data[at + 1]! + w2 * data[at + 2]! + w3 * data[at + 3]!);
        }
        sum += weights[8 + c]! * slice;
      }
      out[to + n] = sum < low ? low : sum > high ? high : sum;
    }
  };
}

/** An axis along which the spline's coefficients themselves are the result, from `ROOM` before the first voxel on. */
function planCoefficients(size: number): AxisPlan {
  const count = size + 2 * ROOM;
  const plan = planAxis({ scale: 1, start: -ROOM, count }, size, { method: "cubic" });
  const weights = plan.weights.map((_, i) => i % 4 === 1 ? 1 : 0);
  return { ...plan, weights };
}
