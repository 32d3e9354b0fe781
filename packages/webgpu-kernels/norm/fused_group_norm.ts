import type * as tf from "@tensorflow/tfjs-core";
import { applyChannelNorm } from "./_channel_norm.ts";
import type { FusedInstanceNormOptions } from "./fused_instance_norm.ts";

/** Options of {@linkcode fusedGroupNorm}. */
export interface FusedGroupNormOptions extends FusedInstanceNormOptions {
  /** Groups that the channels are dealt out to, neighbours together; divides the channels. 1 is layer norm over a whole volume. */
  readonly groups: number;
}

/**
 * Normalises every group of channels of every volume over its cells to mean 0 and biased variance 1 (Wu & He 2018), scales and shifts it by channel,
 * and bends it by a leaky ReLU if asked to; four dispatches on WebGPU, six for the gradient. As `torch.nn.GroupNorm`. Runs on the webgpu and cpu
 * backends.
 *
 * @param x `[batch, ..., channels]` float32, rank 3 to 6, at least one cell; stays the caller's.
 * @param scale `[channels]` float32; stays the caller's.
 * @param offset `[channels]` float32; stays the caller's.
 * @param options Groups, epsilon, slope.
 * @returns Same shape as `x`; the caller disposes. Gradients flow to all three, once: the gradient itself has none.
 * @throws RangeError when shapes do not fit, the groups do not divide the channels, epsilon is not positive or the slope outside [0, 1].
 */
export function fusedGroupNorm<T extends tf.Tensor>(
  x: T,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  options: FusedGroupNormOptions,
): T {
  const { groups, epsilon = 1e-5, leakySlope = 1 } = options;
  return applyChannelNorm({ x, scale, offset }, { groups, epsilon, slope: leakySlope });
}
