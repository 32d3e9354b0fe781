import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, Linear, type Module, type Parameters } from "@med3d/nn";
import { fusedAttention } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { checkHeads } from "./_checks.ts";

/** Options of {@linkcode SelfAttention}. */
export interface SelfAttentionOptions {
  /** Whether queries, keys and values have biases; the output always has. */
  readonly qkvBias: boolean;
  /** Name of the output projection: `out_proj` in MONAI's ViT, `proj` in its Swin transformer. */
  readonly outName: string;
  /** Source of the initial values, as PyTorch's linear layers. */
  readonly random: Random;
}

/** Self-attention with one projection `qkv` for queries, keys and values, in steps so that windows can be mixed apart from each other. */
export class SelfAttention implements Module {
  readonly parameters: Parameters;
  readonly #qkv: Linear;
  readonly #out: Linear;

  constructor(readonly width: number, readonly heads: number, options: SelfAttentionOptions) {
    const { qkvBias, outName, random } = options;
    checkHeads("make a self-attention", width, heads);
    this.#qkv = new Linear(width, 3 * width, { bias: qkvBias, random });
    this.#out = new Linear(width, width, { random });
    this.parameters = joinParameters({ qkv: this.#qkv.parameters, [outName]: this.#out.parameters });
  }

  /** Attends within each group of tokens: `[groups, tokens, width]` → the same. */
  apply(x: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => this.projectOut(mixHeads(this.project(x), this.heads)));
  }

  /** `[..., width]` → `[..., 3·width]`. */
  project<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    return this.#qkv.apply(x);
  }

  /** `[..., width]` → `[..., width]`. */
  projectOut<R extends tf.Rank>(x: tf.Tensor<R>): tf.Tensor<R> {
    return this.#out.apply(x);
  }
}

/**
 * Mixes values head by head.
 *
 * @param projected Queries, keys and values side by side, `[groups, tokens, 3·width]`.
 * @param bias `[heads, tokens, tokens]`, added to the scores of every group.
 * @returns `[groups, tokens, width]`.
 */
export function mixHeads(projected: tf.Tensor3D, heads: number, bias?: tf.Tensor3D): tf.Tensor3D {
  const [groups, tokens, channels] = projected.shape;
  const headWidth = channels / 3 / heads;
  return tf.tidy(() => {
    const [q, k, v] = tf.split(projected, 3, 2).map((x) => {
      const parts = tf.transpose(tf.reshape(x, [groups, tokens, heads, headWidth]), [0, 2, 1, 3]);
      return tf.reshape<tf.Rank.R3>(parts, [groups * heads, tokens, headWidth]);
    });
    const mixed = tf.reshape(fusedAttention(q!, k!, v!, bias ? { bias } : {}), [groups, heads, tokens, headWidth]);
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [groups, tokens, channels / 3]);
  });
}
