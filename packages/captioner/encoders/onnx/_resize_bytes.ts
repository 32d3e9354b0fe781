/** How values between pixels are found. */
export type ResizeFilter = "bilinear" | "bicubic";

/** An 8-bit grey picture, row by row. */
export interface GreyPicture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Weights are integers with so many bits after the point. */
const PRECISION = 2 ** 22;

const FILTERS: Readonly<
  Record<ResizeFilter, { readonly reach: number; readonly weigh: (distance: number) => number }>
> = {
  bilinear: { reach: 1, weigh: (distance) => Math.max(0, 1 - Math.abs(distance)) },
  bicubic: { reach: 2, weigh: keys },
};

/** Keys' cubic convolution with a = −0.5. */
function keys(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/**
 * Resizes a grey picture as Pillow does, to the bit: along rows, then along columns, each result rounded to 8 bits; the filter is widened
 * on the way down, so that every pixel counts.
 *
 * CLIP and its kin were trained on pictures that Pillow had resized. Pillow 13 takes columns first where the shape makes that cheaper, which shows only
 * where the two directions are scaled differently.
 */
export function resizeBytes(
  { pixels, width, height }: GreyPicture,
  size: { readonly width: number; readonly height: number; readonly filter: ResizeFilter },
): GreyPicture {
  const columns = size.width === width ? undefined : tapsOf(width, size.width, size.filter);
  const rows = size.height === height ? undefined : tapsOf(height, size.height, size.filter);
  let current = pixels;
  if (columns) {
    const next = new Uint8Array(height * size.width);
    for (let row = 0; row < height; row++) {
      columns.forEach((taps, column) => next[row * size.width + column] = weighted(current, row * width, 1, taps));
    }
    current = next;
  }
  if (rows) {
    const next = new Uint8Array(size.height * size.width);
    rows.forEach((taps, row) => {
      for (let column = 0; column < size.width; column++) {
        next[row * size.width + column] = weighted(current, column, size.width, taps);
      }
    });
    current = next;
  }
  return { pixels: current, width: size.width, height: size.height };
}

interface Taps {
  readonly first: number;
  readonly weights: Int32Array;
}

function tapsOf(count: number, target: number, filter: ResizeFilter): Taps[] {
  const { reach, weigh } = FILTERS[filter];
  const scale = count / target;
  const widening = Math.max(1, scale);
  const support = reach * widening;
  return Array.from({ length: target }, (_, index): Taps => {
    const center = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(count, Math.trunc(center + support + 0.5));
    const exact = Float64Array.from(
      { length: end - first },
      (_, k) => weigh((k + first - center + 0.5) * (1 / widening)),
    );
    let total = 0;
    for (const weight of exact) total += weight;
    return {
      first,
      weights: Int32Array.from(exact, (weight) => {
        const scaled = (total === 0 ? weight : weight / total) * PRECISION;
        return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      }),
    };
  });
}

function weighted(pixels: Uint8Array, start: number, step: number, { first, weights }: Taps): number {
  let sum = PRECISION / 2;
  for (let k = 0; k < weights.length; k++) sum += weights[k]! * pixels[start + (first + k) * step]!;
  return Math.min(255, Math.max(0, Math.floor(sum / PRECISION)));
}
