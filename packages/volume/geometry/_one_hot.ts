import type { VoxelArray } from "../volume.ts";
import type { AxisPlan } from "./_axis_plan.ts";
import { sameTypeArray } from "./_voxel_bits.ts";

/** Shares that differ by less count as equal, so that rounding does not decide between two labels. */
const TIE_TOLERANCE = 1e-9;

/** Up to eight neighbours of a place, with their weights, of which the label of the largest share is found. */
export class LabelVote {
  readonly #labels = new Float64Array(8);
  readonly #weights = new Float64Array(8);
  #count = 0;

  /** Begins anew. */
  clear(): void {
    this.#count = 0;
  }

  /** Adds a neighbour. */
  add(label: number, weight: number): void {
    for (let i = 0; i < this.#count; i++) {
      if (this.#labels[i] !== label) continue;
      this.#weights[i] = this.#weights[i]! + weight;
      return;
    }
    this.#labels[this.#count] = label;
    this.#weights[this.#count++] = weight;
  }

  /** The label of the largest share; the lower one of equals. */
  winner(): number {
    let best = this.#labels[0]!;
    let share = this.#weights[0]!;
    for (let i = 1; i < this.#count; i++) {
      const label = this.#labels[i]!;
      const weight = this.#weights[i]!;
      if (weight > share + TIE_TOLERANCE || (weight >= share - TIE_TOLERANCE && label < best)) {
        best = label;
        share = weight;
      }
    }
    return best;
  }
}

/**
 * Resamples a label map as if each label were a volume of its own, 1 inside and 0 outside, interpolated linearly, and the
 * largest taken: without making those volumes. Axes are planned as nearest or linear.
 */
export function resampleOneHot(
  data: VoxelArray,
  shape: readonly [number, number, number],
  axes: readonly [AxisPlan, AxisPlan, AxisPlan],
): VoxelArray {
  const [depth, height, width] = axes;
  const out = sameTypeArray(data, depth.count * height.count * width.count);
  const vote = new LabelVote();
  const area = shape[1] * shape[2];
  for (let z = 0, to = 0; z < depth.count; z++) {
    const wz = upperShare(depth, z);
    const z0 = depth.first[z]! * area;
    const dz = wz === 0 ? 0 : area;
    for (let y = 0; y < height.count; y++) {
      const wy = upperShare(height, y);
      const y0 = z0 + height.first[y]! * shape[2];
      const dy = wy === 0 ? 0 : shape[2];
      for (let x = 0; x < width.count; x++, to++) {
        const wx = upperShare(width, x);
        const at = y0 + width.first[x]!;
        const dx = wx === 0 ? 0 : 1;
        out[to] = voteOfCell(data, vote, { at, dx, dy, dz, wx, wy, wz });
      }
    }
  }
  return out;
}

/** The cell of eight voxels around a place; a step of 0 stands for a neighbour of weight 0. */
export interface Cell {
  readonly at: number;
  readonly dx: number;
  readonly dy: number;
  readonly dz: number;
  readonly wx: number;
  readonly wy: number;
  readonly wz: number;
}

/** The label with the largest share of a cell. */
export function voteOfCell(data: VoxelArray, vote: LabelVote, { at, dx, dy, dz, wx, wy, wz }: Cell): number {
  const a = data[at]!, b = data[at + dx]!, c = data[at + dy]!, d = data[at + dy + dx]!;
  const e = data[at + dz]!, f = data[at + dz + dx]!, g = data[at + dz + dy]!, h = data[at + dz + dy + dx]!;
  if (a === b && a === c && a === d && a === e && a === f && a === g && a === h) return a;
  const [ux, uy, uz] = [1 - wx, 1 - wy, 1 - wz];
  vote.clear();
  vote.add(a, ux * uy * uz);
  vote.add(b, wx * uy * uz);
  vote.add(c, ux * wy * uz);
  vote.add(d, wx * wy * uz);
  vote.add(e, ux * uy * wz);
  vote.add(f, wx * uy * wz);
  vote.add(g, ux * wy * wz);
  vote.add(h, wx * wy * wz);
  return vote.winner();
}

function upperShare({ method, weights }: AxisPlan, o: number): number {
  return method === "nearest" ? 0 : weights[2 * o + 1]!;
}
