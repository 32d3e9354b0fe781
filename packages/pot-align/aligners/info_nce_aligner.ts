import * as tf from "@tensorflow/tfjs-core";
import { checkPairs, diagonalOf, unitRows } from "./_cost.ts";
import type { Aligner, Alignment, Parameters } from "./contract.ts";

/** Options of {@linkcode InfoNceAligner}. */
export interface InfoNceOptions {
  /** Temperature τ > 0. Default 0.07. */
  readonly temperature?: number;
  /** Whether targets are told apart by embeddings too, and the two losses averaged, as in CLIP. Default true. */
  readonly symmetric?: boolean;
}

/** InfoNCE on cosines (van den Oord et al. 2018; symmetric as in Radford et al. 2021): a baseline without transport. */
export class InfoNceAligner implements Aligner {
  /** Empty. */
  readonly parameters: Parameters = new Map();
  readonly #temperature: number;
  readonly #symmetric: boolean;

  /**
   * Makes the loss.
   *
   * @param options Temperature and symmetry.
   * @throws RangeError when the temperature is not positive.
   */
  constructor({ temperature = 0.07, symmetric = true }: InfoNceOptions = {}) {
    if (!(temperature > 0 && Number.isFinite(temperature))) {
      throw new RangeError(
        `Cannot make an InfoNCE aligner: the temperature is out of range: got ${temperature}, expected a positive number.`,
      );
    }
    this.#temperature = temperature;
    this.#symmetric = symmetric;
  }

  /**
   * Computes the loss of a batch.
   *
   * @param embeddings `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @param targets `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @returns The loss; the caller disposes. There is no plan.
   * @throws RangeError when the shapes differ.
   */
  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment {
    checkPairs(embeddings, targets);
    return tf.tidy(() => {
      const cosines = tf.matMul(unitRows(embeddings), unitRows(targets), false, true);
      const logits = tf.div(cosines, this.#temperature) as tf.Tensor2D;
      const own = tf.mean(diagonalOf(logits));
      const among = (axis: number): tf.Tensor => tf.sub(tf.mean(tf.logSumExp(logits, axis)), own);
      const loss = this.#symmetric ? tf.mul(0.5, tf.add(among(1), among(0))) : among(1);
      return { loss: loss as tf.Scalar };
    });
  }
}
