import * as tf from "@tensorflow/tfjs-core";
import { product } from "../_cost.ts";
import { mixHeads } from "../vit/_self_attention.ts";
import { joinWindows, partitionWindows, type WindowPlan } from "./_windows.ts";

/** What is added to the score of two cells that only the roll of the grid made neighbours, as in the published Swin transformers. */
const HIDDEN = -100;

/** How {@linkcode mixWindows} mixes. */
export interface WindowMixing {
  readonly plan: WindowPlan;
  readonly heads: number;
  /** Added to the scores of every window, `[heads, tokens, tokens]`. */
  readonly bias: tf.Tensor3D;
  /** Whether cells that only the roll made neighbours are hidden from each other. Default true. */
  readonly masked?: boolean;
}

/**
 * Attends window by window in a grid that is filled up and rolled. The last windows along a shifted axis hold cells from both ends of the grid,
 * which must not see each other; they are split off, so that one mask serves all windows of a kind and the scores' biases need not be held for
 * every window.
 *
 * @param projected Queries, keys and values of every cell side by side, `[batch, ...plan.padded, 3·width]`.
 * @returns `[batch, ...plan.padded, width]`.
 */
export function mixWindows(projected: tf.Tensor5D, { plan, heads, bias, masked = true }: WindowMixing): tf.Tensor5D {
  const attend = (part: tf.Tensor5D, axis: number, last: readonly boolean[]): tf.Tensor5D => {
    if (axis === 3) return mix(part, { heads, bias, mask: maskOf(plan, last) });
    if (plan.shift[axis] === 0 || !masked) return attend(part, axis + 1, [...last, false]);
    const count = plan.counts[axis]!;
    if (count === 1) return attend(part, axis + 1, [...last, true]);
    const [inner, outer] = tf.split(part, [count - 1, 1], axis + 1) as [tf.Tensor5D, tf.Tensor5D];
    const parts = [attend(inner, axis + 1, [...last, false]), attend(outer, axis + 1, [...last, true])];
    return tf.concat(parts, axis + 1);
  };
  return tf.tidy(() => joinWindows(attend(partitionWindows(projected, plan.window), 0, []), plan.window));
}

/**
 * Looks up the bias of every pair of tokens.
 *
 * @param table `[offsets, heads]`.
 * @param indices Row for each pair, `[tokens, tokens]` in C order.
 * @returns `[heads, tokens, tokens]`.
 */
export function gatherBias(table: tf.Tensor2D, indices: Int32Array): tf.Tensor3D {
  const tokens = Math.sqrt(indices.length);
  return tf.tidy(() => {
    const pairs = tf.gather(table, tf.tensor1d(indices, "int32"));
    return tf.reshape(tf.transpose(pairs), [table.shape[1], tokens, tokens]);
  });
}

interface Mixing extends Pick<WindowMixing, "heads" | "bias"> {
  readonly mask: Float32Array | undefined;
}

function mix(windows: tf.Tensor5D, { heads, bias, mask }: Mixing): tf.Tensor5D {
  const [batch, nd, nh, nw, width] = windows.shape;
  const tokens = bias.shape[1];
  const biased = mask ? tf.add(bias, tf.tensor3d(mask, [1, tokens, tokens])) as tf.Tensor3D : bias;
  const grouped = tf.reshape<tf.Rank.R3>(windows, [batch * nd * nh * nw, tokens, width / tokens]);
  return tf.reshape(mixHeads(grouped, heads, biased), [batch, nd, nh, nw, width / 3]);
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
