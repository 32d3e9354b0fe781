/** Value at a share (0…1) of an ascending array, linear between neighbours (numpy's default); 0 for an empty one. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  return low + (place - below) * (sorted[Math.min(below + 1, sorted.length - 1)]! - low);
}

/** Pixels under a mask, ascending. */
export function sortedUnder(pixels: Float32Array, mask: Uint8Array): Float32Array {
  const kept = new Float32Array(pixels.length);
  let count = 0;
  for (let index = 0; index < pixels.length; index++) if (mask[index] === 1) kept[count++] = pixels[index]!;
  return kept.subarray(0, count).sort();
}

/**
 * Two thresholds that cut a histogram of values into three classes with the greatest variance between them (multi-level
 * Otsu), searched exhaustively over 64 bins.
 *
 * @returns Lower and upper threshold; values on or above a threshold belong to the class above. Both equal `low` when all values
 * are alike.
 */
export function otsuThresholds(values: ArrayLike<number>, low: number, high: number): [number, number] {
  const BINS = 64;
  if (!(high > low)) return [low, low];
  const weight = new Float64Array(BINS + 1); // cumulative counts and sums, so that a class costs two look-ups
  const moment = new Float64Array(BINS + 1);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor(((values[i]! - low) / (high - low)) * BINS);
    weight[Math.min(BINS - 1, Math.max(0, bin)) + 1]!++;
  }
  for (let bin = 0; bin < BINS; bin++) {
    moment[bin + 1] = moment[bin]! + weight[bin + 1]! * (bin + 0.5);
    weight[bin + 1]! += weight[bin]!;
  }
  const between = (from: number, to: number): number => {
    const count = weight[to]! - weight[from]!;
    return count > 0 ? (moment[to]! - moment[from]!) ** 2 / count : 0;
  };
  let best = -1;
  // An empty stretch of the histogram gives equal scores all along: the threshold goes to its middle.
  let [first, second, ties] = [0, 0, 1];
  for (let i = 1; i < BINS - 1; i++) {
    for (let j = i + 1; j < BINS; j++) {
      const score = between(0, i) + between(i, j) + between(j, BINS);
      if (score > best * (1 + 1e-12)) [best, first, second, ties] = [score, i, j, 1];
      else if (score >= best * (1 - 1e-12)) [first, second, ties] = [first + i, second + j, ties + 1];
    }
  }
  const step = (high - low) / BINS;
  return [low + (first / ties) * step, low + (second / ties) * step];
}
