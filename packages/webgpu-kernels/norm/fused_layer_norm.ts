import * as tf from "@tensorflow/tfjs-core";
import "./_layer_norm_kernels.ts";
import { LAYER_NORM, LAYER_NORM_GRADIENT } from "./_names.ts";

/** Options of {@linkcode fusedLayerNorm}. */
export interface FusedLayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * Normalises every vector along the last axis to mean 0 and biased variance 1, then scales and shifts it; two dispatches on WebGPU, five for
 * the gradient, and one more each where rows exceed 16,384 numbers. Runs on the webgpu and cpu backends.
 *
 * @param x `[..., width]` float32, rank 1 to 6; stays the caller's.
 * @param scale `[width]` float32; stays the caller's.
 * @param offset `[width]` float32; stays the caller's.
 * @returns Same shape as `x`; the caller disposes. Gradients flow to all three, once: the gradient itself has none.
 * @throws RangeError when shapes do not fit or epsilon is not positive.
 */
export function fusedLayerNorm<T extends tf.Tensor>(
  x: T,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  options: FusedLayerNormOptions = {},
): T {
  const { epsilon = 1e-5 } = options;
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot apply a fused layer norm: ${what}: got ${got}, expected ${expected}.`);
  };
  const width = x.shape.at(-1);
  if (x.rank < 1 || x.rank > 6) refuse("the input has the wrong rank", `[${x.shape}]`, "[..., width]");
  if (x.size === 0) refuse("the input is empty", `[${x.shape}]`, "at least one row");
  for (const [name, { shape }] of [["scale", scale], ["offset", offset]] as const) {
    if (shape.length !== 1 || shape[0] !== width) refuse(`${name} has the wrong shape`, `[${shape}]`, `[${width}]`);
  }
  if (!(epsilon > 0)) refuse("epsilon is wrong", epsilon, "a positive number");
  return tf.tidy(() => run(LAYER_NORM, { x, scale, offset }, { epsilon })[0]) as T;
}

function run(
  kernelName: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, number>>,
): tf.Tensor[] {
  return tf.engine().runKernel(kernelName, { ...inputs }, { ...attributes }) as unknown as tf.Tensor[];
}

tf.registerGradient({
  kernelName: LAYER_NORM,
  inputsToSave: ["x", "scale"],
  outputsToSave: [false, true],
  gradFunc: (gradients, saved) => {
    const [x, scale, stats] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    const dy = (gradients as tf.Tensor[])[0]!;
    const [dx, dScale, dOffset] = run(LAYER_NORM_GRADIENT, { x, dy, scale, stats }, {});
    return { x: () => dx!, scale: () => dScale!, offset: () => dOffset! };
  },
});
