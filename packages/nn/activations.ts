import { fusedGelu } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";

/** Names of the activation functions that {@linkcode activate} knows. */
export const ACTIVATIONS = ["gelu", "relu", "leakyRelu"] as const;

/** Name of an activation function. */
export type Activation = typeof ACTIVATIONS[number];

/**
 * Computes x where x is positive and slope·x elsewhere.
 *
 * @param x Any shape, float32; stays the caller's.
 * @param negativeSlope Default 0.01, as nnU-Net and PyTorch have it.
 * @returns Same shape; the caller disposes. Gradients flow; at 0 the slope is the negative one, as in PyTorch.
 */
export function leakyRelu<T extends tf.Tensor>(x: T, negativeSlope = 0.01): T {
  return tf.tidy(() => tf.sub(tf.mul(x, negativeSlope), tf.mul(tf.relu(x), negativeSlope - 1)) as T);
}

/**
 * Computes the Gaussian error linear unit ½x(1 + erf(x/√2)), the exact form that PyTorch's default is.
 *
 * @param x Any shape, float32; stays the caller's.
 * @returns Same shape; the caller disposes. Gradients flow.
 */
export function gelu<T extends tf.Tensor>(x: T): T {
  return fusedGelu(x);
}

/**
 * Applies an activation function by name.
 *
 * @param x Any shape, float32; stays the caller's.
 * @returns Same shape; the caller disposes. Gradients flow.
 */
export function activate<T extends tf.Tensor>(x: T, activation: Activation): T {
  switch (activation) {
    case "gelu":
      return gelu(x);
    case "relu":
      return tf.relu(x);
    case "leakyRelu":
      return leakyRelu(x);
  }
}
