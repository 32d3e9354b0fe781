/**
 * Scans in and out with honest geometry.
 *
 * @module
 */
export { type CorruptVolumeCode, CorruptVolumeError, type Finding, findingOf } from "./findings.ts";
export { applyAffine, invertAffine, multiplyAffines, type Triple } from "./geometry/affine.ts";
export { restoreGrid, toCanonical } from "./geometry/canonical.ts";
export { orientationOf } from "./geometry/orientation.ts";
export { type InterpolationOptions, type ResampleOptions, resampleVolume, resizeVolume } from "./geometry/resample.ts";
export type { Interpolation } from "./geometry/_interpolate.ts";
export type { AffineOrigin } from "./nifti/_header_affine.ts";
export type { NiftiDatatype } from "./nifti/datatypes.ts";
export { type NiftiHeader, parseNiftiHeader } from "./nifti/header.ts";
export { readNifti, readNiftiHeader, type ReadNiftiOptions } from "./nifti/read_nifti.ts";
export * from "./slice_image.ts";
export * from "./volume.ts";
