import * as tf from "@tensorflow/tfjs-core";
import { createParameter, joinParameters, type Module, type Parameters, type Triple, truncatedNormal } from "@med3d/nn";
import type { Random } from "random";
import { type Cost, product } from "../_cost.ts";
import { SelfAttention } from "../vit/_self_attention.ts";
import { costOfSelfAttention } from "../vit/_token_cost.ts";
import { gatherBias, mixWindows } from "./_mix_windows.ts";
import { cutOff, fillUp, planWindows, rollGrid } from "./_windows.ts";
import { relativePositions } from "./relative_positions.ts";

/** Options of {@linkcode WindowAttention}. */
export interface WindowAttentionOptions {
  readonly heads: number;
  readonly windowSize: Triple;
  readonly shifted: boolean;
  readonly qkvBias: boolean;
  readonly random: Random;
}

/** Self-attention within shifted windows of a grid, with a learned bias for each relative position. */
export class WindowAttention implements Module {
  readonly parameters: Parameters;
  readonly #attention: SelfAttention;
  readonly #table: tf.Variable;
  readonly #options: WindowAttentionOptions;

  constructor(width: number, options: WindowAttentionOptions) {
    const { heads, windowSize, qkvBias, random } = options;
    this.#options = options;
    const rows = windowSize.reduce((product, n) => product * (2 * n - 1), 1);
    this.#table = createParameter(truncatedNormal(rows * heads, { deviation: 0.02, random }), [rows, heads]);
    this.#attention = new SelfAttention(width, heads, { qkvBias, outName: "proj", random });
    this.parameters = joinParameters({
      "": new Map([["relative_position_bias_table", this.#table], ...this.#attention.parameters]),
    });
  }

  /** `[batch, d, h, w, width]` → the same. */
  apply(x: tf.Tensor5D): tf.Tensor5D {
    const size: Triple = [x.shape[1], x.shape[2], x.shape[3]];
    const { heads, windowSize, shifted } = this.#options;
    const plan = planWindows(size, windowSize, shifted);
    const [sd, sh, sw] = plan.shift;
    return tf.tidy(() => {
      const rolled = rollGrid(fillUp(x, plan.padded), [-sd, -sh, -sw]);
      const bias = gatherBias(this.#table as tf.Tensor2D, relativePositions(windowSize, product(plan.window)));
      const mixed = mixWindows(this.#attention.project(rolled), { plan, heads, bias });
      return this.#attention.projectOut(cutOff(rollGrid(mixed, plan.shift), size));
    });
  }

  /** Estimates the cost of one grid; projections inside reach over what fills it up. */
  cost(size: Triple): Cost {
    const { counts, window, padded } = planWindows(size, this.#options.windowSize, this.#options.shifted);
    const { width } = this.#attention;
    const all = costOfSelfAttention(product(counts), product(window), width);
    const filled = product(padded) - product(size); // is cut off before the last projection
    return {
      multiplyAdds: all.multiplyAdds - filled * width * width,
      featureMapElements: all.featureMapElements - filled * width,
    };
  }
}
