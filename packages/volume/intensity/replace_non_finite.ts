import { sameTypeArray } from "../geometry/_voxel_bits.ts";
import { deriveVolume, type Volume } from "../volume.ts";
import { constantError } from "./foreground.ts";
import { measureVoxels } from "./voxel_statistics.ts";

/**
 * Repairs a scan with NaN or infinite voxels: NaN and −∞ become the smallest finite voxel, +∞ the largest.
 *
 * For everything that cannot do with such voxels, such as captions and pictures of slices; the normalisations can do it
 * themselves (`nonFinite: "replace"`).
 *
 * @param volume Any scan; left as it is.
 * @returns The repaired volume, of the same type, with a line in its history that says how many voxels were replaced by what; the
 * volume itself where all voxels are finite.
 * @throws CorruptVolumeError with code `constant` when no voxel is finite.
 */
export function replaceNonFinite(volume: Volume): Volume {
  const { minimum, maximum, nonFinite } = measureVoxels(volume);
  if (nonFinite === 0) return volume;
  if (Number.isNaN(minimum)) throw constantError(volume, "replace non-finite voxels", "no voxel is finite");
  const data = sameTypeArray(volume.data, volume.data.length);
  for (let i = 0; i < data.length; i++) {
    const value = volume.data[i]!;
    data[i] = Number.isFinite(value) ? value : value === Infinity ? maximum : minimum;
  }
  const line = `${nonFinite} non-finite voxels replaced: NaN and −∞ by ${minimum}, +∞ by ${maximum}`;
  return deriveVolume(volume, { data }, line);
}
