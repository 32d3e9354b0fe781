/**
 * Scans in and out with honest geometry.
 *
 * @module
 */
export { type CorruptVolumeCode, CorruptVolumeError, type Finding, findingOf } from "./findings.ts";
export { applyAffine, invertAffine, multiplyAffines, type Triple } from "./geometry/affine.ts";
export { type CanonicalVolume, restoreGrid, toCanonical } from "./geometry/canonical.ts";
export { orientationOf } from "./geometry/orientation.ts";
export { padOrCrop, type PadOrCropOptions } from "./geometry/pad_or_crop.ts";
export { type InterpolationOptions, type ResampleOptions, resampleVolume, resizeVolume } from "./geometry/resample.ts";
export { resampleToGrid, type ResampleToGridOptions } from "./geometry/resample_to_grid.ts";
export type { Interpolation } from "./geometry/_interpolate.ts";
export {
  type Foreground,
  type NonFiniteOptions,
  normaliseIntensity,
  type NormaliseOptions,
  normalisePercentile,
  normaliseZScore,
  type PercentileOptions,
  windowCt,
  type WindowOptions,
  type ZScoreOptions,
} from "./intensity/normalise.ts";
export {
  checkVolume,
  type CheckVolumeOptions,
  measureVoxels,
  type VoxelStatistics,
} from "./intensity/voxel_statistics.ts";
export type { AffineOrigin } from "./nifti/_header_affine.ts";
export type { NiftiDatatype } from "./nifti/datatypes.ts";
export { type NiftiHeader, parseNiftiHeader } from "./nifti/header.ts";
export { readNifti, readNiftiHeader, type ReadNiftiOptions } from "./nifti/read_nifti.ts";
export { encodeNifti, type EncodeNiftiOptions, writeNifti, type WriteNiftiOptions } from "./nifti/write_nifti.ts";
export * from "./slice_image.ts";
export * from "./volume.ts";
