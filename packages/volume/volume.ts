import { columnNorms, IDENTITY_AFFINE, isFiniteInvertible } from "./geometry/affine.ts";

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

/** Where voxels lie in the world, without the voxels. Every {@linkcode Volume} is one. */
export interface VoxelGrid {
  /** `[depth, height, width]` in voxels. */
  readonly shape: readonly [number, number, number];
  /** 4×4 row-major, voxel index (width, height, depth) → RAS+ millimetres. */
  readonly affine: Float64Array;
}

/** One scan, canonical or not. */
export interface Volume extends VoxelGrid {
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

/** What {@linkcode createVolume} takes beside voxels and shape. */
export interface CreateVolumeOptions {
  /** 4×4 row-major, voxel index (width, height, depth) → RAS+ millimetres. Default: the identity, 1 mm voxels. */
  readonly affine?: Float64Array;
  /** What made the scan. Default: `"unknown"`. */
  readonly modality?: Modality;
  /** What was done to the voxels so far. Default: one line saying that the volume was made from an array. */
  readonly history?: readonly string[];
}

/**
 * Makes a {@linkcode Volume} from voxels held in memory; the array is kept, not copied.
 *
 * @param data Voxels in C order, `[depth, height, width]`.
 * @param shape `[depth, height, width]` in voxels.
 * @param options Affine, modality and history.
 * @returns The volume, its spacing derived from the affine.
 * @throws RangeError when the shape is not three positive integers whose product is the array's length, or when the
 * affine is not 16 finite numbers that can be inverted.
 */
export function createVolume(
  data: VoxelArray,
  shape: readonly [number, number, number],
  options: CreateVolumeOptions = {},
): Volume {
  const { affine = IDENTITY_AFFINE, modality = "unknown", history = ["made from an array in memory"] } = options;
  if (shape.length !== 3 || !shape.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw new RangeError(
      `Cannot create volume: bad shape: got [${shape}], expected three positive integers. Give [depth, height, width].`,
    );
  }
  const voxels = shape[0] * shape[1] * shape[2];
  if (data.length !== voxels) {
    throw new RangeError(
      `Cannot create volume: array and shape disagree: got ${data.length} voxels, expected ${voxels} for ` +
        `[${shape}]. Pass the shape as [depth, height, width].`,
    );
  }
  if (!isFiniteInvertible(affine)) {
    throw new RangeError(
      `Cannot create volume: unusable affine: got [${Array.from(affine)}], expected 16 finite numbers, invertible, ` +
        `last row 0 0 0 1. Give voxel index (width, height, depth) → RAS+ millimetres, row by row.`,
    );
  }
  const [width, height, depth] = columnNorms(affine);
  return {
    data,
    shape: [shape[0], shape[1], shape[2]],
    affine: Float64Array.from(affine),
    spacingMm: [depth, height, width],
    modality,
    history: [...history],
  };
}

/** What {@linkcode deriveVolume} may replace. */
export interface VolumeChanges {
  /** New voxels, `[depth, height, width]`. Default: the same array. */
  readonly data?: VoxelArray;
  /** New shape in voxels. Default: the same. */
  readonly shape?: readonly [number, number, number];
  /** New affine. Default: the same. */
  readonly affine?: Float64Array;
}

/**
 * Makes the next volume of a chain: what changed is replaced, the rest kept, and a line added to the history.
 *
 * @param volume What the step started from; left as it is.
 * @param changes New voxels, shape or affine.
 * @param line What the step did, in words.
 * @returns The new volume; voxels that did not change are shared with the old one.
 * @throws RangeError as {@linkcode createVolume} does.
 */
export function deriveVolume(volume: Volume, changes: VolumeChanges, line: string): Volume {
  return createVolume(changes.data ?? volume.data, changes.shape ?? volume.shape, {
    affine: changes.affine ?? volume.affine,
    modality: volume.modality,
    history: [...volume.history, line],
  });
}
