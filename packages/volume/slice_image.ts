import type { Modality } from "./volume.ts";

/** Anatomical planes, in the order of the plane codes that PSAT learns: axial 0, coronal 1, sagittal 2. */
export const PLANES = ["axial", "coronal", "sagittal"] as const;

/** An anatomical plane of a canonical (RAS+) volume. */
export type Plane = (typeof PLANES)[number];

/**
 * One 2D slice as a radiologist sees it: axial with anterior up and the patient's right on the viewer's left; coronal
 * with superior up and the patient's right on the viewer's left; sagittal with superior up and anterior on the viewer's left.
 */
export interface SliceImage {
  /** `[height, width]` in C order, in the volume's own intensity (HU in CT), row 0 on top. */
  readonly pixels: Float32Array;
  /** Pixels per row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** `[between rows, between columns]` in millimetres. */
  readonly spacingMm: readonly [number, number];
}

/** What is known of a slice beside its pixels; never labels, names or paths. */
export interface SliceContext {
  /** What made the scan. */
  readonly modality: Modality;
  /** The plane that the slice lies in. */
  readonly plane: Plane;
  /** Index of the slice along its plane's normal: 0 is the most inferior, posterior or left one. */
  readonly index: number;
  /** Number of slices of the volume along that normal. */
  readonly count: number;
  /** `(index + 0.5) / count`, in (0, 1). */
  readonly relativePosition: number;
}
