/**
 * Modules, layers and named parameters on TensorFlow.js, with PyTorch's names, layouts on disk and initial distributions.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import { disposeParameters, Linear, loadStateDict, readSafetensors, saveStateDict, writeSafetensors } from "@med3d/nn";
 * import { Random } from "random";
 *
 * await selectBackend();
 * const layer = new Linear(8, 4, { random: new Random("my run") });
 * const y = layer.apply(tf.ones<tf.Rank.R2>([2, 8])); // [2, 4]
 *
 * const bytes = writeSafetensors(await saveStateDict(layer.parameters)); // PyTorch reads this
 * const report = loadStateDict(layer.parameters, readSafetensors(bytes).tensors);
 * console.log(y.shape, report.matched); // [2, 4], ["weight", "bias"]
 * disposeParameters(layer.parameters);
 * ```
 *
 * @module
 */
export * from "./activations.ts";
export * from "./batch_norm3d.ts";
export * from "./conv3d.ts";
export * from "./conv_transpose3d.ts";
export {
  dropout,
  type DropoutOptions,
  dropPath,
  layerDropout,
  layerDropoutSeed,
  type StochasticOptions,
} from "./dropout.ts";
export * from "./embedding.ts";
export * from "./group_norm3d.ts";
export * from "./initialisers.ts";
export { InstanceNorm3d, type InstanceNormApplyOptions, type NormOptions } from "./instance_norm3d.ts";
export * from "./layer_norm.ts";
export * from "./layout.ts";
export * from "./linear.ts";
export * from "./mlp.ts";
export * from "./multi_head_attention.ts";
export * from "./parameters.ts";
export * from "./prelu.ts";
export { readSafetensors, type Safetensors } from "./read_safetensors.ts";
export * from "./state_dict.ts";
export type { StoredData, StoredDtype, StoredTensor } from "./stored_tensor.ts";
export * from "./write_safetensors.ts";
export type { Triple, TripleLike } from "./_triple.ts";
