import { fusedLayerNorm } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { checkLastDimension, checkPositiveInteger } from "./_check.ts";
import { checkEpsilon, createScaleAndShift, type NormOptions } from "./instance_norm3d.ts";
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
   * @throws RangeError when the last axis has another width, the width is above 16,384, or there is no row.
   */
  apply<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    checkLastDimension("apply a LayerNorm", x.shape, this.width);
    return tf.tidy(() => {
      const scale = this.parameters.get("weight") ?? tf.ones([this.width]);
      const offset = this.parameters.get("bias") ?? tf.zeros([this.width]);
      return fusedLayerNorm(x, scale as tf.Tensor1D, offset as tf.Tensor1D, { epsilon: this.#epsilon });
    });
  }
}
