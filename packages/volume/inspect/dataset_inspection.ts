import type { DatasetIndex } from "../dataset/dataset_index.ts";
import type { Finding } from "../findings.ts";
import type { LabelCount } from "./_count_labels.ts";

/** What a data set's label map of one case is like. */
export interface LabelInspection {
  /** Its file. */
  readonly path: string;
  /** `[depth, height, width]` in voxels, where it could be read. */
  readonly shape?: readonly [number, number, number];
  /** Its values in ascending order, where they are whole numbers. */
  readonly values?: readonly LabelCount[];
}

/** One case of a data set, looked at. What could not be read has no numbers. */
export interface CaseInspection {
  /** Name that no other case of the data set has. */
  readonly id: string;
  /** Whom the scan shows. */
  readonly subject: string;
  /** When, where the data set tells. */
  readonly session?: string;
  /** The side of the data set's own split. */
  readonly split?: "train" | "validation";
  /** The image's file. */
  readonly path: string;
  /** `[depth, height, width]` in voxels. */
  readonly shape?: readonly [number, number, number];
  /** `[depth, height, width]` in millimetres. */
  readonly spacingMm?: readonly [number, number, number];
  /** Where the voxel indices (width, height, depth) grow to, such as `"LPS"`. */
  readonly orientation?: string;
  /** How voxels are held, such as `"int16"`. */
  readonly voxelType?: string;
  /** Smallest finite voxel. */
  readonly minimum?: number;
  /** Largest finite voxel. */
  readonly maximum?: number;
  /** Mean of the finite voxels. */
  readonly mean?: number;
  /** Number of voxels that are NaN or infinite. */
  readonly nonFinite?: number;
  /** Number of header fields that can name a patient and are filled in. */
  readonly identifyingFields?: number;
  /** Its label map, where there is one. */
  readonly label?: LabelInspection;
}

/** A value that a data set's label maps have, over all of them. */
export interface LabelSummary {
  /** The value. */
  readonly value: number;
  /** What it means, where the data set declares it. */
  readonly name?: string;
  /** Number of label maps that have it. */
  readonly cases: number;
  /** Number of voxels in all label maps. */
  readonly voxels: number;
}

/** What a folder of scans is like. */
export interface DatasetInspection {
  /** How the folder was recognised. */
  readonly kind: DatasetIndex["kind"];
  /** One line saying what was recognised. */
  readonly description: string;
  /** Every case in the order of the index. */
  readonly cases: readonly CaseInspection[];
  /** The values of all label maps in ascending order, those that are declared and nowhere among them. */
  readonly labels: readonly LabelSummary[];
  /** What is wrong or worth knowing, on single cases first, then on the whole. */
  readonly findings: readonly Finding[];
}
