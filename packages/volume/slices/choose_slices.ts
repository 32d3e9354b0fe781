import { SeededRandom } from "../_seeded_random.ts";
import { type Plane, PLANES } from "../slice_image.ts";
import type { Volume } from "../volume.ts";
import { extractSlice, NORMAL_AXIS } from "./extract_slice.ts";

/** Where a slice lies. */
export interface SlicePlace {
  /** Its plane. */
  readonly plane: Plane;
  /** Index along the plane's normal. */
  readonly index: number;
}

/** Options of {@linkcode chooseInformativeSlices}. */
export interface ChooseSlicesOptions {
  /** Slices per plane. Default 8. */
  readonly perPlane?: number;
  /** Planes to choose from. Default all three. */
  readonly planes?: readonly Plane[];
  /** Seed of the places within each stratum. Default "0". */
  readonly seed?: string;
  /** A slice is informative when its variance is at least this share of the plane's largest. Default 0.1. */
  readonly minVarianceShare?: number;
}

/**
 * Chooses slices that show something and are spread over the volume.
 *
 * Slices whose variance (of the finite voxels) is small beside the plane's largest (air, empty ends) are left out; the rest is divided into
 * `perPlane` strata of equal size, and one slice is drawn from each.
 *
 * @param volume A canonical (RAS+) scan; stays the caller's.
 * @returns At most `perPlane` places per plane, plane by plane, in order of the index; fewer where a plane has fewer
 * informative slices, none for a constant volume.
 * @throws RangeError when the volume is not canonical or an option is out of range.
 */
export function chooseInformativeSlices(volume: Volume, options: ChooseSlicesOptions = {}): SlicePlace[] {
  const { perPlane = 8, planes = PLANES, seed = "0", minVarianceShare = 0.1 } = options;
  if (!Number.isInteger(perPlane) || perPlane < 1) {
    throw new RangeError(
      `Cannot choose slices: perPlane is out of range: got ${perPlane}, expected a positive integer.`,
    );
  }
  if (!(minVarianceShare >= 0 && minVarianceShare <= 1)) {
    throw new RangeError(
      `Cannot choose slices: minVarianceShare is out of range: got ${minVarianceShare}, expected a number of 0…1.`,
    );
  }
  return planes.flatMap((plane) => {
    const random = new SeededRandom(`${seed}/${plane}`);
    const variances = Array.from(
      { length: volume.shape[NORMAL_AXIS[plane]] },
      (_, index) => variance(extractSlice(volume, plane, index).image.pixels),
    );
    const largest = Math.max(...variances);
    if (!(largest > 0)) return [];
    const informative = variances.flatMap((value, index) => (value >= minVarianceShare * largest ? [index] : []));
    const strata = Math.min(perPlane, informative.length);
    return Array.from({ length: strata }, (_, stratum): SlicePlace => {
      const first = Math.floor((stratum * informative.length) / strata);
      const next = Math.floor(((stratum + 1) * informative.length) / strata);
      return { plane, index: informative[random.integer(first, next - 1)]! };
    });
  });
}

/** Variance of the finite values, 0 where there are none: one NaN must not make the whole slice, and plane, unknown. */
function variance(values: Float32Array): number {
  const finite = values.every(Number.isFinite) ? values : values.filter(Number.isFinite);
  if (finite.length === 0) return 0;
  let sum = 0;
  for (const value of finite) sum += value;
  const mean = sum / finite.length;
  let squares = 0;
  for (const value of finite) squares += (value - mean) ** 2;
  return squares / finite.length;
}
