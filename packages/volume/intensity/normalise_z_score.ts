import { deriveVolume, type Volume } from "../volume.ts";
import { constantError, type Foreground, foregroundValues, nameOf, overflowError } from "./foreground.ts";
import { type NonFiniteOptions, refuseNonFinite, replacedNote } from "./non_finite.ts";
import { measureVoxels } from "./voxel_statistics.ts";

/** Options of {@linkcode normaliseZScore}. */
export interface ZScoreOptions extends NonFiniteOptions {
  /** Voxels that mean and deviation are taken from. Default: `"nonzero"`. */
  readonly foreground?: Foreground;
}

/**
 * Subtracts the foreground's mean and divides by its standard deviation (population, as `numpy.std`).
 *
 * Every voxel is mapped, background too. Under `nonFinite: "replace"` bad voxels become the lowest or highest finite result.
 *
 * @param volume Any scan; left as it is.
 * @param options Foreground, and what becomes of non-finite voxels.
 * @returns Float32 volume whose foreground has mean 0 and deviation 1.
 * @throws CorruptVolumeError with code `non-finite` (see `nonFinite`; also when the spread overflows) or `constant`, when the deviation is 0.
 */
export function normaliseZScore(volume: Volume, options: ZScoreOptions = {}): Volume {
  const { foreground = "nonzero", nonFinite = "error" } = options;
  const action = "normalise to z-scores";
  refuseNonFinite(volume, { action, nonFinite });
  const values = foregroundValues(volume, { foreground, action });
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance);
  if (!Number.isFinite(deviation)) throw overflowError(volume, action);
  if (!(deviation > Number.EPSILON * Math.abs(mean))) {
    throw constantError(volume, action, `its ${nameOf(foreground)} voxels are all ${values[0]}`);
  }
  const { minimum: lowest, maximum: highest } = measureVoxels(volume);
  const { data } = volume;
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    result[i] = ((value > highest ? highest : value >= lowest ? value : lowest) - mean) / deviation;
  }
  const line = `z-score by mean ${mean} and deviation ${deviation} of ${nameOf(foreground)} voxels`;
  return deriveVolume(volume, { data: result }, line + replacedNote(data));
}
