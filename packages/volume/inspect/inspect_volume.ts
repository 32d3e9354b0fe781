import { columnNorms } from "../geometry/affine.ts";
import { toCanonical } from "../geometry/canonical.ts";
import { orientationOf } from "../geometry/orientation.ts";
import type { Volume, VoxelArray, VoxelGrid } from "../volume.ts";
import { countLabels, type LabelCount, looksLikeLabels } from "./_count_labels.ts";
import { type IntensityStatistics, measureIntensities } from "./_intensities.ts";

/** Where voxels lie, in words and numbers. */
export interface GridDescription {
  /** `[depth, height, width]` in voxels. */
  readonly shape: readonly [number, number, number];
  /** `[depth, height, width]` in millimetres. */
  readonly spacingMm: readonly [number, number, number];
  /** Where the voxel indices (width, height, depth) grow to, such as `"LPS"`. */
  readonly orientation: string;
  /** Largest angle between a voxel axis and the world axis that it follows, in degrees. */
  readonly obliqueDegrees: number;
  /** 4×4 row-major, voxel index (width, height, depth) → RAS+ millimetres. */
  readonly affine: readonly number[];
}

/** What there is to say of one scan. */
export interface VolumeInspection {
  /** The grid as it lies in the file. */
  readonly grid: GridDescription;
  /** The grid after {@linkcode toCanonical}. */
  readonly canonical: GridDescription;
  /** How voxels are held, such as `"int16"`. */
  readonly voxelType: string;
  /** Numbers on the voxels. */
  readonly statistics: IntensityStatistics;
  /** The values and their voxels, where the voxels look like labels. */
  readonly labels?: readonly LabelCount[];
  /** What was done to the voxels, and what is done to bring them to RAS+, in order. */
  readonly history: readonly string[];
}

/**
 * Describes a grid.
 *
 * @param grid Any volume.
 * @returns Shape, spacing, orientation and affine.
 */
export function describeGrid({ shape, affine }: VoxelGrid): GridDescription {
  const norms = columnNorms(affine);
  const angles = [0, 1, 2].map((column) => {
    const along = Math.max(...[0, 1, 2].map((row) => Math.abs(affine[row * 4 + column]!)));
    return Math.acos(Math.min(1, along / norms[column]!)) * 180 / Math.PI;
  });
  return {
    shape: [...shape],
    spacingMm: [norms[2], norms[1], norms[0]],
    orientation: orientationOf(affine),
    obliqueDegrees: Math.max(...angles),
    affine: Array.from(affine),
  };
}

/**
 * Says what a scan is: its geometry before and after it is brought to RAS+, what is done to its voxels, and what they are like.
 *
 * Voxels count as labels when they are few whole numbers of at least 0 and most labelled ones have a neighbour of the same value.
 *
 * @param volume Any scan; left as it is.
 * @returns The inspection, and the canonical volume that it speaks of, for pictures.
 */
export function inspectVolume(volume: Volume): { inspection: VolumeInspection; canonical: Volume } {
  const { volume: canonical } = toCanonical(volume);
  const counts = countLabels(volume.data);
  return {
    inspection: {
      grid: describeGrid(volume),
      canonical: describeGrid(canonical),
      voxelType: voxelTypeOf(volume.data),
      statistics: measureIntensities(volume),
      ...(counts && looksLikeLabels(canonical.data, counts) && { labels: counts }),
      history: canonical.history,
    },
    canonical,
  };
}

/** The name of an array's type: `"int16"` of an Int16Array. */
export function voxelTypeOf(data: VoxelArray): string {
  return data.constructor.name.replace("Array", "").toLowerCase();
}
