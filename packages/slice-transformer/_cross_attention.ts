import { dropout, layerDropoutSeed, MultiHeadAttention, type Parameters, type StochasticOptions } from "@med3d/nn";
import { fusedAttention, MOST_ATTENTION_WIDTH } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";

/** What the slots of all volumes attend to. */
export interface Memory {
  /** Tokens of all volumes without the plane and slice codes, `[batch·tokens, width]`. */
  readonly rows: tf.Tensor2D;
  /** Volumes. */
  readonly batch: number;
  /** Code of each slot, `[batch·slots, width]`; it counts as added to every token of the slot's volume. Undefined adds nothing. */
  readonly codes: tf.Tensor2D | undefined;
}

/** What attention gives, and under dropout what is left of the sum of each query's weights. */
interface Mixture {
  /** `[groups, queries, width]`. */
  readonly mixed: tf.Tensor3D;
  /** `[groups, queries, 1]`; undefined where the weights add up to 1. */
  readonly shares: tf.Tensor3D | undefined;
}

/** Columns that the shares take: one, widened to four where rows are read by fours. */
const shareColumns = (width: number): number => width % 4 === 0 ? 4 : 1;

/** Attends without the scores in memory. The shares come out as a further column of the values, which holds ones. */
function attend(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, drop?: { dropout: number; seed: number }): Mixture {
  if (!drop) return { mixed: fusedAttention(q, k, v), shares: undefined };
  const [groups, queries, width] = q.shape;
  const widen = (x: tf.Tensor3D, first: number): tf.Tensor3D => {
    const columns = Array.from({ length: shareColumns(width) }, (_, i) => i === 0 ? first : 0);
    return tf.concat([x, tf.tile(tf.tensor3d(columns, [1, 1, columns.length]), [groups, x.shape[1], 1])], 2);
  };
  const both = fusedAttention(widen(q, 0), widen(k, 0), widen(v, 1), { scale: 1 / Math.sqrt(width), ...drop });
  return {
    mixed: tf.slice(both, [0, 0, 0], [groups, queries, width]),
    shares: tf.slice(both, [0, 0, width], [groups, queries, 1]),
  };
}

/** The same for heads too wide for the kernel. */
function attendWide(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  drop?: { dropout: number; seed: number },
): Mixture {
  const weights = tf.softmax(tf.matMul(tf.mul(q, 1 / Math.sqrt(q.shape[2])) as tf.Tensor3D, k, false, true));
  if (!drop) return { mixed: tf.matMul(weights as tf.Tensor3D, v), shares: undefined };
  const dropped = dropout(weights, drop.dropout, { seed: `${drop.seed}` }) as tf.Tensor3D;
  return { mixed: tf.matMul(dropped, v), shares: tf.sum(dropped, 2, true) };
}

/**
 * Attention of queries to their volume's tokens, each with the code c of the question added: equal to `torch.nn.MultiheadAttention` on keys
 * and values m + c, with its parameters. Keys and values are projected once per volume, because
 *
 * - W_k(m + c) = W_k·m + W_k·c, and the second part adds the same to all scores of a query, which the softmax cancels;
 * - Σ a·W_v(m + c) = Σ a·W_v·m + (Σ a)·W_v·c, where Σ a is 1 but under dropout.
 */
export class CrossAttention {
  /** As `torch.nn.MultiheadAttention` names them. */
  readonly parameters: Parameters;
  readonly #width: number;
  readonly #heads: number;
  readonly #rate: number;

  constructor(width: number, heads: number, options: { dropout: number; random: Random }) {
    this.parameters = new MultiHeadAttention(width, heads, { random: options.random }).parameters;
    this.#width = width;
    this.#heads = heads;
    this.#rate = options.dropout;
  }

  /**
   * Mixes the memory for every query.
   *
   * @param x Queries `[batch·slots, queries, width]`; stay the caller's.
   * @returns `[batch·slots, queries, width]`; the caller disposes. Gradients flow to queries, tokens, codes and parameters.
   */
  apply(x: tf.Tensor3D, memory: Memory, options: StochasticOptions): tf.Tensor3D {
    const [groups, queries] = x.shape;
    const { rows, batch, codes } = memory;
    const [width, heads] = [this.#width, this.#heads];
    const headWidth = width / heads;
    return tf.tidy(() => {
      const q = this.#splitHeads(this.#project(tf.reshape(x, [-1, width]), 0, 1), batch);
      const [k, v] = (tf.split(this.#project(rows, 1, 2), 2, 1) as tf.Tensor2D[]).map((part) =>
        this.#splitHeads(part, batch)
      );
      const seed = layerDropoutSeed(this.#rate, { ...options, name: "attention" });
      const fits = headWidth + shareColumns(headWidth) <= MOST_ATTENTION_WIDTH;
      const drop = seed === undefined ? undefined : { dropout: this.#rate, seed };
      const mixture = (fits ? attend : attendWide)(q, k!, v!, drop);
      const whole = codes ? this.#addCodes(mixture, codes, batch) : mixture.mixed;
      const merged = tf.transpose(tf.reshape(whole, [batch, heads, -1, headWidth]), [0, 2, 1, 3]);
      const product = tf.matMul(tf.reshape(merged, [-1, width]), this.#parameter("out_proj.weight"), false, true);
      return tf.reshape(tf.add(product, this.#parameter("out_proj.bias")), [groups, queries, width]);
    });
  }

  /** Adds to each slot's mixture what its code, on every token, adds to the values; `[batch·heads, slots, queries, width/heads]`. */
  #addCodes({ mixed, shares }: Mixture, codes: tf.Tensor2D, batch: number): tf.Tensor {
    const [width, heads] = [this.#width, this.#heads];
    const slots = codes.shape[0] / batch;
    const valueWeight = tf.slice(this.#parameter("in_proj_weight"), [2 * width, 0], [width, width]) as tf.Tensor2D;
    const perSlot = [batch * heads, slots, 1, width / heads];
    const valueCodes = tf.reshape(this.#splitHeads(tf.matMul(codes, valueWeight, false, true), batch), perSlot);
    const bySlot = (x: tf.Tensor3D): tf.Tensor => tf.reshape(x, [batch * heads, slots, -1, x.shape[2]]);
    return tf.add(bySlot(mixed), shares ? tf.mul(bySlot(shares), valueCodes) : valueCodes);
  }

  /** Applies `count` of the three input projections, from the `first` on, to rows. */
  #project(rows: tf.Tensor2D, first: number, count: number): tf.Tensor2D {
    const [begin, size] = [first * this.#width, count * this.#width];
    const weight = tf.slice(this.#parameter("in_proj_weight"), [begin, 0], [size, this.#width]) as tf.Tensor2D;
    return tf.add(tf.matMul(rows, weight, false, true), tf.slice(this.#parameter("in_proj_bias"), [begin], [size]));
  }

  /** `[batch·n, width]` → `[batch·heads, n, width/heads]`. */
  #splitHeads(rows: tf.Tensor2D, batch: number): tf.Tensor3D {
    const n = rows.shape[0] / batch;
    const headWidth = this.#width / this.#heads;
    const split = tf.transpose(tf.reshape(rows, [batch, n, this.#heads, headWidth]), [0, 2, 1, 3]);
    return tf.reshape(split, [batch * this.#heads, n, headWidth]);
  }

  #parameter(name: string): tf.Tensor2D {
    return this.parameters.get(name) as unknown as tf.Tensor2D;
  }
}
