import {
  joinParameters,
  layerDropout,
  LayerNorm,
  Mlp,
  MultiHeadAttention,
  type Parameters,
  type StochasticOptions,
} from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { CrossAttention, type Memory } from "./_cross_attention.ts";

/** One post-norm layer, with the names and arithmetic of `torch.nn.TransformerDecoderLayer` (ReLU). */
export class DecoderLayer {
  /** `self_attn.…`, `multihead_attn.…`, `linear1.…`, `linear2.…`, `norm1.…`, `norm2.…`, `norm3.…`. */
  readonly parameters: Parameters;
  readonly #selfAttention: MultiHeadAttention;
  readonly #crossAttention: CrossAttention;
  readonly #feedForward: Mlp;
  readonly #norms: readonly [LayerNorm, LayerNorm, LayerNorm];
  readonly #rate: number;

  constructor(width: number, options: { heads: number; feedForward: number; dropout: number; random: Random }) {
    const { heads, feedForward, dropout, random } = options;
    this.#selfAttention = new MultiHeadAttention(width, heads, { dropout, random });
    this.#crossAttention = new CrossAttention(width, heads, { dropout, random });
    this.#feedForward = new Mlp(width, feedForward, {
      activation: "relu",
      dropout,
      layerNames: ["linear1", "linear2"],
      random,
    });
    this.#norms = [new LayerNorm(width), new LayerNorm(width), new LayerNorm(width)];
    this.#rate = dropout;
    const [norm1, norm2, norm3] = this.#norms;
    this.parameters = joinParameters({
      self_attn: this.#selfAttention.parameters,
      multihead_attn: this.#crossAttention.parameters,
      "": this.#feedForward.parameters,
      norm1: norm1.parameters,
      norm2: norm2.parameters,
      norm3: norm3.parameters,
    });
  }

  /**
   * Updates the first `readers` queries; they attend to all.
   *
   * @param x Queries of each slot `[batch·slots, queries, width]`; stay the caller's.
   * @returns `[batch·slots, readers, width]`; the caller disposes. Gradients flow.
   */
  apply(x: tf.Tensor3D, memory: Memory, options: StochasticOptions & { readers: number }): tf.Tensor3D {
    const { training = false, seed, readers } = options;
    const [groups, queries, width] = x.shape;
    const stochastic = (part: string): StochasticOptions =>
      seed === undefined ? { training } : { training, seed: `${seed}/${part}` };
    const [norm1, norm2, norm3] = this.#norms;
    return tf.tidy(() => {
      const reading = readers === queries ? x : tf.slice(x, [0, 0, 0], [groups, readers, width]);
      const drop = (branch: tf.Tensor3D, part: string): tf.Tensor3D =>
        layerDropout(branch, this.#rate, { ...stochastic(part), name: "branch" });
      const own = drop(this.#selfAttention.apply(reading, x, x, stochastic("self")), "self");
      const afterSelf = norm1.apply(tf.add(reading, own) as tf.Tensor3D);
      const seen = drop(this.#crossAttention.apply(afterSelf, memory, stochastic("cross")), "cross");
      const afterCross = norm2.apply(tf.add(afterSelf, seen) as tf.Tensor3D);
      return norm3.apply(
        tf.add(afterCross, this.#feedForward.apply(afterCross, stochastic("feedForward"))) as tf.Tensor3D,
      );
    });
  }
}
