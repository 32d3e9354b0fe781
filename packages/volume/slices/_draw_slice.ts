import type { SliceImage } from "../slice_image.ts";
import { finiteAtPercents } from "./_percentiles.ts";

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
  const { pixels } = image;
  const data = new Uint8Array(height * width);
  const range = white - black || Infinity;
  const [rows, columns] = [neighbours(image.height, height), neighbours(image.width, width)];
  for (let row = 0; row < height; row++) {
    const top = rows.first[row]! * image.width;
    const bottom = rows.second[row]! * image.width;
    const down = rows.share[row]!;
    for (let column = 0; column < width; column++) {
      const left = columns.first[column]!;
      const right = columns.second[column]!;
      const across = columns.share[column]!;
      const upper = pixels[top + left]! * (1 - across) + pixels[top + right]! * across;
      const lower = pixels[bottom + left]! * (1 - across) + pixels[bottom + right]! * across;
      const share = (upper * (1 - down) + lower * down - black) / range;
      data[row * width + column] = Math.round(255 * Math.min(1, Math.max(0, share)));
    }
  }
  return { width, height, data };
}

/** Between which two of `extent` pixels each of `count` lies along one axis, and the share of the second. */
function neighbours(
  extent: number,
  count: number,
): { readonly first: Int32Array; readonly second: Int32Array; readonly share: Float64Array } {
  const [first, second, share] = [new Int32Array(count), new Int32Array(count), new Float64Array(count)];
  for (let place = 0; place < count; place++) {
    const at = ((place + 0.5) * extent) / count - 0.5;
    first[place] = Math.min(extent - 1, Math.max(0, Math.floor(at)));
    second[place] = Math.min(extent - 1, first[place]! + 1);
    share[place] = Math.min(1, Math.max(0, at - first[place]!));
  }
  return { first, second, share };
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
  return finiteAtPercents(pixels, [low, high]);
}
