import type { ClassComparison } from "./compare_segmentations.ts";

/** Name of a measure of {@linkcode SEGMENTATION_MEASURES}. */
export type SegmentationMeasure =
  | "dice"
  | "iou"
  | "sensitivity"
  | "precision"
  | "surfaceDice"
  | "hausdorff95Mm"
  | "hausdorffMm"
  | "averageSurfaceDistanceMm"
  | "volumeErrorMl"
  | "absoluteVolumeErrorMl"
  | "relativeVolumeError";

/** What a measure is. */
export interface MeasureDescription {
  /** In words, for tables. */
  readonly title: string;
  /** Unit; an empty string for parts of 1. */
  readonly unit: "" | "mm" | "mL";
  /** Which values are good: high ones, low ones, or those near 0. */
  readonly better: "higher" | "lower" | "zero";
}

/** The measures that {@linkcode summariseSegmentations} averages, in the order of tables. */
export const SEGMENTATION_MEASURES: Readonly<Record<SegmentationMeasure, MeasureDescription>> = {
  dice: { title: "Dice", unit: "", better: "higher" },
  iou: { title: "IoU", unit: "", better: "higher" },
  sensitivity: { title: "sensitivity", unit: "", better: "higher" },
  precision: { title: "precision", unit: "", better: "higher" },
  surfaceDice: { title: "surface Dice", unit: "", better: "higher" },
  hausdorff95Mm: { title: "HD95", unit: "mm", better: "lower" },
  hausdorffMm: { title: "Hausdorff distance", unit: "mm", better: "lower" },
  averageSurfaceDistanceMm: { title: "average surface distance", unit: "mm", better: "lower" },
  volumeErrorMl: { title: "volume error", unit: "mL", better: "zero" },
  absoluteVolumeErrorMl: { title: "absolute volume error", unit: "mL", better: "lower" },
  relativeVolumeError: { title: "relative volume error", unit: "", better: "zero" },
};

/**
 * Reads a measure of a structure.
 *
 * @param comparison A structure's prediction beside its reference.
 * @param measure Which value.
 * @returns The value; `null` where it does not exist or was not measured.
 */
export function readMeasure(comparison: ClassComparison, measure: SegmentationMeasure): number | null {
  switch (measure) {
    case "surfaceDice":
    case "hausdorff95Mm":
    case "hausdorffMm":
    case "averageSurfaceDistanceMm":
      return comparison.surface?.[measure] ?? null;
    default:
      return comparison[measure];
  }
}
