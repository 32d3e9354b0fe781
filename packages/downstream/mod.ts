/**
 * From a pretrained 3D encoder to answers: segmentation and classification networks, inference over whole scans, and metrics that count what was missed.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import { createSegmentationNetwork, diceCrossEntropyLoss } from "@med3d/downstream";
 * import { Random } from "random";
 *
 * await selectBackend();
 * const network = createSegmentationNetwork("plain-unet", {
 *   encoder: { inChannels: 1, features: [4, 8] },
 *   outChannels: 3,
 *   random: new Random("my run"),
 * });
 * const logits = network.apply(tf.zeros<tf.Rank.R5>([1, 8, 8, 8, 1])); // [1, 8, 8, 8, 3]
 * const loss = diceCrossEntropyLoss(logits, tf.zeros<tf.Rank.R4>([1, 8, 8, 8], "int32"));
 * console.log(logits.shape, (await loss.data())[0]);
 * ```
 *
 * @module
 */
export * from "./losses/classification_losses.ts";
export * from "./losses/deep_supervision_loss.ts";
export * from "./losses/dice_cross_entropy_loss.ts";
export * from "./losses/focal_loss.ts";
export type { TargetOptions } from "./losses/targets.ts";
export * from "./losses/tversky_loss.ts";
export * from "./networks/class_probabilities.ts";
export * from "./networks/classification_network.ts";
export * from "./networks/create_segmentation_network.ts";
export * from "./networks/segmentation_network.ts";
export * from "./features/extract_features.ts";
export * from "./inference/predict_blocks.ts";
export * from "./inference/segment_volume.ts";
export { type Box, type Extent, gaussianImportance, windowStarts } from "./inference/windows.ts";
export * from "./optimisation/layer_groups.ts";
export * from "./optimisation/scaled_optimizer.ts";
export * from "./postprocess/fill_holes.ts";
export * from "./postprocess/keep_largest.ts";
export * from "./postprocess/measure_structures.ts";
export * from "./preprocessing/preprocess.ts";
export {
  brierScore,
  type Calibration,
  type CalibrationBin,
  measureCalibration,
  multiclassBrierScore,
} from "./metrics/classification/calibration.ts";
export {
  type ClassScores,
  confusionMatrix,
  type ConfusionScores,
  measureConfusion,
} from "./metrics/classification/confusion_matrix.ts";
export {
  evaluateMulticlass,
  type MulticlassScores,
  type OneVersusRest,
} from "./metrics/classification/evaluate_multiclass.ts";
export * from "./metrics/classification/evaluate_multilabel.ts";
export * from "./metrics/classification/evaluate_ordinal.ts";
export * from "./metrics/classification/ranking.ts";
export * from "./metrics/classification/regression.ts";
export * from "./metrics/segmentation/compare_segmentations.ts";
export * from "./metrics/segmentation/distance_transform.ts";
export {
  measureSurfaces,
  type MeasureSurfacesOptions,
  type SurfaceDefinition,
  type SurfaceMeasures,
} from "./metrics/segmentation/measure_surfaces.ts";
export * from "./metrics/segmentation/overlap.ts";
export * from "./metrics/segmentation/segmentation_measures.ts";
export * from "./metrics/segmentation/summarise_segmentations.ts";
export * from "./statistics/bootstrap_interval.ts";
export { mean, quantile, standardDeviation } from "./statistics/describe.ts";
export * from "./statistics/distributions.ts";
export * from "./statistics/holm_correction.ts";
export * from "./statistics/paired_difference.ts";
export * from "./statistics/paired_permutation.ts";
export * from "./statistics/paired_student.ts";
export * from "./statistics/test_result.ts";
export * from "./statistics/wilcoxon_signed_rank.ts";
