import type { SparseRow } from "./tfidf.ts";

/** Inner product of vectors of equal length. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** Adds `scale · from` to `to`, in place. */
export function addScaled(to: Float64Array, from: Float64Array, scale: number): void {
  for (let index = 0; index < to.length; index++) to[index]! += scale * from[index]!;
}

/** Mean of vectors of equal length; there must be at least one. */
export function meanVector(vectors: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) addScaled(mean, vector, 1 / vectors.length);
  return mean;
}

/** A matrix known by what it does to vectors. */
export interface LinearMap {
  readonly rows: number;
  readonly columns: number;
  /** Matrix times a vector of `columns` numbers. */
  apply(vector: Float64Array): Float64Array;
  /** Transposed matrix times a vector of `rows` numbers. */
  applyTransposed(vector: Float64Array): Float64Array;
}

/** The matrix whose rows are given. */
export function denseMap(rows: readonly Float64Array[], columns: number): LinearMap {
  return {
    rows: rows.length,
    columns,
    apply: (vector) => Float64Array.from(rows, (row) => dot(row, vector)),
    applyTransposed: (vector) => {
      const result = new Float64Array(columns);
      rows.forEach((row, index) => addScaled(result, row, vector[index]!));
      return result;
    },
  };
}

/** The matrix whose sparse rows are given. */
export function sparseMap(rows: readonly SparseRow[], columns: number): LinearMap {
  return {
    rows: rows.length,
    columns,
    apply: (vector) => Float64Array.from(rows, (row) => sparseDot(row, vector)),
    applyTransposed: (vector) => {
      const result = new Float64Array(columns);
      rows.forEach((row, index) => {
        for (let k = 0; k < row.columns.length; k++) result[row.columns[k]!]! += row.values[k]! * vector[index]!;
      });
      return result;
    },
  };
}

/** Inner product of a sparse row and a vector. */
export function sparseDot({ columns, values }: SparseRow, vector: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < columns.length; k++) sum += values[k]! * vector[columns[k]!]!;
  return sum;
}

/**
 * Makes vectors orthonormal in their order (modified Gram–Schmidt, done twice for accuracy); those that depend on earlier ones are
 * left out. The given vectors are overwritten.
 */
export function orthonormalise(vectors: readonly Float64Array[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    const before = Math.sqrt(dot(vector, vector));
    for (let pass = 0; pass < 2; pass++) {
      for (const axis of basis) addScaled(vector, axis, -dot(axis, vector));
    }
    const length = Math.sqrt(dot(vector, vector));
    if (!(length > 1e-10 * before)) continue;
    for (let index = 0; index < vector.length; index++) vector[index]! /= length;
    basis.push(vector);
  }
  return basis;
}
