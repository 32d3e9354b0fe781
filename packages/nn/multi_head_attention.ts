import { fusedAttention, MOST_ATTENTION_WIDTH } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { checkPositiveInteger, checkRate } from "./_check.ts";
import { layerDropout, layerDropoutSeed, type StochasticOptions } from "./dropout.ts";
import { kaimingUniform, xavierUniform } from "./initialisers.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode MultiHeadAttention}. */
export interface MultiHeadAttentionOptions {
  /** Rate on the attention weights. Default 0. */
  readonly dropout?: number;
  /** Whether the projections have biases. Default true. */
  readonly bias?: boolean;
  /** Source of the initial values: Xavier for the joint input projection, U(−1/√width, 1/√width) for the output, zero biases, as PyTorch. */
  readonly random: Random;
}

/** Options of {@linkcode MultiHeadAttention.apply}. */
export interface AttentionOptions extends StochasticOptions {
  /**
   * Added to the scores before the softmax, `[queries, keys]` float32; stays the caller's. A large negative number (−1e9) hides a key.
   * Default none. Gradients flow.
   */
  readonly bias?: tf.Tensor2D;
}

/**
 * Scaled dot-product attention with several heads, softmax(QKᵀ/√(width/heads))V (Vaswani et al. 2017). Names, layout and numerics of
 * `torch.nn.MultiheadAttention` with `batch_first=True`: `in_proj_weight` `[3·width, width]`, `in_proj_bias`, `out_proj.weight`,
 * `out_proj.bias`.
 */
export class MultiHeadAttention implements Module {
  /** Width of queries, keys, values and output. */
  readonly width: number;
  /** Number of heads. */
  readonly heads: number;
  /** Projections, in PyTorch's order. */
  readonly parameters: Parameters;
  readonly #rate: number;

  /**
   * Makes the layer.
   *
   * @throws RangeError when width or heads is not a positive integer, the heads do not divide the width, or the dropout rate is
   * outside [0, 1).
   */
  constructor(width: number, heads: number, options: MultiHeadAttentionOptions) {
    const { dropout = 0, bias = true, random } = options;
    const action = "make a MultiHeadAttention";
    checkPositiveInteger(action, "the width", width);
    checkPositiveInteger(action, "the number of heads", heads);
    checkRate(action, "dropout", dropout);
    if (width % heads !== 0) {
      throw new RangeError(
        `Cannot ${action}: the heads do not divide the width: got ${heads}, expected a divisor of ${width}.`,
      );
    }
    this.width = width;
    this.heads = heads;
    this.#rate = dropout;
    const square = width * width;
    const input = xavierUniform(3 * square, { fanIn: width, fanOut: 3 * width, random });
    const output = kaimingUniform(square, { fanIn: width, random });
    const parameters = new Map([["in_proj_weight", createParameter(input, [3 * width, width])]]);
    if (bias) parameters.set("in_proj_bias", createParameter(new Float32Array(3 * width), [3 * width]));
    parameters.set("out_proj.weight", createParameter(output, [width, width]));
    if (bias) parameters.set("out_proj.bias", createParameter(new Float32Array(width), [width]));
    this.parameters = parameters;
  }

  /**
   * Lets queries attend to keys and returns their mixed values.
   *
   * @param query `[batch, queries, width]` float32; stays the caller's, as the other two.
   * @param key `[batch, keys, width]`.
   * @param value `[batch, keys, width]`. Inputs that are one tensor are projected in one product.
   * @returns `[batch, queries, width]`; the caller disposes. Gradients flow to inputs and parameters.
   * @throws RangeError when shapes do not fit.
   * @throws TypeError when training with dropout and no seed.
   */
  apply(query: tf.Tensor3D, key: tf.Tensor3D, value: tf.Tensor3D, options: AttentionOptions = {}): tf.Tensor3D {
    const { bias } = options;
    this.#check(query, key, value, bias);
    const [batch, queries] = query.shape;
    return tf.tidy(() => {
      const [q, k, v] = this.#project(query, key, value).map((x) => this.#splitHeads(x));
      const mixed = this.width / this.heads <= MOST_ATTENTION_WIDTH
        ? this.#attend(q!, k!, v!, options)
        : this.#attendWide(q!, k!, v!, options);
      const heads = tf.reshape(mixed, [batch, this.heads, queries, this.width / this.heads]);
      const rows = tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), [-1, this.width]) as tf.Tensor2D;
      const projected = tf.matMul(rows, this.parameters.get("out_proj.weight") as tf.Tensor2D, false, true);
      const outputBias = this.parameters.get("out_proj.bias");
      return tf.reshape(outputBias ? tf.add(projected, outputBias) : projected, query.shape);
    });
  }

  /** Without the scores in memory. */
  #attend(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, options: AttentionOptions): tf.Tensor3D {
    const { bias } = options;
    const seed = layerDropoutSeed(this.#rate, { ...options, name: "attention" });
    return fusedAttention(q, k, v, {
      ...(bias ? { bias: tf.reshape(bias, [1, ...bias.shape]) as tf.Tensor3D } : {}),
      ...(seed === undefined ? {} : { dropout: this.#rate, seed }),
    });
  }

  /** For heads too wide for the kernel. */
  #attendWide(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, options: AttentionOptions): tf.Tensor3D {
    const scores = tf.matMul(tf.mul(q, 1 / Math.sqrt(q.shape[2])) as tf.Tensor3D, k, false, true);
    const biased = options.bias ? tf.add(scores, options.bias) : scores;
    const weights = tf.softmax(tf.reshape(biased, [-1, k.shape[1]]));
    const dropped = layerDropout(weights, this.#rate, { ...options, name: "attention" });
    return tf.matMul(tf.reshape<tf.Rank.R3>(dropped, scores.shape as [number, number, number]), v);
  }

  /** Query, key and value after the input projection. */
  #project(query: tf.Tensor3D, key: tf.Tensor3D, value: tf.Tensor3D): tf.Tensor3D[] {
    const weight = this.parameters.get("in_proj_weight") as tf.Tensor2D;
    const bias = this.parameters.get("in_proj_bias") as tf.Tensor1D | undefined;
    const inputs = [query, key, value];
    const projected: tf.Tensor3D[] = [];
    for (let first = 0; first < 3;) {
      const input = inputs[first]!;
      let last = first;
      while (inputs[last + 1] === input) last++;
      const parts = last - first + 1;
      const [start, size] = [first * this.width, parts * this.width];
      const rows = tf.reshape(input, [-1, this.width]) as tf.Tensor2D;
      const product = tf.matMul(
        rows,
        parts === 3 ? weight : tf.slice(weight, [start, 0], [size, this.width]),
        false,
        true,
      );
      const shifted = bias ? tf.add(product, parts === 3 ? bias : tf.slice(bias, [start], [size])) : product;
      const pieces = parts === 1 ? [shifted] : tf.split(shifted as tf.Tensor2D, parts, 1);
      projected.push(...pieces.map((piece) => tf.reshape<tf.Rank.R3>(piece, input.shape)));
      first = last + 1;
    }
    return projected;
  }

  /** `[batch, n, width]` → `[batch·heads, n, width/heads]`. */
  #splitHeads(x: tf.Tensor3D): tf.Tensor3D {
    const [batch, n] = x.shape;
    const split = tf.reshape(x, [batch, n, this.heads, this.width / this.heads]);
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [batch * this.heads, n, this.width / this.heads]);
  }

  #check(query: tf.Tensor3D, key: tf.Tensor3D, value: tf.Tensor3D, bias: tf.Tensor2D | undefined): void {
    const refuse = (what: string, got: readonly number[], expected: string): never => {
      throw new RangeError(`Cannot attend: ${what} has the wrong shape: got [${got}], expected ${expected}.`);
    };
    if (query.rank !== 3 || query.shape[2] !== this.width) {
      refuse("query", query.shape, `[batch, queries, ${this.width}]`);
    }
    if (key.rank !== 3 || key.shape[0] !== query.shape[0] || key.shape[2] !== this.width) {
      refuse("key", key.shape, `[${query.shape[0]}, keys, ${this.width}]`);
    }
    if (value.shape.join() !== key.shape.join()) refuse("value", value.shape, `[${key.shape}]`);
    const scores = [query.shape[1], key.shape[1]];
    if (bias && bias.shape.join() !== scores.join()) refuse("bias", bias.shape, `[${scores}]`);
  }
}
