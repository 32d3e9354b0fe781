/** Voxel arrays that a {@linkcode Volume} can hold: one per scalar datatype that scans are stored in. */
export type VoxelArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** Imaging modality, as far as it is known. */
export type Modality = "CT" | "MR" | "unknown";

/** One scan, canonical or not. */
export interface Volume {
  /** Voxels in C order, `[depth, height, width]`, in `intensityUnit`s of the file (HU in CT) after slope and intercept. */
  readonly data: VoxelArray;
  /** `[depth, height, width]` in voxels. */
  readonly shape: readonly [number, number, number];
  /** 4×4 row-major, voxel index (width, height, depth) → RAS+ millimetres. */
  readonly affine: Float64Array;
  /** `[depth, height, width]` in millimetres: the column norms of the affine. */
  readonly spacingMm: readonly [number, number, number];
  /** What made the scan. */
  readonly modality: Modality;
  /** What was done to the voxels, in words, in order. Every reader and transform adds a line. */
  readonly history: readonly string[];
}
