import type { SeededRandom } from "../_seeded_random.ts";
import { planAxis } from "../geometry/_axis_plan.ts";
import { interpolateSeparably } from "../geometry/_interpolate.ts";

/** Spreads below this count as none. */
const LEAST_SPREAD = 1e-7;

/** Adds Gaussian noise in place. */
export function addNoise(values: Float32Array, deviation: number, random: SeededRandom): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! + deviation * random.normal();
}

/** Multiplies in place. */
export function brighten(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor;
}

/** Stretches intensities about their mean in place and keeps them within the range they had. */
export function stretchContrast(values: Float32Array, factor: number): void {
  const { mean, low, high } = moments(values);
  for (let i = 0; i < values.length; i++) {
    const value = mean + factor * (values[i]! - mean);
    values[i] = value < low ? low : value > high ? high : value;
  }
}

/** Raises intensities, scaled to [0, 1], to a power in place (those of the negative where `inverted`); mean and deviation stay. */
export function raiseToGamma(values: Float32Array, exponent: number, inverted: boolean): void {
  const { mean, deviation, low, high } = moments(values);
  const range = Math.max(high - low, LEAST_SPREAD);
  for (let i = 0; i < values.length; i++) {
    const share = (inverted ? high - values[i]! : values[i]! - low) / range;
    values[i] = (inverted ? -range : range) * share ** exponent;
  }
  const after = moments(values);
  const factor = deviation / Math.max(after.deviation, LEAST_SPREAD);
  for (let i = 0; i < values.length; i++) values[i] = mean + factor * (values[i]! - after.mean);
}

/** Takes fewer voxels, each the nearest, and brings their number back by linear interpolation. */
export function lowerResolution(
  values: Float32Array,
  shape: readonly [number, number, number],
  counts: readonly [number, number, number],
): Float32Array {
  const plan = (from: readonly number[], to: readonly number[], method: "nearest" | "linear") =>
    ([0, 1, 2] as const).map((axis) => {
      const scale = from[axis]! / to[axis]!;
      return planAxis({ scale, start: (scale - 1) / 2, count: to[axis]! }, from[axis]!, { method });
    }) as [ReturnType<typeof planAxis>, ReturnType<typeof planAxis>, ReturnType<typeof planAxis>];
  const few = interpolateSeparably(values, shape, { axes: plan(shape, counts, "nearest") });
  return interpolateSeparably(few, counts, { axes: plan(counts, shape, "linear") }) as Float32Array;
}

function moments(values: Float32Array): { mean: number; deviation: number; low: number; high: number } {
  let [low, high, sum] = [Infinity, -Infinity, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
  }
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)), low, high };
}
