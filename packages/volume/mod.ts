/**
 * Scans in and out with honest geometry: NIfTI files, orientation, resampling and intensities, each step written into the
 * volume's history; data sets and their splits, slices, augmentation, masks and phantoms.
 *
 * ```ts
 * import { createVolume, encodeNifti, normaliseIntensity, readNifti } from "@med3d/volume";
 * import { resampleToGrid, resampleVolume, toCanonical } from "@med3d/volume";
 * import { chooseInformativeSlices, extractSlice, makePhantom, renderSlicePng } from "@med3d/volume";
 *
 * const made = createVolume(Int16Array.from({ length: 720 }, (_, i) => i % 500), [8, 9, 10], { modality: "CT" });
 * const file = await encodeNifti(made, { gzip: true }); // writeNifti(made, "scan.nii.gz") puts it on disk
 *
 * const scan = await readNifti(file, { modality: "CT" }); // or readNifti("scan.nii.gz")
 * const { volume, original } = toCanonical(scan);
 * const input = normaliseIntensity(resampleVolume(volume, { spacingMm: 2 }));
 * const back = resampleToGrid(input, original); // on the scan's own voxels again
 * console.log(back.shape, back.history);
 *
 * const phantom = makePhantom("patient 1", { kind: "mr-brain" }); // or a scan of indexDataset("folder").cases
 * for (const { plane, index } of chooseInformativeSlices(phantom.volume, { perPlane: 1 })) {
 *   const { image, context } = extractSlice(phantom.volume, plane, index);
 *   console.log(context.relativePosition, renderSlicePng(image).length);
 * }
 * ```
 *
 * @module
 */
export type { AugmentOptions } from "./augment/augment_options.ts";
export { augmentSample, type AugmentSampleOptions, type TrainingSample } from "./augment/augment_sample.ts";
export { augmentVolume, type LabelledVolume } from "./augment/augment_volume.ts";
export { patchSizeBefore, type PatchSizeBeforeOptions } from "./augment/patch_size_before.ts";
export { type AugmentRecipe, type Chance, type ChannelChance, type DrawRange, NNUNET_3D } from "./augment/recipe.ts";
export { canonicalJson } from "./cache/canonical_json.ts";
export { hashFiles } from "./cache/hash_files.ts";
export { type CacheKey, openCache, type OpenCacheOptions, type VolumeCache } from "./cache/open_cache.ts";
export type { DatasetCase, DatasetIndex, DatasetItem } from "./dataset/dataset_index.ts";
export { hashCase } from "./dataset/hash_case.ts";
export { indexDataset, type IndexDatasetOptions } from "./dataset/index_dataset.ts";
export { readCase, type ReadCaseOptions } from "./dataset/read_case.ts";
export { splitBySubject, type SplitCase, type SplitOptions, type SubjectSplit } from "./dataset/split_by_subject.ts";
export { subjectOf } from "./dataset/subject_of.ts";
export { type DicomHeader, type DicomKeyword, readDicomHeader } from "./dicom/dicom_header.ts";
export { type DicomPrivacy, dicomPrivacy } from "./dicom/dicom_privacy.ts";
export { type DicomSeries, type ListDicomOptions, listDicomSeries } from "./dicom/list_dicom_series.ts";
export { readDicom, type ReadDicomOptions } from "./dicom/read_dicom.ts";
export type { DicomCompression, TransferSyntax } from "./dicom/transfer_syntax.ts";
export {
  type DicomCode,
  type DicomSegment,
  writeDicomSeg,
  type WriteDicomSegOptions,
} from "./dicom/write_dicom_seg.ts";
export { type CorruptVolumeCode, CorruptVolumeError, type Finding, findingOf } from "./findings.ts";
export type { ReadOptions } from "./formats/read_options.ts";
export { type RecognisedFormat, recogniseFormat, type ScanFormat } from "./formats/recognise_format.ts";
export { applyAffine, invertAffine, multiplyAffines, type Triple } from "./geometry/affine.ts";
export type { AxisMap, AxisMaps } from "./geometry/axis_map.ts";
export { type CanonicalVolume, restoreGrid, toCanonical } from "./geometry/canonical.ts";
export { orientationOf } from "./geometry/orientation.ts";
export { padOrCrop, type PadOrCropOptions } from "./geometry/pad_or_crop.ts";
export { GridChain } from "./geometry/grid_chain.ts";
export type { FollowOptions, GridStep, InvertProbabilitiesOptions, StepGrids, StepKind } from "./geometry/grid_step.ts";
export type { Interpolation, InterpolationOptions } from "./geometry/interpolation.ts";
export { type ResampleOptions, resampleVolume, resizeVolume } from "./geometry/resample.ts";
export { resampleToGrid, type ResampleToGridOptions } from "./geometry/resample_to_grid.ts";
export type { LabelCount } from "./inspect/_count_labels.ts";
export type { IntensityStatistics } from "./inspect/_intensities.ts";
export type { CaseInspection, DatasetInspection, LabelInspection, LabelSummary } from "./inspect/dataset_inspection.ts";
export { inspectDataset, type InspectDatasetOptions } from "./inspect/inspect_dataset.ts";
export { inspectScan, type InspectScanOptions, type ScanInspection } from "./inspect/inspect_scan.ts";
export { describeGrid, type GridDescription, inspectVolume, type VolumeInspection } from "./inspect/inspect_volume.ts";
export type { Foreground } from "./intensity/foreground.ts";
export type { NonFiniteOptions } from "./intensity/non_finite.ts";
export { normaliseIntensity, type NormaliseOptions } from "./intensity/normalise_intensity.ts";
export { normalisePercentile, type PercentileOptions } from "./intensity/normalise_percentile.ts";
export { normaliseZScore, type ZScoreOptions } from "./intensity/normalise_z_score.ts";
export { replaceNonFinite } from "./intensity/replace_non_finite.ts";
export {
  checkVolume,
  type CheckVolumeOptions,
  measureVoxels,
  type VoxelStatistics,
} from "./intensity/voxel_statistics.ts";
export { windowCt, type WindowOptions } from "./intensity/window_ct.ts";
export { hideMasked } from "./masking/hide_masked.ts";
export { maskBlocks, type MaskOptions } from "./masking/mask_blocks.ts";
export { readMetaimage } from "./metaimage/read_metaimage.ts";
export { readMgh } from "./mgh/read_mgh.ts";
export type { NiftiDatatype } from "./nifti/datatypes.ts";
export { type AffineOrigin, type NiftiHeader, type NiftiPlacement, parseNiftiHeader } from "./nifti/header.ts";
export { readNifti, readNiftiHeader, type ReadNiftiOptions } from "./nifti/read_nifti.ts";
export { encodeNifti, type EncodeNiftiOptions, writeNifti, type WriteNiftiOptions } from "./nifti/write_nifti.ts";
export { readNrrd } from "./nrrd/read_nrrd.ts";
export { encodeNrrd, writeNrrd, type WriteNrrdOptions } from "./nrrd/write_nrrd.ts";
export { readNumpy, type ReadNumpyOptions } from "./numpy/read_numpy.ts";
export {
  makePhantom,
  type Phantom,
  PHANTOM_CLASSES,
  PHANTOM_KINDS,
  type PhantomKind,
  type PhantomOptions,
} from "./phantoms/make_phantom.ts";
export { countIdentifyingFields, type IdentifyingFields } from "./privacy/identifying_fields.ts";
export { readVolume, type ReadVolumeOptions } from "./read_volume.ts";
export { choosePatches, type ChoosePatchesOptions, type PatchPlace } from "./sampling/choose_patches.ts";
export { ClassIndex } from "./sampling/class_index.ts";
export { type SampledPatch, samplePatches, type SamplePatchesOptions } from "./sampling/sample_patches.ts";
export * from "./slice_image.ts";
export { chooseInformativeSlices, type ChooseSlicesOptions, type SlicePlace } from "./slices/choose_slices.ts";
export { extractSlice, NORMAL_AXIS } from "./slices/extract_slice.ts";
export { hashSlice } from "./slices/hash_slice.ts";
export { type RenderPlanesOptions, renderPlanesPng } from "./slices/render_planes.ts";
export { type RenderSliceOptions, renderSlicePng } from "./slices/render_slice.ts";
export * from "./volume.ts";
