import type { SeededRandom } from "../_seeded_random.ts";
import { cubicWeights } from "../geometry/_axis_plan.ts";

/** A cubic B-spline on a lattice whose knots are this many deviations apart spreads each of them by one deviation. */
const KNOT_DISTANCE = Math.sqrt(3);

interface AxisKnots {
  readonly count: number;
  /** For each voxel the first of its four knots, and their weights. */
  readonly first: Int32Array;
  readonly weights: Float64Array;
}

/** A smooth random displacement along one axis, for every voxel of a grid, made row by row from a lattice of normal numbers. */
export class ElasticField {
  readonly #shape: readonly [number, number, number];
  readonly #knots: readonly [AxisKnots, AxisKnots, AxisKnots];
  readonly #lattice: Float64Array;
  readonly #plane: Float64Array;
  readonly #line: Float64Array;
  #shift = 0;
  #factor = 1;

  /**
   * Draws a field whose mean is 0 and whose largest value is `largest`.
   *
   * @param shape Of the grid, `[depth, height, width]`.
   * @param options Deviation per axis in voxels; the axis, if any, along which the field does not change.
   */
  constructor(
    shape: readonly [number, number, number],
    options: {
      readonly sigmaVoxels: readonly [number, number, number];
      readonly largest: number;
      readonly constantAxis: number | undefined;
      readonly random: SeededRandom;
    },
  ) {
    const { sigmaVoxels, largest, constantAxis, random } = options;
    this.#shape = shape;
    this.#knots = shape.map((size, axis) => knotsOf(size, sigmaVoxels[axis]!)) as [AxisKnots, AxisKnots, AxisKnots];
    const counts = this.#knots.map(({ count }) => count);
    const [depth, height, width] = counts as [number, number, number];
    this.#lattice = new Float64Array(depth * height * width);
    for (let z = 0, at = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++, at++) {
          const same = [z, y, x].map((place, axis) => axis === constantAxis ? 0 : place) as [number, number, number];
          const from = (same[0] * height + same[1]) * width + same[2];
          this.#lattice[at] = from < at ? this.#lattice[from]! : random.normal();
        }
      }
    }
    this.#plane = new Float64Array(height * width);
    this.#line = new Float64Array(width);
    this.#centre(largest);
  }

  /** Begins a slice: rows that follow are its rows. */
  startSlice(z: number): void {
    combine(this.#lattice, this.#knots[0], z, this.#plane);
  }

  /** Writes a row of displacements in voxels. */
  row(y: number, out: Float64Array): void {
    const { first, weights } = this.#knots[2];
    const line = this.#line;
    combine(this.#plane, this.#knots[1], y, line);
    for (let x = 0; x < this.#shape[2]; x++) {
      const at = first[x]!;
      const w = 4 * x;
      const value = weights[w]! * line[at]! + weights[w + 1]! * line[at + 1]! + weights[w + 2]! * line[at + 2]! +
        weights[w + 3]! * line[at + 3]!;
      out[x] = (value - this.#shift) * this.#factor;
    }
  }

  #centre(largest: number): void {
    const [depth, height, width] = this.#shape;
    const row = new Float64Array(width);
    let [low, high, sum] = [Infinity, -Infinity, 0];
    for (let z = 0; z < depth; z++) {
      this.startSlice(z);
      for (let y = 0; y < height; y++) {
        this.row(y, row);
        for (let x = 0; x < width; x++) {
          const value = row[x]!;
          if (value < low) low = value;
          if (value > high) high = value;
          sum += value;
        }
      }
    }
    this.#shift = sum / (depth * height * width);
    const reach = Math.max(high - this.#shift, this.#shift - low);
    this.#factor = reach > 0 ? largest / reach : 0;
  }
}

function knotsOf(size: number, sigma: number): AxisKnots {
  const distance = KNOT_DISTANCE * sigma;
  const first = new Int32Array(size);
  const weights = new Float64Array(4 * size);
  for (let n = 0; n < size; n++) {
    first[n] = Math.floor(n / distance);
    cubicWeights(n / distance - first[n]!, weights, 4 * n);
  }
  return { count: first[size - 1]! + 4, first, weights };
}

/** Mixes four successive blocks of a lattice, as the weights of voxel `n` say. */
function combine(lattice: Float64Array, { first, weights }: AxisKnots, n: number, out: Float64Array): void {
  const length = out.length;
  const from = first[n]! * length;
  const [a, b, c, d] = weights.subarray(4 * n, 4 * n + 4) as unknown as [number, number, number, number];
  for (let i = 0, at = from; i < length; i++, at++) {
    out[i] = a * lattice[at]! + b * lattice[at + length]! + c * lattice[at + 2 * length]! +
      d * lattice[at + 3 * length]!;
  }
}
