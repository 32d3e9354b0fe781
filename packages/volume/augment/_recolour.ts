import type { SeededRandom } from "../_seeded_random.ts";

/** How intensities are changed; shares are of the range between the least and the largest of them. */
export interface Recolour {
  readonly brightness: number;
  readonly contrast: number;
  readonly gamma: number;
  readonly noise: number;
}

/** Changes intensities in place: contrast about the mean, brightness, noise, gamma; the range stays the range. */
export function recolour(values: Float32Array, change: Recolour, random: SeededRandom): void {
  const { brightness, contrast, gamma, noise } = change;
  let low = Infinity, high = -Infinity, sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
  }
  const range = high - low;
  if (!(range > 0)) return; // constant, or NaN: there is no range to speak of
  const mean = (sum / values.length - low) / range;
  for (let i = 0; i < values.length; i++) {
    let share = ((values[i]! - low) / range - mean) * contrast + mean + brightness;
    if (noise > 0) share += noise * random.normal();
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    values[i] = low + range * (gamma === 1 ? share : share ** gamma);
  }
}
