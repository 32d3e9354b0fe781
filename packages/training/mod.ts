/**
 * Training on TensorFlow.js that survives being killed: the loop, Adam and AdamW as PyTorch computes them, schedules, gradient clipping and
 * accumulation, an average of the parameters, metrics and checkpoints.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { Linear } from "@med3d/nn";
 * import { AdamW, CheckpointStore, train, warmUpCosine } from "@med3d/training";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import { mkdtemp } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { Random } from "random";
 *
 * await selectBackend();
 * const folder = await mkdtemp(join(tmpdir(), "training-"));
 * const model = new Linear(3, 1, { random: new Random("model") });
 * const result = await train({
 *   parameters: model.parameters,
 *   loadBatch: (step) => Promise.resolve(tf.randomNormal<tf.Rank.R2>([8, 3], 0, 1, "float32", step + 1)),
 *   disposeBatch: (batch) => batch.dispose(),
 *   loss: (batch) => {
 *     const error = tf.sub(model.apply(batch), tf.sum(batch, 1, true));
 *     const total = tf.mean(tf.square(error)) as tf.Scalar;
 *     return { total, terms: {} };
 *   },
 *   optimizer: new AdamW(model.parameters, { weightDecay: 0 }),
 *   schedule: warmUpCosine({ learningRate: 0.1, warmUpSteps: 5, totalSteps: 50 }),
 *   maxGradientNorm: 1,
 *   steps: 50,
 *   checkpoints: { store: new CheckpointStore(join(folder, "checkpoints")), everySteps: 20 },
 *   metricsPath: join(folder, "metrics.jsonl"),
 *   resume: "auto",
 *   configuration: { width: 3 },
 * });
 * console.log(result.stopped, result.lastRecord?.total); // completed, near 0
 * ```
 *
 * @module
 */
export * from "./checkpoint/checkpoint.ts";
export * from "./checkpoint/checkpoint_store.ts";
export * from "./json.ts";
export * from "./optim/adam.ts";
export * from "./optim/cached_gradients.ts";
export * from "./optim/exponential_moving_average.ts";
export { clippingScale, computeGradients, globalNorm } from "./optim/gradients.ts";
export * from "./optim/optimizer.ts";
export * from "./schedules.ts";
export * from "./train.ts";
export * from "./training_options.ts";
