import type { SliceImage } from "@med3d/volume";
import { quantile } from "../../measure/_statistics.ts";
import { checkSlice } from "../../measure/measure_slice.ts";
import type { EncoderWindow } from "./encoder_settings.ts";
import type { PictureSettings } from "./_picture_settings.ts";
import { type GreyPicture, resizeBytes } from "./_resize_bytes.ts";

/** Sides of a slice that differ more make a picture that is too long to hold. */
const MAX_ASPECT = 100;

/**
 * Turns a slice into the 8-bit grey picture that a model was trained to see: windowed, resized as Pillow does, cropped.
 *
 * Where the shorter side is brought to a size and the longer follows, it does so in millimetres: pixels that are not square become square.
 *
 * @throws RangeError when the slice is malformed or a pixel is not finite.
 */
export function toPicture(slice: SliceImage, settings: PictureSettings, window: EncoderWindow): GreyPicture {
  checkSlice(slice);
  const { size, crop, filter } = settings;
  const picture: GreyPicture = { pixels: toBytes(slice.pixels, window), width: slice.width, height: slice.height };
  const resized = resizeBytes(picture, { ...targetOf(slice, size), filter });
  return crop ? cropCentre(resized, crop, settings.roundsCropToEven) : resized;
}

/**
 * Writes a picture as the model takes it: three equal channels, each value scaled, less the mean, by the deviation.
 *
 * @param into `[3, height, width]` in C order.
 */
export function writeChannels(
  { pixels }: GreyPicture,
  { rescale, mean, deviation }: PictureSettings,
  into: Float32Array,
): void {
  for (let channel = 0; channel < 3; channel++) {
    const table = Float32Array.from(
      { length: 256 },
      (_, value) => (value * rescale - mean[channel]!) / deviation[channel]!,
    );
    const start = channel * pixels.length;
    for (let index = 0; index < pixels.length; index++) into[start + index] = table[pixels[index]!]!;
  }
}

function toBytes(pixels: Float32Array, window: EncoderWindow): Uint8Array {
  let black: number;
  let white: number;
  if ("percentiles" in window) {
    const sorted = pixels.toSorted();
    [black, white] = [quantile(sorted, window.percentiles[0] / 100), quantile(sorted, window.percentiles[1] / 100)];
  } else {
    [black, white] = [window.center - window.width / 2, window.center + window.width / 2];
  }
  const range = white > black ? white - black : Infinity;
  return Uint8Array.from(pixels, (value) => Math.floor(255 * Math.min(1, Math.max(0, (value - black) / range)) + 0.5));
}

function targetOf(
  { width, height, spacingMm }: SliceImage,
  size: PictureSettings["size"],
): { width: number; height: number } {
  if ("height" in size) return size;
  const short = size.shortestEdge;
  const columns = width * (spacingMm[1] / spacingMm[0]); // as many as if pixels were as wide as they are high
  if (Math.max(columns / height, height / columns) > MAX_ASPECT) {
    throw new RangeError(
      `Cannot encode slice: it is a strip: got ${height} × ${width} pixels of [${spacingMm}] mm, expected sides that differ less ` +
        `than ${MAX_ASPECT}-fold. Leave such slices out.`,
    );
  }
  return columns < height
    ? { width: short, height: Math.floor((short * height) / columns) }
    : { width: Math.floor((short * columns) / height), height: short };
}

function cropCentre(
  { pixels, width, height }: GreyPicture,
  crop: { readonly width: number; readonly height: number },
  roundsToEven: boolean,
): GreyPicture {
  const start = (extent: number, wanted: number): number => {
    const half = (extent - wanted) / 2;
    const below = Math.floor(half);
    return roundsToEven && half !== below && below % 2 !== 0 ? below + 1 : below;
  };
  const [top, left] = [start(height, crop.height), start(width, crop.width)];
  const cut = new Uint8Array(crop.width * crop.height);
  for (let row = 0; row < crop.height; row++) {
    for (let column = 0; column < crop.width; column++) {
      const [y, x] = [row + top, column + left];
      if (y >= 0 && y < height && x >= 0 && x < width) cut[row * crop.width + column] = pixels[y * width + x]!;
    }
  }
  return { pixels: cut, ...crop };
}
