/**
 * PSAT, the plane-slice-aware transformer of Med3DInsight: asked about a plane and a slice, it answers from 3D features with a vector in the
 * space of 2D image and text embeddings.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { disposeParameters } from "@med3d/nn";
 * import { PlaneSliceTransformer } from "@med3d/slice-transformer";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import { Random } from "random";
 *
 * await selectBackend();
 * const random = new Random("psat");
 * const psat = new PlaneSliceTransformer({ memoryChannels: 32, width: 24, queries: 8, layers: 2, heads: 4, outputWidth: 16, random });
 * const features = tf.randomNormal<tf.Rank.R5>([2, 4, 4, 4, 32]); // of two volumes, from any 3D encoder
 * const answers = psat.ask(features, [
 *   { volume: 0, plane: 0, relativePosition: 0.25 },
 *   { volume: 0, plane: 2, relativePosition: 0.5 },
 *   { volume: 1, plane: 1, relativePosition: 0.9 },
 * ]);
 * console.log(answers.shape); // [3, 16]
 * disposeParameters(psat.parameters);
 * ```
 *
 * @module
 */
export {
  countPsatParameters,
  intendedPsat,
  type PsatOptions,
  type PsatParameterCount,
  type PsatSetting,
  type PsatShape,
  releasedPsat,
} from "./options.ts";
export * from "./plane_slice_transformer.ts";
export { PooledReader, type PooledReaderOptions } from "./pooled_reader.ts";
export { sineCosineCode } from "./position_code.ts";
export { binOf, type PlaneIndex, type SliceQuestion } from "./questions.ts";
export type { SliceReader } from "./slice_reader.ts";
