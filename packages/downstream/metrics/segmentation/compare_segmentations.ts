import type { Triple, VoxelArray } from "@med3d/volume";
import { checkGrid } from "./_check_grid.ts";
import { cropMask, shapeOf } from "./_crop_mask.ts";
import { type Box, boxAround, countLabelPairs, type LabelCounts } from "./_label_runs.ts";
import {
  checkSurfaceOptions,
  measureSurfaces,
  type SurfaceDefinition,
  type SurfaceMeasures,
} from "./measure_surfaces.ts";
import { type ConfusionCounts, measureOverlap, type OverlapMeasures } from "./overlap.ts";

/** A structure to evaluate: one label, or a region of several as in nnU-Net (whole tumour = core and oedema). */
export interface LabelClass {
  /** What it is called. */
  readonly name: string;
  /** The labels that belong to it, whole numbers. Regions may overlap. */
  readonly labels: readonly number[];
  /** Distance in mm that counts as agreement of its surface. Default: that of the options. */
  readonly toleranceMm?: number;
}

/** Options of {@linkcode compareSegmentations}. */
export interface CompareSegmentationsOptions {
  /** `[depth, height, width]` in voxels. */
  readonly shape: Triple;
  /** `[depth, height, width]`: millimetres from voxel to voxel. */
  readonly spacingMm: Triple;
  /** The structures, in the order of the result. */
  readonly classes: readonly LabelClass[];
  /** Label of the reference that marks voxels to leave out. Default: none. */
  readonly ignoreLabel?: number;
  /** Which surface is measured (see {@linkcode measureSurfaces}), or `"none"` for overlap alone. Default `"surfels"`. */
  readonly surface?: SurfaceDefinition | "none";
  /** Share of the surface that `hausdorff95Mm` covers. Default 0.95. */
  readonly share?: number;
  /** Distance in mm that counts as agreement of surfaces. Default 1. */
  readonly toleranceMm?: number;
}

/** A structure's prediction beside its reference. `null` stands for what does not exist, as {@linkcode compareSegmentations} tells. */
export interface ClassComparison extends OverlapMeasures {
  /** The structure's name. */
  readonly name: string;
  /** Voxels found, made up and missed. */
  readonly counts: ConfusionCounts;
  /** Volume of the prediction in mL. */
  readonly predictionMl: number;
  /** Volume of the reference in mL. */
  readonly referenceMl: number;
  /** Prediction less reference in mL: above 0 where too much was found. */
  readonly volumeErrorMl: number | null;
  /** Its size in mL, so that too much and too little do not cancel out in means. */
  readonly absoluteVolumeErrorMl: number | null;
  /** Prediction less reference as a part of the reference's volume. */
  readonly relativeVolumeError: number | null;
  /** Surface measures; not there where `surface` is `"none"`. */
  readonly surface?: { readonly [Measure in keyof SurfaceMeasures]: number | null };
}

/** What {@linkcode compareSegmentations} found. */
export interface SegmentationComparison {
  /** The structures in the order of the options. */
  readonly classes: readonly ClassComparison[];
  /** Voxels that the reference asks to ignore. */
  readonly ignoredVoxels: number;
  /** Labels but 0 that occur in a map and belong to no structure. */
  readonly otherLabels: readonly number[];
  /** Diagonal of the scan in mm: what stands for a distance to a surface that isn't there. */
  readonly worstDistanceMm: number;
}

/**
 * Compares a predicted label map with a reference, structure by structure, in millimetres and millilitres.
 *
 * Nothing is dropped where a structure is empty:
 *
 * | structure in               | status           | Dice, IoU, surface Dice | distances                | sensitivity | precision | relative volume error |
 * | -------------------------- | ---------------- | ----------------------- | ------------------------ | ----------- | --------- | --------------------- |
 * | both                       | `found`          | measured                | measured                 | measured    | measured  | measured              |
 * | reference, not prediction  | `missed`         | 0                       | the scan's diagonal (mm) | 0           | 0         | −1                    |
 * | prediction, not reference  | `false-positive` | 0                       | the scan's diagonal (mm) | `null`      | 0         | `null`                |
 * | neither                    | `absent`         | `null`                  | `null`                   | `null`      | `null`    | `null`                |
 *
 * {@linkcode summariseSegmentations} averages with these rules. (MONAI and nnU-Net give NaN or leave out some of these cases; their means
 * can rise when a structure is missed.)
 *
 * Ignored voxels count nowhere and are background in both maps when surfaces are found. Label maps are read, never copied: each structure
 * is cut out with the box around it, which takes about 8 bytes for each voxel of the largest box.
 *
 * @param prediction Labels in C order, `[depth, height, width]`; 0 is background.
 * @param reference Labels on the same grid, taken as true.
 * @param options Grid, structures and what is measured.
 * @returns The comparison, plain data that JSON keeps as it is.
 * @throws RangeError when arrays, shape and spacing do not fit together, a voxel is no whole number, no structure is asked for, two have
 * one name, one has no labels, 0 or the ignored label, or `share` or `toleranceMm` is out of range.
 */
export function compareSegmentations(
  prediction: VoxelArray,
  reference: VoxelArray,
  options: CompareSegmentationsOptions,
): SegmentationComparison {
  const { shape, spacingMm, classes, ignoreLabel, toleranceMm = 1, share = 0.95 } = options;
  checkGrid("compare segmentations", [prediction.length, reference.length], shape, spacingMm);
  checkClasses(classes, ignoreLabel);
  for (const entry of classes) checkSurfaceOptions({ share, toleranceMm: entry.toleranceMm ?? toleranceMm });
  const counts = countLabelPairs(prediction, reference, shape, ignoreLabel);
  const known = new Set(classes.flatMap(({ labels }) => labels));
  const pair = { prediction, reference, counts };
  return {
    classes: classes.map((entry) => compareClass(entry, pair, options)),
    ignoredVoxels: counts.ignored,
    otherLabels: [...counts.boxes.keys()].filter((label) => !known.has(label)).sort((a, b) => a - b),
    worstDistanceMm: diagonal(options),
  };
}

interface Pair {
  readonly prediction: VoxelArray;
  readonly reference: VoxelArray;
  readonly counts: LabelCounts;
}

function compareClass(entry: LabelClass, pair: Pair, options: CompareSegmentationsOptions): ClassComparison {
  const counts = confusionOf(pair.counts, new Set(entry.labels));
  const overlap = measureOverlap(counts);
  const voxelMl = options.spacingMm.reduce((product, spacing) => product * spacing) / 1000;
  const predictionMl = (counts.truePositives + counts.falsePositives) * voxelMl;
  const referenceMl = (counts.truePositives + counts.falseNegatives) * voxelMl;
  const error = (counts.falsePositives - counts.falseNegatives) * voxelMl;
  const box = boxAround(pair.counts.boxes, entry.labels);
  return {
    name: entry.name,
    ...overlap,
    counts,
    predictionMl,
    referenceMl,
    volumeErrorMl: overlap.status === "absent" ? null : error,
    absoluteVolumeErrorMl: overlap.status === "absent" ? null : Math.abs(error),
    relativeVolumeError: referenceMl === 0 ? null : error / referenceMl,
    ...options.surface !== "none" && {
      surface: overlap.status === "found"
        ? surfacesWithin(box!, entry, pair, options)
        : withoutSurface(overlap.status === "absent" ? null : diagonal(options)),
    },
  };
}

function confusionOf({ pairs }: LabelCounts, labels: ReadonlySet<number>): ConfusionCounts {
  let [truePositives, falsePositives, falseNegatives, trueNegatives] = [0, 0, 0, 0];
  for (const [predicted, row] of pairs) {
    for (const [referred, voxels] of row) {
      if (labels.has(predicted)) {
        if (labels.has(referred)) truePositives += voxels;
        else falsePositives += voxels;
      } else if (labels.has(referred)) falseNegatives += voxels;
      else trueNegatives += voxels;
    }
  }
  return { truePositives, falsePositives, falseNegatives, trueNegatives };
}

function surfacesWithin(
  box: Box,
  { labels, toleranceMm }: LabelClass,
  { prediction, reference }: Pair,
  options: CompareSegmentationsOptions,
): SurfaceMeasures {
  const { shape, spacingMm, ignoreLabel, surface, share } = options;
  const crop = { shape, labels, box, reference, ignoreLabel };
  const tolerance = toleranceMm ?? options.toleranceMm;
  return measureSurfaces(cropMask(prediction, crop), cropMask(reference, crop), {
    shape: shapeOf(box),
    spacingMm,
    ...surface === "voxels" && { surface },
    ...share !== undefined && { share },
    ...tolerance !== undefined && { toleranceMm: tolerance },
  });
}

function withoutSurface(distance: number | null): NonNullable<ClassComparison["surface"]> {
  return {
    hausdorffMm: distance,
    hausdorff95Mm: distance,
    averageSurfaceDistanceMm: distance,
    predictionToReferenceMm: distance,
    referenceToPredictionMm: distance,
    surfaceDice: distance === null ? null : 0,
  };
}

function diagonal({ shape, spacingMm }: CompareSegmentationsOptions): number {
  return Math.hypot(...shape.map((size, axis) => size * spacingMm[axis]!));
}

function checkClasses(classes: readonly LabelClass[], ignoreLabel: number | undefined): void {
  const refuse = (problem: string, fix: string): never => {
    throw new RangeError(`Cannot compare segmentations: ${problem}. ${fix}`);
  };
  if (classes.length === 0) {
    refuse("no structures: got an empty list, expected one at least", "List names with their labels.");
  }
  const names = new Set<string>();
  for (const { name, labels } of classes) {
    if (names.has(name)) refuse(`two structures have one name: got "${name}" twice`, "Give each a name of its own.");
    names.add(name);
    const wrong = labels.find((label) => !Number.isInteger(label) || label === 0 || label === ignoreLabel);
    if (labels.length === 0 || wrong !== undefined) {
      refuse(
        `bad labels of "${name}": got [${labels}], expected whole numbers other than 0 (background) and the ignored label`,
        "Correct the list.",
      );
    }
  }
}
