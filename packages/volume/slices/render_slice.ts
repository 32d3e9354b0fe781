import { encode } from "fast-png";
import type { SliceImage } from "../slice_image.ts";

/** Options of {@linkcode renderSlicePng}. */
export interface RenderSliceOptions {
  /** Intensities shown: `center ± width/2` from black to white, in the slice's own unit (HU in CT). */
  readonly window?: { readonly center: number; readonly width: number };
  /** Without a window, the percentiles shown as black and white. Default [0.5, 99.5]. */
  readonly percentiles?: readonly [number, number];
  /** Longer side of the picture in pixels. Default 256. */
  readonly maxPixels?: number;
}

/**
 * Renders a slice as an 8-bit grey PNG with square pixels, so that millimetres look alike in both directions.
 *
 * Bilinear with half-pixel centres, without smoothing before a reduction. A constant slice without a window is black, and so are
 * pixels that are not numbers.
 *
 * @param image Stays the caller's.
 * @returns The PNG's bytes: pixels only, no text chunks.
 * @throws RangeError when an option is out of range.
 */
export function renderSlicePng(image: SliceImage, options: RenderSliceOptions = {}): Uint8Array {
  const { window, percentiles = [0.5, 99.5], maxPixels = 256 } = options;
  if (!Number.isInteger(maxPixels) || maxPixels < 1 || maxPixels > 8192) {
    throw new RangeError(
      `Cannot render a slice: maxPixels is out of range: got ${maxPixels}, expected an integer of 1…8192.`,
    );
  }
  if (window && !(window.width > 0 && Number.isFinite(window.center))) {
    throw new RangeError(
      `Cannot render a slice: the window is out of range: got center ${window.center} and width ${window.width}, expected a positive width.`,
    );
  }
  const [black, white] = window
    ? [window.center - window.width / 2, window.center + window.width / 2]
    : percentileRange(image.pixels, percentiles);
  const heightMm = image.height * image.spacingMm[0];
  const widthMm = image.width * image.spacingMm[1];
  const scale = maxPixels / Math.max(heightMm, widthMm);
  const height = Math.max(1, Math.round(heightMm * scale));
  const width = Math.max(1, Math.round(widthMm * scale));
  const data = new Uint8Array(height * width);
  const range = white - black || Infinity;
  for (let row = 0; row < height; row++) {
    const y = ((row + 0.5) * image.height) / height - 0.5;
    for (let column = 0; column < width; column++) {
      const x = ((column + 0.5) * image.width) / width - 0.5;
      const share = (bilinear(image, y, x) - black) / range;
      data[row * width + column] = Math.round(255 * Math.min(1, Math.max(0, share)));
    }
  }
  return encode({ width, height, data, channels: 1, depth: 8 });
}

function bilinear({ pixels, width, height }: SliceImage, y: number, x: number): number {
  const top = Math.min(height - 1, Math.max(0, Math.floor(y)));
  const left = Math.min(width - 1, Math.max(0, Math.floor(x)));
  const bottom = Math.min(height - 1, top + 1);
  const right = Math.min(width - 1, left + 1);
  const down = Math.min(1, Math.max(0, y - top));
  const across = Math.min(1, Math.max(0, x - left));
  const upper = pixels[top * width + left]! * (1 - across) + pixels[top * width + right]! * across;
  const lower = pixels[bottom * width + left]! * (1 - across) + pixels[bottom * width + right]! * across;
  return upper * (1 - down) + lower * down;
}

function percentileRange(pixels: Float32Array, [low, high]: readonly [number, number]): [number, number] {
  if (!(low >= 0 && high <= 100 && low < high)) {
    throw new RangeError(
      `Cannot render a slice: percentiles are out of range: got ${low} and ${high}, expected 0 ≤ low < high ≤ 100.`,
    );
  }
  const sorted = pixels.filter(Number.isFinite).sort();
  if (sorted.length === 0) return [0, 0];
  const at = (percent: number): number => sorted[Math.round((percent / 100) * (sorted.length - 1))]!;
  return [at(low), at(high)];
}
