/**
 * Optimal transport solvers and alignment losses for any TensorFlow.js model.
 *
 * ```ts
 * import { PlanWeightedAligner } from "@med3d/pot-align";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import * as tf from "@tensorflow/tfjs-core";
 *
 * await selectBackend();
 * const aligner = new PlanWeightedAligner();
 * const embeddings = tf.variable(tf.randomNormal([8, 16], 0, 1, "float32", 1)); // your model's answers
 * const targets = tf.randomNormal<tf.Rank.R2>([8, 16], 0, 1, "float32", 2); // what they should be close to
 * const { value, grads } = tf.variableGrads(() => aligner.align(embeddings as unknown as tf.Tensor2D, targets).loss);
 * console.log((await value.data())[0], Object.keys(grads).length);
 * ```
 *
 * @module
 */
export * from "./alignment_metrics.ts";
export * from "./contract.ts";
export * from "./create_aligner.ts";
export * from "./info_nce_aligner.ts";
export * from "./inverse_transport_aligner.ts";
export * from "./log_transport_plan.ts";
export * from "./metric.ts";
export * from "./mini_batch_partial_aligner.ts";
export * from "./plan_weighted_aligner.ts";
