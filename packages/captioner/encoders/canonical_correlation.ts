import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from "ml-matrix";
import { dot } from "./_vectors.ts";

/** Directions along which two descriptions of the same things go together. */
export interface CanonicalCorrelation {
  /** Descending, 0…1; shrunk where regularised. */
  readonly correlations: Float64Array;
  /** For each correlation, weights on the first description's coordinates: projections have variance ≤ 1. */
  readonly first: readonly Float64Array[];
  /** The same for the second description. */
  readonly second: readonly Float64Array[];
}

/** Options of {@linkcode canonicalCorrelation}. */
export interface CanonicalCorrelationOptions {
  /** Most directions wanted. */
  readonly width: number;
  /** Added to each covariance's diagonal, as a share of its mean. Default 0: plain CCA. */
  readonly regularisation?: number;
}

/**
 * Solves regularised canonical correlation analysis (Hotelling 1936; ridge as in Vinod 1976) by whitening both sides and taking the
 * singular vectors of their cross-covariance.
 *
 * Plain CCA was checked against scikit-learn's, the regularised one against numpy.
 *
 * @param first Rows of the first description, centred, one per thing; coordinates not all zero.
 * @param second Rows of the second one, in the same order.
 */
export function canonicalCorrelation(
  first: readonly Float64Array[],
  second: readonly Float64Array[],
  options: CanonicalCorrelationOptions,
): CanonicalCorrelation {
  const { width, regularisation = 0 } = options;
  const count = first.length;
  const [a, b] = [columnsOf(first), columnsOf(second)];
  const whitenA = inverseSquareRoot(covariance(a, a, count), regularisation);
  const whitenB = inverseSquareRoot(covariance(b, b, count), regularisation);
  const cross = whitenA.mmul(covariance(a, b, count)).mmul(whitenB);
  const { leftSingularVectors, rightSingularVectors, diagonal } = new SingularValueDecomposition(cross, {
    autoTranspose: true,
  });
  const kept = Math.min(width, a.length, b.length);
  const left = whitenA.mmul(leftSingularVectors);
  const right = whitenB.mmul(rightSingularVectors);
  const turned = Array.from({ length: kept }, (_, index): readonly [Float64Array, Float64Array] => {
    const [x, y] = [Float64Array.from(left.getColumn(index)), Float64Array.from(right.getColumn(index))];
    const peak = x.reduce((largest, value) => (Math.abs(value) > Math.abs(largest) * (1 + 1e-9) ? value : largest), 0);
    return peak < 0 ? [x.map((value) => -value), y.map((value) => -value)] : [x, y];
  });
  return {
    correlations: Float64Array.from(diagonal.slice(0, kept), (value) => Math.min(1, value)),
    first: turned.map(([x]) => x),
    second: turned.map(([, y]) => y),
  };
}

function columnsOf(rows: readonly Float64Array[]): Float64Array[] {
  return Array.from({ length: rows[0]!.length }, (_, column) => Float64Array.from(rows, (row) => row[column]!));
}

function covariance(a: readonly Float64Array[], b: readonly Float64Array[], count: number): Matrix {
  return new Matrix(a.map((x) => b.map((y) => dot(x, y) / count)));
}

/** `(S + share · mean(diag S) · I)^(−1/2)`; directions without variance get none. */
function inverseSquareRoot(matrix: Matrix, share: number): Matrix {
  const ridge = share * (matrix.trace() / matrix.rows);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  const least = 1e-12 * Math.max(...realEigenvalues);
  const scales = realEigenvalues.map((value) => (value > least ? 1 / Math.sqrt(value + ridge) : 0));
  return eigenvectorMatrix.mmul(Matrix.diag(scales)).mmul(eigenvectorMatrix.transpose());
}
