import * as tf from "@tensorflow/tfjs-core";
import type { FusedInstanceNormOptions } from "./fused_instance_norm.ts";
import "./_channel_norm_kernels.ts";
import { GROUP_NORM, GROUP_NORM_GRADIENT, type GroupNormAttributes } from "./_names.ts";

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
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot apply a fused group norm: ${what}: got ${got}, expected ${expected}.`);
  };
  const channels = x.shape.at(-1)!;
  if (x.rank < 3 || x.rank > 6) refuse("the input has the wrong rank", `[${x.shape}]`, "[batch, ..., channels]");
  for (const [name, { shape }] of [["scale", scale], ["offset", offset]] as const) {
    if (shape.length !== 1 || shape[0] !== channels) {
      refuse(`${name} has the wrong shape`, `[${shape}]`, `[${channels}]`);
    }
  }
  if (x.size === 0) refuse("the input is empty", `[${x.shape}]`, "at least one cell");
  if (!(Number.isSafeInteger(groups) && groups > 0 && channels % groups === 0)) {
    refuse("groups is wrong", groups, `a divisor of ${channels}`);
  }
  if (!(epsilon > 0)) refuse("epsilon is wrong", epsilon, "a positive number");
  if (!(leakySlope >= 0 && leakySlope <= 1)) refuse("leakySlope is wrong", leakySlope, "a number from 0 to 1");
  return tf.tidy(() => run(GROUP_NORM, { x, scale, offset }, { groups, epsilon, slope: leakySlope })[0]) as T;
}

function run(kernelName: string, inputs: tf.NamedTensorMap, attributes: GroupNormAttributes): tf.Tensor[] {
  return tf.engine().runKernel(kernelName, inputs, { ...attributes }) as unknown as tf.Tensor[];
}

tf.registerGradient({
  kernelName: GROUP_NORM,
  inputsToSave: ["x", "scale", "offset"],
  outputsToSave: [false, true],
  gradFunc: (gradients, saved, attrs) => {
    const [x, scale, offset, stats] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const dy = (gradients as tf.Tensor[])[0]!;
    const [dx, dScale, dOffset] = run(
      GROUP_NORM_GRADIENT,
      { x, dy, scale, offset, stats },
      attrs as unknown as GroupNormAttributes,
    );
    return { x: () => dx!, scale: () => dScale!, offset: () => dOffset! };
  },
});
