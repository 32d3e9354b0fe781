import { encode } from "fast-png";
import { PLANES, type SliceImage } from "../slice_image.ts";
import type { Volume } from "../volume.ts";
import { drawLabels, drawSlice, percentileRange, rasterSize } from "./_draw_slice.ts";
import { extractSlice, NORMAL_AXIS } from "./extract_slice.ts";

/** Options of {@linkcode renderPlanesPng}. */
export interface RenderPlanesOptions {
  /** Width of the whole picture in pixels, of 16…8192, give or take two for rounding. Default 768. */
  readonly maxPixels?: number;
  /** Whether voxels are labels: each value gets a colour of its own, 0 is black. Default false. */
  readonly labels?: boolean;
  /** Voxel `[depth, height, width]` that the three planes go through. Default: the middle; of labels, where most are. */
  readonly at?: readonly [number, number, number];
  /** Percentiles over all three planes that are shown as black and white. Default [0.5, 99.5]. */
  readonly percentiles?: readonly [number, number];
}

const GAP_PIXELS = 4;

/**
 * Renders the axial, coronal and sagittal slice through a voxel side by side, at one scale in millimetres, each laid out as a
 * radiologist sees it ({@linkcode SliceImage}).
 *
 * @param volume A scan in RAS+ order, as `toCanonical` returns it; stays the caller's.
 * @param options Size, position and whether voxels are labels.
 * @returns The PNG's bytes, 8-bit RGB: pixels only, no text chunks.
 * @throws RangeError when the volume is not canonical or an option is out of range.
 */
export function renderPlanesPng(volume: Volume, options: RenderPlanesOptions = {}): Uint8Array {
  const { maxPixels = 768, labels = false, percentiles = [0.5, 99.5] } = options;
  if (!Number.isInteger(maxPixels) || maxPixels < 16 || maxPixels > 8192) {
    throw new RangeError(
      `Cannot render planes: maxPixels is out of range: got ${maxPixels}, expected an integer of 16…8192. Give the width.`,
    );
  }
  const at = options.at ?? (labels ? fullestPlanes(volume) : volume.shape.map((extent) => extent >> 1));
  const slices = PLANES.map((plane) => extractSlice(volume, plane, at[NORMAL_AXIS[plane]]!).image);
  const widthMm = slices.reduce((sum, { width, spacingMm }) => sum + width * spacingMm[1], 0);
  const tallestMm = Math.max(...slices.map(({ height, spacingMm }) => height * spacingMm[0]));
  const pixelsPerMm = Math.min((maxPixels - 2 * GAP_PIXELS) / widthMm, maxPixels / tallestMm);
  const sizes = slices.map((image) => rasterSize(image, pixelsPerMm));
  const height = Math.max(...sizes.map((size) => size.height));
  const width = sizes.reduce((sum, size) => sum + size.width, 2 * GAP_PIXELS);
  const data = new Uint8Array(width * height * 3);
  const draw = labels ? colours(pixelsPerMm) : greys(slices, { pixelsPerMm, percentiles });
  let left = 0;
  for (const [index, image] of slices.entries()) {
    const size = sizes[index]!;
    const top = (height - size.height) >> 1;
    const pixels = draw(image);
    for (let row = 0; row < size.height; row++) {
      const part = pixels.subarray(row * size.width * 3, (row + 1) * size.width * 3);
      data.set(part, ((top + row) * width + left) * 3);
    }
    left += size.width + GAP_PIXELS;
  }
  return encode({ width, height, data, channels: 3, depth: 8 });
}

function greys(
  slices: readonly SliceImage[],
  { pixelsPerMm, percentiles }: { readonly pixelsPerMm: number; readonly percentiles: readonly [number, number] },
): (image: SliceImage) => Uint8Array {
  const all = new Float32Array(slices.reduce((sum, { pixels }) => sum + pixels.length, 0));
  let at = 0;
  for (const { pixels } of slices) {
    all.set(pixels, at);
    at += pixels.length;
  }
  const [black, white] = percentileRange(all, percentiles);
  return (image) => {
    const { data } = drawSlice(image, { pixelsPerMm, black, white });
    return Uint8Array.from({ length: data.length * 3 }, (_, index) => data[Math.floor(index / 3)]!);
  };
}

function colours(pixelsPerMm: number): (image: SliceImage) => Uint8Array {
  return (image) => {
    const { data } = drawLabels(image, pixelsPerMm);
    const pixels = new Uint8Array(data.length * 3);
    data.forEach((value, index) => pixels.set(colourOf(value), index * 3));
    return pixels;
  };
}

/** Black for 0; else a hue that lies far from those of the neighbouring values (golden angle), bright enough to see. */
function colourOf(value: number): readonly [number, number, number] {
  if (!(Math.abs(value) > 0)) return [0, 0, 0];
  const hue = ((value * 137.508) % 360 + 360) % 360;
  const channel = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (0.6 - 0.4 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

/** The slice along each array axis that has most labelled voxels. */
function fullestPlanes({ data, shape }: Volume): readonly number[] {
  const counts = shape.map((extent) => new Float64Array(extent));
  const [, height, width] = shape;
  for (let index = 0; index < data.length; index++) {
    if (!(Math.abs(data[index]!) > 0)) continue;
    counts[0]![Math.floor(index / (height * width))]!++;
    counts[1]![Math.floor(index / width) % height]!++;
    counts[2]![index % width]!++;
  }
  return counts.map((along) => {
    const most = Math.max(...along);
    return most === 0 ? along.length >> 1 : along.indexOf(most);
  });
}
