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
export * from "./aligners/contract.ts";
export * from "./aligners/create_aligner.ts";
export * from "./aligners/info_nce_aligner.ts";
export * from "./aligners/inverse_transport_aligner.ts";
export * from "./aligners/metric.ts";
export * from "./aligners/mini_batch_partial_aligner.ts";
export * from "./aligners/plan_weighted_aligner.ts";
export * from "./measures/modality_gap.ts";
export * from "./solvers/solve_entropic_transport.ts";
export * from "./solvers/solve_exact_transport.ts";
export * from "./solvers/transport_problem.ts";
export { logTransportPlan } from "./tensors/log_transport_plan.ts";
export * from "./tensors/solve_tensor_transport.ts";
export type { TensorPotentials, TensorTransportOptions, TransportGradient } from "./tensors/transport_options.ts";
