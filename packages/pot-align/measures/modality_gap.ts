/**
 * Measures the modality gap: the distance between the centroids of two sets of unit vectors (Liang et al. 2022).
 *
 * @param a `[rows, width]` in C order, rows of any length; normalised inside.
 * @param b `[rows, width]` in C order, of as many or other rows.
 * @param width Length of a row.
 * @returns Euclidean distance of the centroids, in [0, 2].
 * @throws RangeError when an array holds no whole number of rows.
 */
export function modalityGap(a: Float32Array, b: Float32Array, width: number): number {
  const [left, right] = [centroid(a, width), centroid(b, width)];
  return Math.hypot(...left.map((value, column) => value - right[column]!));
}

function centroid(rows: Float32Array, width: number): Float64Array {
  const count = rows.length / width;
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot measure the modality gap: rows are broken: got ${rows.length} values, expected a multiple of ${width}.`,
    );
  }
  const mean = new Float64Array(width);
  for (let row = 0; row < count; row++) {
    const values = rows.subarray(row * width, (row + 1) * width);
    const length = Math.hypot(...values) || 1;
    values.forEach((value, column) => mean[column]! += value / length / count);
  }
  return mean;
}
