import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { checkLastDimension, checkPositiveInteger } from "./_check.ts";
import { kaimingUniform, uniform } from "./initialisers.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode Linear}. */
export interface LinearOptions {
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean;
  /** Source of the initial values: U(−1/√in, 1/√in) for weight and bias, as PyTorch. */
  readonly random: Random;
}

/** Affine map of the last axis: y = x·Wᵀ + b. Parameters `weight` `[out, in]` and `bias` `[out]`, as `torch.nn.Linear`. */
export class Linear implements Module {
  /** Width of the input. */
  readonly inWidth: number;
  /** Width of the output. */
  readonly outWidth: number;
  /** `weight` `[out, in]`, then `bias` `[out]` where there is one. */
  readonly parameters: Parameters;
  readonly #weight: tf.Variable;
  readonly #bias: tf.Variable | undefined;

  /**
   * Makes the layer.
   *
   * @throws RangeError when a width is not a positive integer.
   */
  constructor(inWidth: number, outWidth: number, options: LinearOptions) {
    const { bias = true, random } = options;
    checkPositiveInteger("make a Linear", "the input width", inWidth);
    checkPositiveInteger("make a Linear", "the output width", outWidth);
    this.inWidth = inWidth;
    this.outWidth = outWidth;
    this.#weight = createParameter(kaimingUniform(outWidth * inWidth, { fanIn: inWidth, random }), [outWidth, inWidth]);
    const parameters = new Map([["weight", this.#weight]]);
    if (bias) {
      this.#bias = createParameter(uniform(outWidth, { bound: 1 / Math.sqrt(inWidth), random }), [outWidth]);
      parameters.set("bias", this.#bias);
    }
    this.parameters = parameters;
  }

  /**
   * Maps the last axis.
   *
   * @param x `[..., in]` float32 of any rank from 1; stays the caller's.
   * @returns `[..., out]`; the caller disposes. Gradients flow to input and parameters.
   * @throws RangeError when the last axis is not `in` wide.
   */
  apply<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    checkLastDimension("apply a Linear", x.shape, this.inWidth);
    return tf.tidy(() => {
      const rows = tf.reshape(x, [-1, this.inWidth]) as tf.Tensor2D;
      const product = tf.matMul(rows, this.#weight as tf.Tensor2D, false, true);
      const shifted = this.#bias ? tf.add(product, this.#bias) : product;
      return tf.reshape<R>(shifted, [...x.shape.slice(0, -1), this.outWidth] as tf.ShapeMap[R]);
    });
  }
}
