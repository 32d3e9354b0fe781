import type { SliceImage } from "@med3d/volume";
import { quantile } from "../measure/_statistics.ts";
import { checkSlice } from "../measure/measure_slice.ts";
import { CT_TISSUES } from "../measure/_tissues.ts";
import { resampleToSquare } from "./_resample_plane.ts";

const SIZE = 64;
const ORIENTATIONS = 6;
const BINS = 16;

/** Groups of numbers that belong together, in order, with how many each has. Groups are weighed against each other when fitting. */
export const DESCRIPTOR_BLOCKS = [
  ["intensities 16 × 16", 16 * 16],
  ["intensities 8 × 8", 8 * 8],
  ["ranks 16 × 16", 16 * 16],
  ["gradients 8 × 8", 8 * 8 * ORIENTATIONS],
  ["gradients 4 × 4", 4 * 4 * ORIENTATIONS],
  ["histogram", BINS],
  ["HU shares", CT_TISSUES.length],
  ["field of view", 2],
] as const;

/** Length of a descriptor. */
export const DESCRIPTOR_WIDTH: number = DESCRIPTOR_BLOCKS.reduce((sum, [, count]) => sum + count, 0);

/**
 * Describes a slice by its intensities and gradients at several scales.
 *
 * Intensities are cut to the slice's 0.5th and 99.5th percentile and brought to 0…1, and the slice is resampled onto square pixels, its
 * field of view centred in a square. Then: means on grids of 16 and 8; the same for intensity ranks, which show soft contrast that bright
 * bone hides; histograms of gradient orientation (unsigned, weighed by magnitude) in cells of 8 × 8 and 4 × 4, each cell scaled to at most
 * length 1; an intensity histogram; shares of CT tissue classes where values below −50 show that intensities are HU; the logarithm of the field
 * of view in millimetres. But for the HU shares, nothing changes when intensities are scaled or shifted.
 *
 * @param image Pixels `[height, width]`; stays the caller's.
 * @returns `DESCRIPTOR_WIDTH` numbers in the order of {@linkcode DESCRIPTOR_BLOCKS}.
 * @throws RangeError when the slice is malformed or a pixel is not finite.
 */
export function describeImage(image: SliceImage): Float64Array {
  checkSlice(image);
  const { pixels, width, height, spacingMm } = image;
  const sorted = pixels.toSorted();
  const [low, high] = [quantile(sorted, 0.005), quantile(sorted, 0.995)];
  const range = high > low ? high - low : Infinity;
  const unit = pixels.map((value) => Math.min(1, Math.max(0, (value - low) / range)));
  const plane = resampleToSquare({ pixels: unit, width, height, spacingMm }, SIZE, 0);
  const gradients = orientedGradients(plane);
  const parts = [
    cellMeans(plane, 16),
    cellMeans(plane, 8),
    cellMeans(ranksOf(plane), 16),
    cellHistograms(gradients, 8),
    cellHistograms(gradients, 4),
    histogramOf(plane),
    sorted[0]! < -50 ? huShares(pixels) : new Array<number>(CT_TISSUES.length).fill(0),
    [Math.log(height * spacingMm[0]), Math.log(width * spacingMm[1])],
  ];
  return Float64Array.from(parts.flatMap((part) => Array.from(part)));
}

/** Means of the cells of a `grid × grid` division. */
function cellMeans(plane: Float32Array, grid: number): Float64Array {
  const cell = SIZE / grid;
  const means = new Float64Array(grid * grid);
  plane.forEach((value, index) => {
    const row = Math.floor(index / SIZE / cell);
    means[row * grid + Math.floor((index % SIZE) / cell)]! += value / cell ** 2;
  });
  return means;
}

/** Share of pixels that are darker, plus half of those that are equal: histogram equalisation, 0…1. */
function ranksOf(plane: Float32Array): Float32Array {
  const FINE = 256;
  const counts = new Float64Array(FINE);
  const binOf = (value: number): number => Math.min(FINE - 1, Math.floor(value * FINE));
  for (const value of plane) counts[binOf(value)]!++;
  let below = 0;
  const ranks = counts.map((count) => {
    const rank = (below + count / 2) / plane.length;
    below += count;
    return rank;
  });
  return plane.map((value) => ranks[binOf(value)]!);
}

interface Gradients {
  readonly magnitude: Float32Array;
  /** Orientation in bins, 0…ORIENTATIONS. */
  readonly orientation: Float32Array;
}

function orientedGradients(plane: Float32Array): Gradients {
  const magnitude = new Float32Array(plane.length);
  const orientation = new Float32Array(plane.length);
  for (let row = 1; row < SIZE - 1; row++) {
    for (let column = 1; column < SIZE - 1; column++) {
      const at = row * SIZE + column;
      const across = plane[at + 1]! - plane[at - 1]!;
      const down = plane[at + SIZE]! - plane[at - SIZE]!;
      magnitude[at] = Math.hypot(across, down);
      const angle = Math.atan2(down, across);
      orientation[at] = ((angle < 0 ? angle + Math.PI : angle) / Math.PI) * ORIENTATIONS;
    }
  }
  return { magnitude, orientation };
}

/** Orientation histograms of cells, shared linearly between neighbouring orientations. */
function cellHistograms({ magnitude, orientation }: Gradients, grid: number): Float64Array {
  const FLOOR = 0.1; // weak gradients, which are noise, stay weak
  const cell = SIZE / grid;
  const result = new Float64Array(grid * grid * ORIENTATIONS);
  magnitude.forEach((size, index) => {
    const row = Math.floor(index / SIZE / cell);
    const start = (row * grid + Math.floor((index % SIZE) / cell)) * ORIENTATIONS;
    const lower = Math.floor(orientation[index]!);
    const share = orientation[index]! - lower;
    result[start + (lower % ORIENTATIONS)]! += (size * (1 - share)) / cell ** 2;
    result[start + ((lower + 1) % ORIENTATIONS)]! += (size * share) / cell ** 2;
  });
  for (let start = 0; start < result.length; start += ORIENTATIONS) {
    const histogram = result.subarray(start, start + ORIENTATIONS);
    const length = Math.hypot(...histogram) + FLOOR;
    histogram.forEach((value, index) => histogram[index] = value / length);
  }
  return result;
}

function histogramOf(plane: Float32Array): Float64Array {
  const counts = new Float64Array(BINS);
  for (const value of plane) counts[Math.min(BINS - 1, Math.floor(value * BINS))]! += 1 / plane.length;
  return counts.map(Math.sqrt); // the Hellinger form: small shares count too
}

function huShares(pixels: Float32Array): Float64Array {
  const shares = new Float64Array(CT_TISSUES.length);
  for (const value of pixels) {
    let found = CT_TISSUES.length - 1;
    while (value < CT_TISSUES[found]!.from) found--;
    shares[found]! += 1 / pixels.length;
  }
  return shares.map(Math.sqrt);
}
