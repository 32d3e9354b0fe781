import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { createHash } from "node:crypto";
import { addScaled, dot, type LinearMap, orthonormalise } from "./_vectors.ts";

/** The leading part of a singular value decomposition. */
export interface TruncatedSvd {
  /** Descending, positive. */
  readonly singularValues: Float64Array;
  /** Right singular vectors, one per value, orthonormal; the entry of greatest size is positive. */
  readonly components: readonly Float64Array[];
}

/** Options of {@linkcode truncatedSvd}. */
export interface TruncatedSvdOptions {
  /** Most singular values wanted. */
  readonly rank: number;
  /** Fixes the random sketch. Default "0". */
  readonly seed?: string;
}

/** Directions sketched beyond those wanted. */
const OVERSAMPLING = 16;
/** Rounds of subspace iteration. */
const ITERATIONS = 3;
/** Singular values below this share of the largest are rounding. */
const NEGLIGIBLE = 1e-7;

/**
 * Computes leading singular values and right singular vectors by a randomised range finder with subspace iteration (Halko, Martinsson
 * and Tropp, SIAM Review 53, 2011, algorithms 4.4 and 5.1).
 *
 * Exact up to rounding where `rank + 16` reaches the smaller side of the matrix. Checked against scikit-learn's TruncatedSVD and PCA.
 *
 * @param matrix What to decompose.
 * @returns Fewer values than asked for where the matrix has a smaller rank; none for a zero matrix.
 */
export function truncatedSvd(matrix: LinearMap, options: TruncatedSvdOptions): TruncatedSvd {
  const { rank, seed = "0" } = options;
  const width = Math.min(rank + OVERSAMPLING, matrix.rows, matrix.columns);
  const sketch = Array.from({ length: width }, (_, index) => spread(matrix.columns, `${seed}/${index}`));
  let range = orthonormalise(sketch.map((vector) => matrix.apply(vector)));
  for (let round = 0; round < ITERATIONS; round++) {
    const dual = orthonormalise(range.map((vector) => matrix.applyTransposed(vector)));
    range = orthonormalise(dual.map((vector) => matrix.apply(vector)));
  }
  const projected = range.map((vector) => matrix.applyTransposed(vector));
  if (projected.length === 0) return { singularValues: new Float64Array(0), components: [] };
  const gram = new Matrix(projected.map((a) => projected.map((b) => dot(a, b))));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  const order = realEigenvalues.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value);
  const least = NEGLIGIBLE ** 2 * order[0]!.value;
  const kept = order.slice(0, rank).filter(({ value }) => value > least && value > 0);
  return {
    singularValues: Float64Array.from(kept, ({ value }) => Math.sqrt(value)),
    components: kept.map(({ value, index }) => {
      const component = new Float64Array(matrix.columns);
      projected.forEach((vector, row) =>
        addScaled(component, vector, eigenvectorMatrix.get(row, index) / Math.sqrt(value))
      );
      return withPositivePeak(component);
    }),
  };
}

/** A vector of numbers spread evenly over −1…1, drawn from a seed: four bytes of a SHAKE-256 stream each. */
function spread(count: number, seed: string): Float64Array {
  const bytes = createHash("shake256", { outputLength: 4 * count }).update(seed).digest();
  return Float64Array.from({ length: count }, (_, index) => bytes.readInt32LE(4 * index) / 2 ** 31);
}

/** Turns a vector so that its entry of greatest size is positive: fixes the sign that a decomposition leaves open. */
function withPositivePeak(vector: Float64Array): Float64Array {
  let peak = 0;
  for (const value of vector) if (Math.abs(value) > Math.abs(peak) * (1 + 1e-9)) peak = value;
  return peak < 0 ? vector.map((value) => -value) : vector;
}
