import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { checkPositiveInteger } from "./_check.ts";
import { normal } from "./initialisers.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode Embedding}. */
export interface EmbeddingOptions {
  /** Source of the initial values: N(0, 1), as PyTorch. */
  readonly random: Random;
}

/** A table of learned vectors, looked up by index. Parameter `weight` `[count, width]`, as `torch.nn.Embedding`. */
export class Embedding implements Module {
  /** Number of vectors. */
  readonly count: number;
  /** Width of a vector. */
  readonly width: number;
  /** `weight`. */
  readonly parameters: Parameters;
  readonly #weight: tf.Variable;

  /**
   * Makes the table.
   *
   * @throws RangeError when count or width is not a positive integer.
   */
  constructor(count: number, width: number, options: EmbeddingOptions) {
    checkPositiveInteger("make an Embedding", "the number of vectors", count);
    checkPositiveInteger("make an Embedding", "the width", width);
    this.count = count;
    this.width = width;
    this.#weight = createParameter(normal(count * width, options), [count, width]);
    this.parameters = new Map([["weight", this.#weight]]);
  }

  /**
   * Looks vectors up.
   *
   * @param indices Integers in [0, count); an index may come more than once.
   * @returns `[indices.length, width]` float32; the caller disposes. Gradients flow to the table and add up per index.
   * @throws RangeError when there is no index, or one is not an integer in [0, count).
   */
  apply(indices: readonly number[]): tf.Tensor2D {
    const wrong = indices.find((index) => !Number.isSafeInteger(index) || index < 0 || index >= this.count);
    if (wrong !== undefined || indices.length === 0) {
      throw new RangeError(
        `Cannot look up embeddings: ${wrong === undefined ? "no index" : "an index is outside the table"}: ` +
          `got ${wrong ?? "[]"}, expected integers in [0, ${this.count}).`,
      );
    }
    return tf.tidy(() => tf.gather(this.#weight as tf.Tensor2D, tf.tensor1d([...indices], "int32")));
  }
}
