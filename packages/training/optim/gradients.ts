import type { Parameters } from "@med3d/nn";
import { globalNorm as normOfAll } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import type { Gradients } from "./optimizer.ts";

/**
 * Computes the gradients of a scalar with respect to parameters.
 *
 * @param loss Computes the scalar; everything it allocates beyond that is disposed of unless kept.
 * @returns Gradients by parameter name, without those that the loss does not depend on; a variable under two names has one under the
 * first. The caller disposes.
 * @throws Error of TensorFlow.js when the loss depends on no parameter.
 */
export function computeGradients(parameters: Parameters, loss: () => tf.Scalar): Map<string, tf.Tensor> {
  const { value, grads } = tf.variableGrads(loss, [...new Set(parameters.values())]);
  value.dispose();
  const gradients = new Map<string, tf.Tensor>();
  for (const [name, parameter] of parameters) {
    const gradient = grads[parameter.name];
    if (gradient) gradients.set(name, gradient);
    delete grads[parameter.name];
  }
  return gradients;
}

/** Adds gradients to a running sum, both consumed. */
export function addGradients(
  sum: Map<string, tf.Tensor> | undefined,
  more: Map<string, tf.Tensor>,
): Map<string, tf.Tensor> {
  if (!sum) return more;
  for (const [name, gradient] of more) {
    const earlier = sum.get(name);
    sum.set(name, earlier ? tf.add(earlier, gradient) : gradient);
    if (earlier) tf.dispose([earlier, gradient]);
  }
  return sum;
}

/**
 * Computes the Euclidean norm of all gradients taken together.
 *
 * @param gradients Stay the caller's.
 * @returns A scalar; the caller disposes. No gradients flow.
 * @throws RangeError when a gradient is not float32.
 */
export function globalNorm(gradients: Gradients): tf.Scalar {
  return normOfAll([...gradients.values()]);
}

/**
 * Computes the factor that brings gradients of a given norm down to a greatest one: min(1, maximum/(norm + 1e-6)), as
 * `torch.nn.utils.clip_grad_norm_`.
 *
 * @param norm Scalar; stays the caller's.
 * @returns A scalar for {@linkcode UpdateOptions.gradientScale}; the caller disposes.
 */
export function clippingScale(norm: tf.Scalar, maximum: number): tf.Scalar {
  return tf.tidy(() => tf.minimum(tf.div(maximum, tf.add(norm, 1e-6)), 1) as tf.Scalar);
}
