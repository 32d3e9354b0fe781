/**
 * Fast, right 3D kernels for TensorFlow.js on WebGPU, the choice of backend, and a guard that makes silent GPU errors loud.
 *
 * The import alone does it: kernels and gradients are registered under TensorFlow.js' own names, so `tf.conv3d`, `tf.conv3dTranspose` and
 * their gradients use them in any program, whatever else of TensorFlow.js it uses.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { assertDeviceHealthy, selectBackend } from "@med3d/webgpu-kernels";
 *
 * const { device, notice } = await selectBackend(); // WebGPU where there is an adapter, else cpu
 * console.log(device, notice);
 *
 * const volume = tf.randomNormal<tf.Rank.R5>([1, 16, 16, 16, 4]);
 * const kernel = tf.randomNormal<tf.Rank.R5>([3, 3, 3, 4, 8]);
 * const loss = (w: tf.Tensor) => tf.sum(tf.square(tf.conv3d(volume, w as tf.Tensor5D, 2, "same")));
 * const gradient = tf.grad(loss)(kernel);
 *
 * await assertDeviceHealthy(); // once per step: throws what the GPU would not have said
 * console.log(gradient.shape, (await gradient.data()).length);
 * ```
 *
 * @module
 */
export * from "./activation/fused_dropout.ts";
export * from "./activation/fused_gelu.ts";
export * from "./attention/fused_attention.ts";
export * from "./backend.ts";
export * from "./conv3d/fused_conv3d.ts";
export { type Conv3dVariant, setConv3dVariant } from "./conv3d/variant.ts";
export * from "./guard/gpu_error.ts";
export * from "./guard/device_guard.ts";
export * from "./memory/device_memory.ts";
export * from "./memory/plan_memory.ts";
export * from "./memory/recompute.ts";
export * from "./loss/fused_dice_cross_entropy.ts";
export * from "./norm/fused_group_norm.ts";
export * from "./norm/fused_instance_norm.ts";
export * from "./norm/fused_layer_norm.ts";
export * from "./optim/fused_adam.ts";
export * from "./optim/fused_moving_average.ts";
export * from "./optim/global_norm.ts";
export * from "./resize/resize_trilinear.ts";
export * from "./transport/iterate_potentials.ts";
export * from "./transport/solve_adjoint.ts";
export * from "./transport/transport_kernels.ts";
