/** A point, voxel index or set of per-axis values in the affine's order: (width, height, depth) or (R, A, S). */
export type Triple = readonly [number, number, number];

/** The 4×4 identity: 1 mm voxels, first voxel at the origin, axes towards right, anterior and superior. */
export const IDENTITY_AFFINE: Float64Array = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);

/**
 * Multiplies two affines: applying the product is applying `b`, then `a`.
 *
 * @param a 4×4 row-major.
 * @param b 4×4 row-major.
 * @returns `a · b`, 4×4 row-major.
 */
export function multiplyAffines(a: Float64Array, b: Float64Array): Float64Array {
  const product = new Float64Array(16);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[row * 4 + k]! * b[k * 4 + column]!;
      product[row * 4 + column] = sum;
    }
  }
  return product;
}

/**
 * Inverts an affine.
 *
 * @param affine 4×4 row-major with last row 0 0 0 1.
 * @returns The inverse, 4×4 row-major.
 * @throws RangeError when the affine cannot be inverted.
 */
export function invertAffine(affine: Float64Array): Float64Array {
  if (!isFiniteInvertible(affine)) {
    throw new RangeError(
      `Cannot invert affine: it is singular or not finite: got [${Array.from(affine)}], expected three independent ` +
        `columns. Correct the scan's header.`,
    );
  }
  const linear = invert3(linearPart(affine));
  const inverse = new Float64Array(16);
  for (let row = 0; row < 3; row++) {
    let shift = 0;
    for (let column = 0; column < 3; column++) {
      const value = linear[row * 3 + column]!;
      inverse[row * 4 + column] = value;
      shift -= value * affine[column * 4 + 3]!;
    }
    inverse[row * 4 + 3] = shift;
  }
  inverse[15] = 1;
  return inverse;
}

/**
 * Applies an affine to a point.
 *
 * @param affine 4×4 row-major.
 * @param point Voxel index (width, height, depth), fractions allowed.
 * @returns The point in the world, RAS+ millimetres.
 */
export function applyAffine(affine: Float64Array, point: Triple): [number, number, number] {
  const [x, y, z] = point;
  const row = (r: number) => affine[r]! * x + affine[r + 1]! * y + affine[r + 2]! * z + affine[r + 3]!;
  return [row(0), row(4), row(8)];
}

/**
 * Measures the voxel edges.
 *
 * @param affine 4×4 row-major.
 * @returns Column norms in millimetres, in the affine's order (width, height, depth).
 */
export function columnNorms(affine: Float64Array): [number, number, number] {
  const norm = (column: number) => Math.hypot(affine[column]!, affine[4 + column]!, affine[8 + column]!);
  return [norm(0), norm(1), norm(2)];
}

/**
 * Makes the affine of a grid that runs along the same axes with another step and start.
 *
 * @param affine 4×4 row-major of the old grid.
 * @param scale New voxels per old step: old index = start + scale · new index, per axis (width, height, depth).
 * @param start Old index of the new grid's first voxel, fractions and negatives allowed, (width, height, depth).
 * @returns 4×4 row-major of the new grid.
 */
export function regridAffine(affine: Float64Array, scale: Triple, start: Triple): Float64Array {
  const step = Float64Array.of(
    ...[scale[0], 0, 0, start[0]],
    ...[0, scale[1], 0, start[1]],
    ...[0, 0, scale[2], start[2]],
    ...[0, 0, 0, 1],
  );
  return multiplyAffines(affine, step);
}

/**
 * Says whether an affine places voxels in space: 16 finite numbers, last row 0 0 0 1, columns not (nearly) in one plane.
 *
 * @param affine What was given as 4×4 row-major.
 * @returns Whether it can be inverted.
 */
export function isFiniteInvertible(affine: Float64Array): boolean {
  if (affine.length !== 16 || !affine.every(Number.isFinite)) return false;
  if (affine[12] !== 0 || affine[13] !== 0 || affine[14] !== 0 || affine[15] !== 1) return false;
  const norms = columnNorms(affine);
  if (norms.some((norm) => norm === 0 || !Number.isFinite(norm))) return false;
  const unit = linearPart(affine).map((value, i) => value / norms[i % 3]!);
  return Math.abs(determinant3(unit)) > 1e-8;
}

/** The upper left 3×3 of an affine, row-major. */
export function linearPart(affine: Float64Array): Float64Array {
  return Float64Array.of(
    ...affine.subarray(0, 3),
    ...affine.subarray(4, 7),
    ...affine.subarray(8, 11),
  );
}

/** Determinant of a 3×3 row-major matrix. */
export function determinant3(m: Float64Array): number {
  return m[0]! * (m[4]! * m[8]! - m[5]! * m[7]!) -
    m[1]! * (m[3]! * m[8]! - m[5]! * m[6]!) +
    m[2]! * (m[3]! * m[7]! - m[4]! * m[6]!);
}

/** Inverse of a 3×3 row-major matrix that is known to be regular. */
export function invert3(m: Float64Array): Float64Array {
  const [a, b, c, d, e, f, g, h, i] = m as unknown as [
    ...[number, number, number],
    ...[number, number, number],
    ...[number, number, number],
  ];
  const scale = 1 / determinant3(m);
  return Float64Array.of(
    ...[e * i - f * h, c * h - b * i, b * f - c * e],
    ...[f * g - d * i, a * i - c * g, c * d - a * f],
    ...[d * h - e * g, b * g - a * h, a * e - b * d],
  ).map((value) => value * scale);
}

/**
 * Finds the rotation (or rotation with reflection) nearest to a matrix: the orthogonal factor of its polar
 * decomposition, by Newton's iteration X ← (X + X⁻ᵀ)/2 (Higham 1986), which converges for every regular matrix.
 *
 * @param matrix 3×3 row-major, regular; columns of unit length keep it fast.
 * @returns 3×3 row-major orthogonal matrix, determinant ±1.
 */
export function nearestOrthogonal(matrix: Float64Array): Float64Array {
  let current = matrix;
  for (let iteration = 0; iteration < 60; iteration++) {
    const inverse = invert3(current);
    const next = current.map((value, i) => 0.5 * (value + inverse[(i % 3) * 3 + Math.floor(i / 3)]!));
    const change = next.reduce((most, value, i) => Math.max(most, Math.abs(value - current[i]!)), 0);
    current = next;
    if (change < 1e-15) break;
  }
  return current;
}
