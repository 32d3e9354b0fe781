import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, LayerNorm, Mlp, type Module, type Parameters } from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost } from "../_cost.ts";
import { SelfAttention } from "./_self_attention.ts";
import { costOfLinear, costOfSelfAttention } from "./_token_cost.ts";

/** Options of {@linkcode TransformerBlock}. */
export interface TransformerBlockOptions {
  readonly heads: number;
  readonly mlpWidth: number;
  readonly qkvBias: boolean;
  readonly random: Random;
}

/** Pre-norm transformer block: attention and two linear layers with a GELU, each on a normalised copy and added to what came in. */
export class TransformerBlock implements Module {
  readonly parameters: Parameters;
  readonly #norm1: LayerNorm;
  readonly #attention: SelfAttention;
  readonly #norm2: LayerNorm;
  readonly #mlp: Mlp;
  readonly #mlpWidth: number;

  constructor(readonly width: number, options: TransformerBlockOptions) {
    const { heads, mlpWidth, qkvBias, random } = options;
    this.#mlpWidth = mlpWidth;
    this.#mlp = new Mlp(width, mlpWidth, { layerNames: ["linear1", "linear2"], random });
    this.#norm1 = new LayerNorm(width);
    this.#attention = new SelfAttention(width, heads, { qkvBias, outName: "out_proj", random });
    this.#norm2 = new LayerNorm(width);
    this.parameters = joinParameters({
      mlp: this.#mlp.parameters,
      norm1: this.#norm1.parameters,
      attn: this.#attention.parameters,
      norm2: this.#norm2.parameters,
    });
  }

  /** `[batch, tokens, width]` → the same. */
  apply(x: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => {
      const attended = tf.add(x, this.#attention.apply(this.#norm1.apply(x))) as tf.Tensor3D;
      return tf.add(attended, this.#mlp.apply(this.#norm2.apply(attended)));
    });
  }

  /** Estimates the cost of one volume of so many tokens. */
  cost(tokens: number): Cost {
    return addCosts([
      costOfSelfAttention(1, tokens, this.width),
      costOfLinear(tokens, this.width, this.#mlpWidth),
      costOfLinear(tokens, this.#mlpWidth, this.width),
    ]);
  }
}
