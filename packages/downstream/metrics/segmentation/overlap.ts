/** How many voxels of a structure were found, made up and missed. */
export interface ConfusionCounts {
  /** Voxels in both prediction and reference. */
  readonly truePositives: number;
  /** Voxels in the prediction alone. */
  readonly falsePositives: number;
  /** Voxels in the reference alone. */
  readonly falseNegatives: number;
  /** Voxels in neither. */
  readonly trueNegatives: number;
}

/**
 * What became of a structure in a scan: `"found"`: both maps have it; `"missed"`: only the reference; `"false-positive"`: only the
 * prediction; `"absent"`: neither.
 */
export type StructureStatus = "found" | "missed" | "false-positive" | "absent";

/** Overlap of a structure. `null` stands for what does not exist (0/0); see {@linkcode measureOverlap} for when. */
export interface OverlapMeasures {
  /** What became of the structure. */
  readonly status: StructureStatus;
  /** 2 TP / (2 TP + FP + FN). */
  readonly dice: number | null;
  /** TP / (TP + FP + FN), Jaccard's index. */
  readonly iou: number | null;
  /** TP / (TP + FN), the recall. */
  readonly sensitivity: number | null;
  /** TP / (TP + FP). */
  readonly precision: number | null;
}

/**
 * Measures overlap from counts, with a rule for each empty case:
 *
 * | status           | Dice, IoU | sensitivity | precision |
 * | ---------------- | --------- | ----------- | --------- |
 * | `missed`         | 0         | 0           | 0         |
 * | `false-positive` | 0         | `null`      | 0         |
 * | `absent`         | `null`    | `null`      | `null`    |
 *
 * A missed structure has precision 0 and not 0/0, so that saying nothing is never better than saying something. Sensitivity of a structure
 * that isn't there does not exist, whatever was predicted. An absent structure that was rightly left out is no evidence of finding any: it
 * is reported and takes no part in means.
 *
 * @param counts Voxels, whole numbers of at least 0.
 * @returns Status and measures from 0 to 1.
 */
export function measureOverlap(counts: ConfusionCounts): OverlapMeasures {
  const { truePositives: both, falsePositives, falseNegatives } = counts;
  const [predicted, referred] = [both + falsePositives, both + falseNegatives];
  if (predicted + referred === 0) {
    return { status: "absent", dice: null, iou: null, sensitivity: null, precision: null };
  }
  return {
    status: referred === 0 ? "false-positive" : predicted === 0 ? "missed" : "found",
    dice: 2 * both / (predicted + referred),
    iou: both / (predicted + referred - both),
    sensitivity: referred === 0 ? null : both / referred,
    precision: predicted === 0 ? 0 : both / predicted,
  };
}
