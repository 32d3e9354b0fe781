import * as tf from "@tensorflow/tfjs-core";
import "./_channel_norm_kernels.ts";
import { INSTANCE_NORM, INSTANCE_NORM_GRADIENT, type InstanceNormAttributes } from "./_names.ts";

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
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot apply a fused instance norm: ${what}: got ${got}, expected ${expected}.`);
  };
  const channels = x.shape.at(-1);
  if (x.rank < 3 || x.rank > 6) refuse("the input has the wrong rank", `[${x.shape}]`, "[batch, ..., channels]");
  for (const [name, { shape }] of [["scale", scale], ["offset", offset]] as const) {
    if (shape.length !== 1 || shape[0] !== channels) {
      refuse(`${name} has the wrong shape`, `[${shape}]`, `[${channels}]`);
    }
  }
  if (x.size === 0) refuse("the input is empty", `[${x.shape}]`, "at least one cell");
  if (!(epsilon > 0)) refuse("epsilon is wrong", epsilon, "a positive number");
  if (!(leakySlope >= 0 && leakySlope <= 1)) refuse("leakySlope is wrong", leakySlope, "a number from 0 to 1");
  const attributes: InstanceNormAttributes = { epsilon, slope: leakySlope };
  return tf.tidy(() => run(INSTANCE_NORM, { x, scale, offset }, attributes)[0]) as T;
}

function run(
  kernelName: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: InstanceNormAttributes,
): tf.Tensor[] {
  return tf.engine().runKernel(kernelName, { ...inputs }, { ...attributes }) as unknown as tf.Tensor[];
}

tf.registerGradient({
  kernelName: INSTANCE_NORM,
  inputsToSave: ["x", "scale", "offset"],
  outputsToSave: [false, true],
  gradFunc: (gradients, saved, attrs) => {
    const [x, scale, offset, stats] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const dy = (gradients as tf.Tensor[])[0]!;
    const [dx, dScale, dOffset] = run(
      INSTANCE_NORM_GRADIENT,
      { x, dy, scale, offset, stats },
      attrs as unknown as InstanceNormAttributes,
    );
    return { x: () => dx!, scale: () => dScale!, offset: () => dOffset! };
  },
});
