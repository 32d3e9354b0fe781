import { gaussianHalf } from "../geometry/_axis_plan.ts";

/** Columns that are worked on at once, so that a block of them stays in a processor's cache. */
const BLOCK = 256;

/**
 * Blurs voxels in place by a Gaussian along each axis; beyond the edges lies the mirror image about the outermost centres.
 *
 * @param sigmaVoxels Per axis, depth, height, width; 0 leaves the axis.
 */
export function blur(
  data: Float32Array,
  shape: readonly [number, number, number],
  sigmaVoxels: readonly [number, number, number],
): void {
  for (const axis of [0, 1, 2] as const) {
    if (sigmaVoxels[axis] === 0 || shape[axis] === 1) continue;
    const half = gaussianHalf(sigmaVoxels[axis]);
    if (axis === 2) blurAlongRows(data, shape[2], half);
    else blurAcrossRows(data, { size: shape[axis], inner: axis === 0 ? shape[1] * shape[2] : shape[2], half });
  }
}

/** Each row by itself, put between its mirror images. */
function blurAlongRows(data: Float32Array, size: number, half: Float64Array): void {
  const radius = half.length - 1;
  const padded = new Float64Array(size + 2 * radius);
  const sum = new Float64Array(size);
  const before = Int32Array.from(half, (_, reach) => radius - reach);
  const after = Int32Array.from(half, (_, reach) => radius + reach);
  for (let at = 0; at < data.length; at += size) {
    padded.set(data.subarray(at, at + size), radius);
    for (let i = 1; i <= radius; i++) {
      padded[radius - i] = padded[radius + mirrored(-i, size)]!;
      padded[radius + size - 1 + i] = padded[radius + mirrored(size - 1 + i, size)]!;
    }
    weigh(padded, sum, { half, before, after, width: size });
    data.set(sum, at);
  }
}

/** Rows of neighbouring columns together. */
function blurAcrossRows(
  data: Float32Array,
  { size, inner, half }: { readonly size: number; readonly inner: number; readonly half: Float64Array },
): void {
  const columns = Math.min(BLOCK, inner);
  const rows = new Float64Array(size * columns);
  const sum = new Float64Array(columns);
  const before = new Int32Array(half.length);
  const after = new Int32Array(half.length);
  for (let outer = 0; outer < data.length; outer += size * inner) {
    for (let start = 0; start < inner; start += columns) {
      const width = Math.min(columns, inner - start);
      for (let n = 0; n < size; n++) {
        const from = outer + n * inner + start;
        rows.set(data.subarray(from, from + width), n * width);
      }
      for (let n = 0; n < size; n++) {
        for (let reach = 0; reach < half.length; reach++) {
          before[reach] = mirrored(n - reach, size) * width;
          after[reach] = mirrored(n + reach, size) * width;
        }
        weigh(rows, sum, { half, before, after, width });
        data.set(sum.subarray(0, width), outer + n * inner + start);
      }
    }
  }
}

/** Sums what lies before and after by the Gaussian's weights, for `width` neighbours at once. */
function weigh(
  from: Float64Array,
  sum: Float64Array,
  options: {
    readonly half: Float64Array;
    readonly before: Int32Array;
    readonly after: Int32Array;
    readonly width: number;
  },
): void {
  const { half, before, after, width } = options;
  const [centre, middle] = [half[0]!, before[0]!];
  for (let i = 0; i < width; i++) sum[i] = centre * from[middle + i]!;
  for (let reach = 1; reach < half.length; reach++) {
    const weight = half[reach]!, low = before[reach]!, high = after[reach]!;
    for (let i = 0; i < width; i++) sum[i] = sum[i]! + weight * (from[low + i]! + from[high + i]!);
  }
}

/** Index within an axis of an index beyond it, turned back at the outermost centres. */
function mirrored(index: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const place = Math.abs(index) % period;
  return place < size ? place : period - place;
}
