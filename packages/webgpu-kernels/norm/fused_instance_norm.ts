import type * as tf from "@tensorflow/tfjs-core";
import { applyChannelNorm } from "./_channel_norm.ts";

/** Options of {@linkcode fusedInstanceNorm}. */
export interface FusedInstanceNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
  /** Slope of a leaky ReLU that follows, from 0 to 1. Default 1: none follows. */
  readonly leakySlope?: number;
}

/**
 * Normalises every channel of every volume over its cells to mean 0 and biased variance 1, scales and shifts it by channel, and bends it by
 * a leaky ReLU if asked to; three dispatches on WebGPU, five for the gradient. Runs on the webgpu and cpu backends.
 *
 * @param x `[batch, ..., channels]` float32, rank 3 to 6, at least one cell; stays the caller's.
 * @param scale `[channels]` float32; stays the caller's.
 * @param offset `[channels]` float32; stays the caller's.
 * @returns Same shape as `x`; the caller disposes. Gradients flow to all three, once: the gradient itself has none.
 * @throws RangeError when shapes do not fit, epsilon is not positive or the slope outside [0, 1].
 */
export function fusedInstanceNorm<T extends tf.Tensor>(
  x: T,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  options: FusedInstanceNormOptions = {},
): T {
  const { epsilon = 1e-5, leakySlope = 1 } = options;
  return applyChannelNorm({ x, scale, offset }, { epsilon, slope: leakySlope });
}
