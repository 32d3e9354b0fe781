import type { RegionShape } from "./slice_measurements.ts";

/** A mask over a slice: 1 inside, 0 outside, `[height, width]`. */
export interface SliceMask {
  readonly mask: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Marks where values meet a condition; a plain loop, many times faster than `Uint8Array.from` with a callback. */
export function maskWhere(values: Float32Array | Uint8Array, meets: (value: number) => boolean): Uint8Array {
  const mask = new Uint8Array(values.length);
  for (let index = 0; index < values.length; index++) if (meets(values[index]!)) mask[index] = 1;
  return mask;
}

/** Bounding box in pixels, ends inclusive. */
export interface PixelBox {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** A connected region: its pixels' indices and its box. */
export interface PixelRegion extends PixelBox {
  readonly pixels: Int32Array;
}

/** Finds the connected regions of a mask (4 or 8 neighbours), in the order of their first pixel. */
export function connectedRegions({ mask, width, height }: SliceMask, neighbours: 4 | 8): PixelRegion[] {
  const stride = width + 2; // a rim of zeros spares the search every look at the borders
  const open = new Uint8Array(stride * (height + 2));
  for (let row = 0; row < height; row++) {
    open.set(mask.subarray(row * width, (row + 1) * width), (row + 1) * stride + 1);
  }
  const straight = [-stride, -1, 1, stride];
  const steps = neighbours === 4 ? straight : [...straight, -stride - 1, -stride + 1, stride - 1, stride + 1];
  const queue = new Int32Array(mask.length);
  const regions: PixelRegion[] = [];
  for (let start = open.indexOf(1); start >= 0; start = open.indexOf(1, start + 1)) {
    let tail = 1;
    queue[0] = start;
    open[start] = 0;
    for (let head = 0; head < tail; head++) {
      const at = queue[head]!;
      for (const step of steps) {
        if (open[at + step] === 0) continue;
        open[at + step] = 0;
        queue[tail++] = at + step;
      }
    }
    regions.push(regionOf(queue.subarray(0, tail), stride));
  }
  return regions;
}

/** Takes padded indices back to the slice's own. */
function regionOf(padded: Int32Array, stride: number): PixelRegion {
  const pixels = new Int32Array(padded.length);
  let top = Infinity;
  let bottom = -1;
  let left = Infinity;
  let right = -1;
  for (let i = 0; i < padded.length; i++) {
    const row = Math.floor(padded[i]! / stride) - 1;
    const column = (padded[i]! % stride) - 1;
    pixels[i] = row * (stride - 2) + column;
    if (row < top) top = row;
    if (row > bottom) bottom = row;
    if (column < left) left = column;
    if (column > right) right = column;
  }
  return { pixels, top, bottom, left, right };
}

/** Size and form of a set of pixels. */
export interface RegionForm {
  readonly areaMm2: number;
  readonly diameterMm: number;
  /** Long over short axis of the ellipse with the same second moments, ≥ 1. */
  readonly elongation: number;
  readonly shape: RegionShape;
  /** `[row, column]` in pixels. */
  readonly centroid: readonly [number, number];
}

/** Least long-to-short axis ratio of what is called elongated. */
const ELONGATED = 1.6;
/** Least share of its moment ellipse that a region fills to count as solid; an annulus or a star fills less. */
const SOLID = 0.8;

/** Measures area, centroid and the moment ellipse of pixels given by their indices. */
export function measureForm(
  pixels: ArrayLike<number>,
  width: number,
  spacingMm: readonly [number, number],
): RegionForm {
  const [stepY, stepX] = spacingMm;
  const count = pixels.length;
  let [sumY, sumX] = [0, 0];
  for (let i = 0; i < count; i++) {
    const row = Math.floor(pixels[i]! / width);
    sumY += row;
    sumX += pixels[i]! - row * width;
  }
  const centroid = [sumY / count, sumX / count] as const;
  let [yy, xx, xy] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const row = Math.floor(pixels[i]! / width);
    const y = (row - centroid[0]) * stepY;
    const x = (pixels[i]! - row * width - centroid[1]) * stepX;
    yy += y * y;
    xx += x * x;
    xy += x * y;
  }
  yy = yy / count + stepY ** 2 / 12; // a pixel is a box, not a point
  xx = xx / count + stepX ** 2 / 12;
  xy /= count;
  const middle = (yy + xx) / 2;
  const spread = Math.hypot((yy - xx) / 2, xy);
  const areaMm2 = count * stepY * stepX;
  const elongation = Math.sqrt((middle + spread) / Math.max(middle - spread, Number.MIN_VALUE));
  const filled = areaMm2 / (4 * Math.PI * Math.sqrt(Math.max(yy * xx - xy * xy, Number.MIN_VALUE)));
  const shape = filled < SOLID ? "irregular" : elongation >= ELONGATED ? "elongated" : "round";
  return { areaMm2, diameterMm: Math.sqrt((4 * areaMm2) / Math.PI), elongation, shape, centroid };
}
