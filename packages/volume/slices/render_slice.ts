import type { SliceImage } from "../slice_image.ts";
import { drawSlice, percentileRange } from "./_draw_slice.ts";
import { encodeGreyPng } from "./_encode_grey_png.ts";

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
  const longerMm = Math.max(image.height * image.spacingMm[0], image.width * image.spacingMm[1]);
  return encodeGreyPng(drawSlice(image, { pixelsPerMm: maxPixels / longerMm, black, white }));
}
