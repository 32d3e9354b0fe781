import * as tf from "@tensorflow/tfjs-core";
import { createParameter, joinParameters, type Module, type Parameters, type Triple, truncatedNormal } from "@med3d/nn";
import type { Random } from "random";
import { type Cost, product } from "../_cost.ts";
import { SelfAttention } from "../vit/_self_attention.ts";
import { costOfSelfAttention } from "../vit/_token_cost.ts";
import { cutOff, fillUp, joinWindows, partitionWindows, planWindows, rollGrid, type WindowPlan } from "./_windows.ts";
import { relativePositions } from "./relative_positions.ts";

/** Options of {@linkcode WindowAttention}. */
export interface WindowAttentionOptions {
  readonly heads: number;
  readonly windowSize: Triple;
  readonly shifted: boolean;
  readonly qkvBias: boolean;
  readonly random: Random;
}

/** What MONAI adds to the score of two cells that only the roll of the grid made neighbours. */
const HIDDEN = -100;

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
    const { windowSize, shifted } = this.#options;
    const plan = planWindows(size, windowSize, shifted);
    const [sd, sh, sw] = plan.shift;
    return tf.tidy(() => {
      const rolled = rollGrid(fillUp(x, plan.padded), [-sd, -sh, -sw]);
      const mixed = this.#attend(partitionWindows(this.#attention.project(rolled), plan.window), plan);
      const back = rollGrid(joinWindows(mixed, plan.window), plan.shift);
      return this.#attention.projectOut(cutOff(back, size));
    });
  }

  /**
   * Attends window by window. The last windows along a shifted axis hold cells from both ends of the grid, which must not see each other; they
   * are split off, so that one mask serves all windows of a kind and the scores' biases need not be held for every window.
   */
  #attend(windows: tf.Tensor5D, plan: WindowPlan): tf.Tensor5D {
    const bias = this.#relativeBias(product(plan.window));
    const attend = (part: tf.Tensor5D, axis: number, last: readonly boolean[]): tf.Tensor5D => {
      if (axis === 3) return this.#mix(part, bias, maskOf(plan, last));
      const count = plan.counts[axis]!;
      if (plan.shift[axis] === 0) return attend(part, axis + 1, [...last, false]);
      const [inner, outer] = tf.split(part, [count - 1, 1], axis + 1) as [tf.Tensor5D, tf.Tensor5D];
      const parts = [attend(inner, axis + 1, [...last, false]), attend(outer, axis + 1, [...last, true])];
      return tf.concat(parts, axis + 1);
    };
    return attend(windows, 0, []);
  }

  #mix(windows: tf.Tensor5D, bias: tf.Tensor3D, mask: Float32Array | undefined): tf.Tensor5D {
    const [batch, nd, nh, nw, width] = windows.shape;
    const tokens = bias.shape[1];
    const biased = mask ? tf.add(bias, tf.tensor3d(mask, [1, tokens, tokens])) as tf.Tensor3D : bias;
    const grouped = tf.reshape<tf.Rank.R3>(windows, [batch * nd * nh * nw, tokens, width / tokens]);
    return tf.reshape(this.#attention.mix(grouped, biased), [batch, nd, nh, nw, width / 3]);
  }

  /** `[heads, tokens, tokens]`. */
  #relativeBias(tokens: number): tf.Tensor3D {
    const { heads, windowSize } = this.#options;
    const indices = tf.tensor1d(relativePositions(windowSize, tokens), "int32");
    const pairs = tf.gather(this.#table as tf.Tensor2D, indices);
    return tf.reshape(tf.transpose(pairs), [heads, tokens, tokens]);
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

/** What is added to the scores of windows that are last along the axes told, `[tokens, tokens]`; undefined when nothing. */
function maskOf({ window, shift }: WindowPlan, last: readonly boolean[]): Float32Array | undefined {
  if (!last.some(Boolean)) return undefined;
  const [, wh, ww] = window;
  const tokens = product(window);
  const region = Array.from({ length: tokens }, (_, token) => {
    const place = [Math.floor(token / (wh * ww)), Math.floor(token / ww) % wh, token % ww];
    return place.reduce((id, at, axis) => 2 * id + Number(last[axis]! && at >= window[axis]! - shift[axis]!), 0);
  });
  return Float32Array.from(
    { length: tokens * tokens },
    (_, i) => region[Math.floor(i / tokens)] === region[i % tokens] ? 0 : HIDDEN,
  );
}
