import type { Modality, SliceImage } from "@med3d/volume";
import { connectedRegions, maskWhere, type PixelBox, type SliceMask } from "./_regions.ts";
import { quantile } from "./_statistics.ts";

/** The body's outline, holes filled. */
export interface BodyOutline extends SliceMask {
  /** Bounding box; absent where there is no body. */
  readonly box?: PixelBox;
  /** Pixels inside. */
  readonly count: number;
  /** Whether dark surroundings were told from the body. */
  readonly hasSurroundings: boolean;
}

/** Below this HU lies the air around a patient. */
const CT_SURFACE_HU = -400;
/** Regions smaller than this share of the field of view are no part of the body. */
const MIN_SHARE = 0.01;
/** A border pixel is dark below this share of the robust intensity range. */
const DARK_SHARE = 0.15;
/** Share of the border that must be dark for surroundings to be seen. */
const DARK_BORDER_SHARE = 0.2;

/** Tells the body from what surrounds it: in CT by HU, else by what is dark along the border of the field of view. */
export function outlineBody({ pixels, width, height }: SliceImage, modality: Modality): BodyOutline {
  const surface = modality === "CT" ? CT_SURFACE_HU : darkSurface(pixels, width, height);
  if (surface === undefined) {
    const mask = new Uint8Array(pixels.length).fill(1);
    const box = { top: 0, bottom: height - 1, left: 0, right: width - 1 };
    return { mask, width, height, box, count: pixels.length, hasSurroundings: false };
  }
  const tissue = { mask: maskWhere(pixels, (value) => value > surface), width, height };
  const mask = new Uint8Array(pixels.length);
  for (const region of connectedRegions(tissue, 8)) {
    if (region.pixels.length < MIN_SHARE * pixels.length) continue;
    for (const index of region.pixels) mask[index] = 1;
  }
  fillHoles(mask, width, height);
  let [top, bottom, left, right, count] = [height, -1, width, -1, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (mask[row * width + column] === 0) continue;
      count++;
      top = Math.min(top, row);
      bottom = row;
      left = Math.min(left, column);
      right = Math.max(right, column);
    }
  }
  const hasSurroundings = count < pixels.length;
  return { mask, width, height, count, hasSurroundings, ...(count > 0 ? { box: { top, bottom, left, right } } : {}) };
}

/** Fills what does not reach the border: lungs, bowel gas, dark fluid. */
function fillHoles(mask: Uint8Array, width: number, height: number): void {
  const outside = maskWhere(mask, (value) => value === 0);
  for (const { pixels, top, bottom, left, right } of connectedRegions({ mask: outside, width, height }, 4)) {
    if (top === 0 || left === 0 || bottom === height - 1 || right === width - 1) continue;
    for (const index of pixels) mask[index] = 1;
  }
}

/** The intensity above which a pixel is body, or nothing where the border is not dark: the body then fills the field. */
function darkSurface(pixels: Float32Array, width: number, height: number): number | undefined {
  const sorted = pixels.toSorted();
  const [low, high] = [sorted[0]!, quantile(sorted, 0.99)];
  const border: number[] = [];
  for (let column = 0; column < width; column++) border.push(pixels[column]!, pixels[(height - 1) * width + column]!);
  for (let row = 1; row < height - 1; row++) border.push(pixels[row * width]!, pixels[(row + 1) * width - 1]!);
  const dark = border.filter((value) => value <= low + DARK_SHARE * (high - low));
  if (dark.length < DARK_BORDER_SHARE * border.length || !(high > low)) return undefined;
  const mean = dark.reduce((sum, value) => sum + value, 0) / dark.length;
  const deviation = Math.sqrt(dark.reduce((sum, value) => sum + (value - mean) ** 2, 0) / dark.length);
  return Math.max(mean + 4 * deviation, low + 0.05 * (high - low));
}
