import type { Plane, SliceImage } from "@med3d/volume";
import type { BodyOutline } from "./_body.ts";
import { placeOf } from "./_place.ts";
import { connectedRegions, maskWhere, measureForm } from "./_regions.ts";
import { quantile } from "./_statistics.ts";
import type { MeasuredFocus } from "./slice_measurements.ts";

/** What a focus must be to be reported. */
const LIMITS = {
  /** Differences above this many robust standard deviations of all differences stand out. */
  deviations: 3.5,
  /** Least difference as a share of the robust intensity range. */
  rangeShare: 0.12,
  /** Fewest pixels; fewer are noise. */
  pixels: 4,
  /** Largest diameter as a share of the body's shorter side. */
  sizeShare: 0.3,
  /** Greatest ratio of long to short axis: edges and folds are longer. */
  elongation: 2.5,
} as const;

/** Finds small compact regions that differ from the mean of their surroundings (a difference of boxes within the body). */
export function findFoci(
  { pixels, width, spacingMm }: SliceImage,
  body: BodyOutline,
  { plane, range, noise }: { plane: Plane; range: number; noise: number },
): MeasuredFocus[] {
  const { mask, height, box } = body;
  if (!box || !(range > 0)) return [];
  const shorterPixels = Math.min(box.bottom - box.top + 1, box.right - box.left + 1);
  const shorterMm = Math.min((box.bottom - box.top + 1) * spacingMm[0], (box.right - box.left + 1) * spacingMm[1]);
  const mean = maskedMeans(pixels, mask, width);
  const surroundings = Math.max(3, Math.round(0.12 * shorterPixels));
  const differences = new Float32Array(pixels.length);
  const sizes = new Float32Array(body.count);
  let counted = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      if (mask[at] === 0) continue;
      differences[at] = mean(row, column, 1) - mean(row, column, surroundings);
      sizes[counted++] = Math.abs(differences[at]!);
    }
  }
  // The mean of nine pixels has a third of their noise, however even the rest is.
  const deviation = Math.max(quantile(sizes.sort(), 0.5) / 0.6745, noise / 3);
  const threshold = Math.max(LIMITS.deviations * deviation, LIMITS.rangeShare * range);
  return (["bright", "dark"] as const).flatMap((kind) => {
    const sign = kind === "bright" ? 1 : -1;
    const standing = maskWhere(differences, (value) => sign * value > threshold);
    return connectedRegions({ mask: standing, width, height }, 8).flatMap((region): MeasuredFocus[] => {
      if (region.pixels.length < LIMITS.pixels || touchesOutside(region.pixels, body)) return [];
      let peak = 0;
      for (const index of region.pixels) peak = Math.max(peak, sign * differences[index]!);
      const core = region.pixels.filter((index) => sign * differences[index]! >= peak / 2);
      const form = measureForm(core, width, spacingMm);
      if (form.elongation > LIMITS.elongation || form.diameterMm > LIMITS.sizeShare * shorterMm) return [];
      const difference = core.reduce((sum, index) => sum + differences[index]!, 0) / core.length;
      return [{
        kind,
        difference,
        differenceShare: difference / range,
        diameterMm: form.diameterMm,
        shape: form.shape,
        place: placeOf(form.centroid, box, plane),
      }];
    });
  }).sort((a, b) => Math.abs(b.difference) * b.diameterMm - Math.abs(a.difference) * a.diameterMm);
}

/** Whether a region reaches the rim of the body, where every mean is one-sided. */
function touchesOutside(region: Int32Array, { mask, width, height }: BodyOutline): boolean {
  return region.some((index) => {
    const row = Math.floor(index / width);
    const column = index - row * width;
    if (row === 0 || column === 0 || row === height - 1 || column === width - 1) return true;
    return !mask[index - 1] || !mask[index + 1] || !mask[index - width] || !mask[index + width];
  });
}

/** Means of the pixels under a mask in a square window about a pixel, in constant time by summed tables. */
function maskedMeans(
  pixels: Float32Array,
  mask: Uint8Array,
  width: number,
): (row: number, column: number, radius: number) => number {
  const height = pixels.length / width;
  const stride = width + 1;
  const sums = new Float64Array(stride * (height + 1));
  const counts = new Int32Array(sums.length);
  for (let row = 0; row < height; row++) {
    let [sum, count] = [0, 0];
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      if (mask[at] === 1) {
        sum += pixels[at]!;
        count++;
      }
      const to = (row + 1) * stride + column + 1;
      sums[to] = sums[to - stride]! + sum;
      counts[to] = counts[to - stride]! + count;
    }
  }
  return (row, column, radius) => {
    const top = Math.max(0, row - radius) * stride;
    const bottom = Math.min(height, row + radius + 1) * stride;
    const left = Math.max(0, column - radius);
    const right = Math.min(width, column + radius + 1);
    const count = counts[bottom + right]! - counts[top + right]! - counts[bottom + left]! + counts[top + left]!;
    return count === 0
      ? 0
      : (sums[bottom + right]! - sums[top + right]! - sums[bottom + left]! + sums[top + left]!) / count;
  };
}
