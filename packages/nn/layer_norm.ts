import * as tf from "@tensorflow/tfjs-core";
import { checkLastDimension, checkPositiveInteger } from "./_check.ts";
import { checkEpsilon, createScaleAndShift, normalise, type NormOptions } from "./instance_norm3d.ts";
import type { Module, Parameters } from "./parameters.ts";

/**
 * Normalises every vector along the last axis, then scales and shifts it. As `torch.nn.LayerNorm` over one axis. Parameters `weight`
 * (ones) and `bias` (zeros), `[width]`.
 */
export class LayerNorm implements Module {
  /** Width of the last axis. */
  readonly width: number;
  /** `weight`, then `bias`; none without the affine part. */
  readonly parameters: Parameters;
  readonly #epsilon: number;

  /**
   * Makes the layer.
   *
   * @throws RangeError when the width is not a positive integer, or epsilon not positive.
   */
  constructor(width: number, options: NormOptions = {}) {
    const { epsilon = 1e-5, affine = true } = options;
    checkPositiveInteger("make a LayerNorm", "the width", width);
    this.width = width;
    this.#epsilon = checkEpsilon("make a LayerNorm", epsilon);
    this.parameters = affine ? createScaleAndShift(width) : new Map();
  }

  /**
   * Normalises along the last axis.
   *
   * @param x `[..., width]` float32; stays the caller's.
   * @returns Same shape; the caller disposes. Gradients flow to input and parameters.
   * @throws RangeError when the last axis has another width.
   */
  apply<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    checkLastDimension("apply a LayerNorm", x.shape, this.width);
    return tf.tidy(() => {
      const rows = tf.reshape(x, [-1, this.width]);
      return tf.reshape(normalise(rows, 1, this.#epsilon, this.parameters), x.shape) as tf.Tensor<R>;
    });
  }
}
