import * as tf from "@tensorflow/tfjs-core";
import { ADAM_KERNEL, type AdamAttributes, READ, WRITTEN } from "./_adam_kernel.ts";
import { fewestBuffers } from "./_in_place_map.ts";
import { checkSlots, inPlaceBackend, takeOwnMemory } from "./_variables.ts";

/** One parameter with its gradient and moments, all of one shape and float32. */
export interface AdamSlot {
  /** Updated in place. */
  readonly parameter: tf.Variable;
  /** Running mean of gradients, updated in place. */
  readonly average: tf.Variable;
  /** Running mean of squared gradients, updated in place. */
  readonly square: tf.Variable;
  /** Stays the caller's. */
  readonly gradient: tf.Tensor;
  /** Updates of this parameter, this one included, from 1. */
  readonly step: number;
}

/** Options of {@linkcode fusedAdamStep}. */
export interface AdamStepOptions {
  /** Learning rate of this step. */
  readonly learningRate: number;
  /** Decay of the first and of the second moment, each in [0, 1). */
  readonly betas: readonly [number, number];
  /** Added to the root of the second moment. */
  readonly epsilon: number;
  /** Strength of weight decay. */
  readonly weightDecay: number;
  /** Whether decay shrinks the parameters (AdamW) rather than adding to the gradients (Adam). */
  readonly decoupled: boolean;
  /** Scalar factor on every gradient; stays the caller's. Default 1. */
  readonly gradientScale?: tf.Tensor;
}

/**
 * Tells whether the active backend can do {@linkcode fusedAdamStep}: `webgpu` as this package registers it, on a device that binds six
 * buffers or more. Others, cpu among them, cannot, since TensorFlow.js lets tensors there share arrays with the caller.
 */
export function hasFusedAdam(): boolean {
  return inPlaceBackend(fewestBuffers({ written: WRITTEN, read: READ })) !== undefined;
}

/**
 * Does one step of Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019) on all parameters, in place, in one dispatch for as many
 * parameters as the device binds buffers for (7 on llvmpipe). A variable that shares its memory with a tensor, as after `tf.clone`, gets
 * memory of its own first, so that variables change and nothing else.
 *
 * @param slots Parameters, each once, with gradients and moments.
 * @param options Learning rate and hyperparameters.
 * @throws RangeError when shapes differ or a variable would be written twice; nothing has changed then.
 * @throws Error where {@linkcode hasFusedAdam} is false.
 */
export function fusedAdamStep(slots: readonly AdamSlot[], options: AdamStepOptions): void {
  const { learningRate, betas: [beta1, beta2], epsilon, weightDecay, decoupled, gradientScale } = options;
  checkSlots("step Adam in place", slots.map(({ step: _, ...tensors }) => tensors), WRITTEN);
  if (!hasFusedAdam()) {
    throw new Error(
      `Cannot step Adam in place: the backend does not write in place: got "${tf.getBackend()}", expected "webgpu". ` +
        `Ask hasFusedAdam first.`,
    );
  }
  const filled = slots.filter(({ parameter }) => parameter.size > 0);
  const inputs: Record<string, tf.Tensor> = gradientScale ? { scale: gradientScale } : {};
  filled.forEach((slot, i) => {
    for (const part of WRITTEN) takeOwnMemory(slot[part]);
    for (const part of [...WRITTEN, ...READ]) inputs[`${part}${i}`] = slot[part];
  });
  const attributes: AdamAttributes = {
    slots: filled.map(({ step }) => ({
      stepSize: learningRate / (1 - beta1 ** step),
      rootCorrection: Math.sqrt(1 - beta2 ** step),
    })),
    beta1,
    beta2,
    epsilon,
    coupledDecay: decoupled ? 0 : weightDecay,
    shrink: decoupled ? 1 - learningRate * weightDecay : 1,
  };
  tf.engine().runKernel(ADAM_KERNEL, inputs, attributes as unknown as tf.NamedAttrMap);
}
