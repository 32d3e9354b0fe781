import { sideOf } from "./_place.ts";
import type { PixelBox } from "./_regions.ts";
import type { MeasuredSymmetry } from "./slice_measurements.ts";

/** Least difference of the sides' means, in standard deviations, for one side to be called brighter. */
const BRIGHTER = 0.1;

/** Compares the body's box with its mirror image about the vertical line through its middle; values are clipped first. */
export function measureSymmetry(
  pixels: Float32Array,
  width: number,
  { box, range: [low, high] }: { box: PixelBox; range: readonly [number, number] },
): MeasuredSymmetry {
  const { top, bottom, left, right } = box;
  let [sum, squares, products, viewerLeft, viewerRight] = [0, 0, 0, 0, 0];
  const clip = (value: number): number => Math.min(high, Math.max(low, value)) - low;
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const value = clip(pixels[row * width + column]!);
      sum += value;
      squares += value * value;
      products += value * clip(pixels[row * width + left + right - column]!);
      if (2 * column < left + right) viewerLeft += value;
      else if (2 * column > left + right) viewerRight += value;
    }
  }
  const rows = bottom - top + 1;
  const columns = right - left + 1;
  const count = rows * columns;
  const mean = sum / count;
  const variance = squares / count - mean * mean;
  if (!(variance > 1e-9 * Math.max(1, mean * mean))) return { correlation: 1 };
  const correlation = Math.max(-1, Math.min(1, (products / count - mean * mean) / variance));
  const difference = (viewerRight - viewerLeft) / (rows * Math.floor(columns / 2)) / Math.sqrt(variance);
  return Math.abs(difference) >= BRIGHTER
    ? { correlation, brighterSide: sideOf(difference < 0 ? -1 : 1) }
    : { correlation };
}
