/** Weights with which source samples make one target sample. */
interface Taps {
  readonly first: number;
  readonly weights: Float64Array;
}

/**
 * Resamples an image into a square centred on its field of view, whose side is the field's longer side in millimetres, with square
 * pixels. A triangle filter as wide as a target pixel (at least a source pixel) averages on the way down and interpolates on the way up;
 * beyond the field lies `outside`.
 */
export function resampleToSquare(
  { pixels, width, height, spacingMm }: {
    readonly pixels: Float32Array;
    readonly width: number;
    readonly height: number;
    readonly spacingMm: readonly [number, number];
  },
  size: number,
  outside: number,
): Float32Array {
  const side = Math.max(height * spacingMm[0], width * spacingMm[1]);
  const rowTaps = tapsOf(height, spacingMm[0], { size, side });
  const columnTaps = tapsOf(width, spacingMm[1], { size, side });
  const rows = new Float32Array(height * size); // columns first: [height, size]
  for (let row = 0; row < height; row++) {
    columnTaps.forEach((taps, column) => {
      let sum = 0;
      let total = 0;
      for (let k = 0; k < taps.weights.length; k++) {
        sum += taps.weights[k]! * pixels[row * width + taps.first + k]!;
        total += taps.weights[k]!;
      }
      rows[row * size + column] = sum + (1 - total) * outside;
    });
  }
  const result = new Float32Array(size * size);
  rowTaps.forEach((taps, row) => {
    for (let column = 0; column < size; column++) {
      let sum = 0;
      let total = 0;
      for (let k = 0; k < taps.weights.length; k++) {
        sum += taps.weights[k]! * rows[(taps.first + k) * size + column]!;
        total += taps.weights[k]!;
      }
      result[row * size + column] = sum + (1 - total) * outside;
    }
  });
  return result;
}

/** Weights that sum to 1 inside the field, to less across its edge, to 0 beyond it. */
function tapsOf(count: number, spacing: number, { size, side }: { size: number; side: number }): Taps[] {
  const target = side / size;
  const reach = Math.max(target, spacing);
  const start = (side - count * spacing) / 2;
  return Array.from({ length: size }, (_, index): Taps => {
    const center = (index + 0.5) * target - start; // in millimetres from the field's edge
    const first = Math.max(0, Math.ceil((center - reach) / spacing - 0.5));
    const last = Math.min(count - 1, Math.floor((center + reach) / spacing - 0.5));
    if (center <= 0 || center >= count * spacing || last < first) return { first: 0, weights: new Float64Array(0) };
    const weights = Float64Array.from(
      { length: last - first + 1 },
      (_, k) => Math.max(0, 1 - Math.abs((first + k + 0.5) * spacing - center) / reach),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}
