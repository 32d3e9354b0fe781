import type { Triple } from "@med3d/volume";
import { checkGrid } from "./_check_grid.ts";
import { squaredDistances } from "./_squared_distances.ts";
import {
  type SurfaceCells,
  surfaceCells,
  type SurfaceDefinition,
  type SurfaceWeights,
  surfaceWeights,
} from "./_surface_cells.ts";
import { DistanceDistribution } from "./_distance_distribution.ts";

export type { SurfaceDefinition };

/** Options of {@linkcode measureSurfaces}. */
export interface MeasureSurfacesOptions {
  /** `[depth, height, width]` in voxels. */
  readonly shape: Triple;
  /** `[depth, height, width]`: millimetres from voxel to voxel. */
  readonly spacingMm: Triple;
  /**
   * What a surface is. Default `"surfels"`.
   *
   * - `"surfels"`, as in DeepMind's `surface-distance`: elements sit on the corners between voxels, wherever the 2 × 2 × 2 voxels around a
   *   corner are neither all in nor all out, and weigh the area that marching cubes has there, in mm². A mask that touches the edge of the
   *   scan has a surface there. Quantiles are by area.
   * - `"voxels"`, as in MONAI: elements are the mask's voxels of which one of six neighbours is out (beyond the scan all is out), each of
   *   equal weight whatever the spacing. Quantiles are those of NumPy's `percentile`.
   */
  readonly surface?: SurfaceDefinition;
  /** Share of the surface that {@linkcode SurfaceMeasures.hausdorff95Mm} covers. Default 0.95. */
  readonly share?: number;
  /** Distance in mm that counts as agreement in {@linkcode SurfaceMeasures.surfaceDice}. Default 1. */
  readonly toleranceMm?: number;
}

/** How far two surfaces are apart. */
export interface SurfaceMeasures {
  /** Hausdorff distance in mm: the farthest that any element of either surface is from the other. */
  readonly hausdorffMm: number;
  /** The same within which 95 % (or `share`) of each surface lies: the larger of both directions' quantiles, in mm. */
  readonly hausdorff95Mm: number;
  /** Average symmetric surface distance in mm: the mean over the elements of both surfaces, by weight. */
  readonly averageSurfaceDistanceMm: number;
  /** Mean distance in mm from the prediction's surface to the reference's. */
  readonly predictionToReferenceMm: number;
  /** Mean distance in mm from the reference's surface to the prediction's. */
  readonly referenceToPredictionMm: number;
  /** Normalised surface Dice: the part of both surfaces that lies within the tolerance of the other, 0 to 1. */
  readonly surfaceDice: number;
}

/**
 * Measures how far the surfaces of two masks are apart, in mm.
 *
 * Masks may be cropped to their common bounding box first, which changes nothing. Memory: about 6 bytes a voxel beside the masks.
 *
 * @param prediction Non-zero inside, C order, `[depth, height, width]`.
 * @param reference The same for what is taken as true.
 * @param options Grid, definition of the surface and tolerance.
 * @returns The measures, all finite.
 * @throws RangeError when arrays, shape and spacing do not fit together, when a mask is empty (a distance to nothing does not exist:
 * {@linkcode compareSegmentations} has the rules for that), or when `share` or `toleranceMm` is out of range.
 *
 * Source: S. Nikolov et al., "Clinically applicable segmentation of head and neck anatomy", 2021, for the surface Dice. Checked against
 * `surface-distance` 0.1 and MONAI 1.6.
 */
export function measureSurfaces(
  prediction: Uint8Array,
  reference: Uint8Array,
  options: MeasureSurfacesOptions,
): SurfaceMeasures {
  const { shape, spacingMm, surface = "surfels", share = 0.95, toleranceMm = 1 } = options;
  checkGrid("measure surfaces", [prediction.length, reference.length], shape, spacingMm);
  checkSurfaceOptions({ share, toleranceMm });
  const weights = surfaceWeights(surface, spacingMm);
  const [predicted, referred] = [surfaceCells(prediction, shape, surface), surfaceCells(reference, shape, surface)];
  const toReference = distancesBetween(predicted, referred, weights, spacingMm);
  const toPrediction = distancesBetween(referred, predicted, weights, spacingMm);
  if (toReference.total === 0 || toPrediction.total === 0) {
    const which = toReference.total === 0 ? "prediction" : "reference";
    throw new RangeError(
      `Cannot measure surfaces: a mask is empty: got a ${which} without voxels, expected one at least. ` +
        `Use compareSegmentations, which counts such cases.`,
    );
  }
  const quantile = (distances: DistanceDistribution): number =>
    surface === "surfels" ? distances.quantileByArea(share) : distances.quantileByRank(share);
  const total = toReference.total + toPrediction.total;
  const [there, back] = [toReference.mean(), toPrediction.mean()];
  return {
    hausdorffMm: Math.max(toReference.maximum(), toPrediction.maximum()),
    hausdorff95Mm: Math.max(quantile(toReference), quantile(toPrediction)),
    averageSurfaceDistanceMm: (there * toReference.total + back * toPrediction.total) / total,
    predictionToReferenceMm: there,
    referenceToPredictionMm: back,
    surfaceDice: (toReference.within(toleranceMm) + toPrediction.within(toleranceMm)) / total,
  };
}

/** Refuses shares and tolerances that mean nothing. */
export function checkSurfaceOptions({ share, toleranceMm }: { share: number; toleranceMm: number }): void {
  if (!(share > 0 && share <= 1)) {
    throw new RangeError(
      `Cannot measure surfaces: bad share: got ${share}, expected more than 0 and at most 1. Give 0.95 for HD95.`,
    );
  }
  if (!(toleranceMm >= 0 && Number.isFinite(toleranceMm))) {
    throw new RangeError(
      `Cannot measure surfaces: bad tolerance: got ${toleranceMm} mm, expected 0 or more. Give it in millimetres.`,
    );
  }
}

function distancesBetween(
  from: SurfaceCells,
  to: SurfaceCells,
  { isSurface, weights }: SurfaceWeights,
  spacingMm: Triple,
): DistanceDistribution {
  const squares = squaredDistances(to.codes, isSurface, to.shape, spacingMm);
  const weightOf = new Map<number, number>();
  const { codes } = from;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (!isSurface[code]) continue;
    const square = squares[i]!;
    weightOf.set(square, (weightOf.get(square) ?? 0) + weights[code]!);
  }
  return new DistanceDistribution(new Map([...weightOf].map(([square, weight]) => [Math.sqrt(square), weight])));
}
