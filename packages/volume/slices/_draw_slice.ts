import type { SliceImage } from "../slice_image.ts";

/** A grey picture, or one of label values, row 0 on top. */
export interface Raster<Pixels extends Uint8Array | Float32Array> {
  readonly width: number;
  readonly height: number;
  readonly data: Pixels;
}

/** Width and height in pixels of a slice at a scale, at least one each. */
export function rasterSize(image: SliceImage, pixelsPerMm: number): { width: number; height: number } {
  return {
    height: Math.max(1, Math.round(image.height * image.spacingMm[0] * pixelsPerMm)),
    width: Math.max(1, Math.round(image.width * image.spacingMm[1] * pixelsPerMm)),
  };
}

/** Draws a slice in 8-bit grey with square pixels: bilinear with half-pixel centres. What is not a number is black. */
export function drawSlice(
  image: SliceImage,
  { pixelsPerMm, black, white }: { readonly pixelsPerMm: number; readonly black: number; readonly white: number },
): Raster<Uint8Array<ArrayBuffer>> {
  const { width, height } = rasterSize(image, pixelsPerMm);
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
  return { width, height, data };
}

/** Draws a slice of labels with square pixels: every pixel has the value of the voxel that it lies in. */
export function drawLabels(image: SliceImage, pixelsPerMm: number): Raster<Float32Array<ArrayBuffer>> {
  const { width, height } = rasterSize(image, pixelsPerMm);
  const data = new Float32Array(height * width);
  for (let row = 0; row < height; row++) {
    const y = Math.min(image.height - 1, Math.floor(((row + 0.5) * image.height) / height));
    for (let column = 0; column < width; column++) {
      const x = Math.min(image.width - 1, Math.floor(((column + 0.5) * image.width) / width));
      data[row * width + column] = image.pixels[y * image.width + x]!;
    }
  }
  return { width, height, data };
}

/** The values at two percentiles of the finite ones, [0, 0] where there are none. */
export function percentileRange(pixels: Float32Array, [low, high]: readonly [number, number]): [number, number] {
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
