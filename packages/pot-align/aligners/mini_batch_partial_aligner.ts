import * as tf from "@tensorflow/tfjs-core";
import { detached } from "../tensors/_detached.ts";
import { logTransportPlan } from "../tensors/log_transport_plan.ts";
import { settleOptions } from "../tensors/transport_options.ts";
import { checkPairs, relativeCosts } from "./_cost.ts";
import type { Aligner, Alignment, Parameters } from "./contract.ts";
import type { TransportAlignerOptions } from "./inverse_transport_aligner.ts";
import { createMetric, type Metric } from "./metric.ts";

/** Options of {@linkcode MiniBatchPartialAligner}. */
export interface MiniBatchPartialOptions extends Omit<TransportAlignerOptions, "gradient"> {
  /** Mass to move in each mini-batch, in (0, 1]. Default 0.95. */
  readonly mass?: number;
  /** Mini-batches that a batch is cut into, in order; a batch that cannot be cut evenly is not cut. Default 2. */
  readonly miniBatches?: number;
}

/**
 * Mini-batch partial optimal transport, m-POT (Nguyen et al. 2022): `⟨π, C⟩` with the plan detached, averaged over all pairs of an
 * embedding mini-batch and a target mini-batch.
 *
 * It aligns two sets as distributions; which target belongs to which embedding is not used.
 */
export class MiniBatchPartialAligner implements Aligner {
  /** Parameters of the metric. */
  readonly parameters: Parameters;
  readonly #metric: Metric;
  readonly #miniBatches: number;
  readonly #options: Omit<TransportAlignerOptions, "metric" | "gradient"> & { readonly mass: number };

  /**
   * Makes the loss.
   *
   * @param options ε, mass, iterations, metric and number of mini-batches.
   * @throws RangeError when an option is out of range.
   */
  constructor(options: MiniBatchPartialOptions = {}) {
    const { metric = createMetric("none"), miniBatches = 2, mass = 0.95, ...rest } = options;
    if (!Number.isInteger(miniBatches) || miniBatches < 1) {
      throw new RangeError(
        `Cannot make an m-POT aligner: miniBatches is out of range: got ${miniBatches}, expected a positive integer.`,
      );
    }
    this.#options = { mass, ...rest };
    settleOptions([1, 1, 1], this.#options);
    this.#miniBatches = miniBatches;
    this.#metric = metric;
    this.parameters = metric.parameters;
  }

  /**
   * Computes the loss of a batch.
   *
   * @param embeddings `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @param targets `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @returns The loss, without a plan: there is none over the whole batch. The caller disposes.
   * @throws RangeError when the shapes differ.
   */
  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment {
    checkPairs(embeddings, targets);
    return tf.tidy(() => {
      const parts = embeddings.shape[0] % this.#miniBatches === 0 ? this.#miniBatches : 1;
      const cut = (rows: tf.Tensor2D): tf.Tensor2D[] => (parts === 1 ? [rows] : tf.split(rows, parts)); // split into one has no gradient
      const left = cut(embeddings);
      const right = cut(targets);
      const costs = tf.stack(
        left.flatMap((some) => right.map((others) => relativeCosts(some, others, this.#metric))),
      ) as tf.Tensor3D;
      const plans = tf.exp(logTransportPlan(detached(costs), this.#options));
      return { loss: tf.div(tf.sum(tf.mul(plans, costs)), parts * parts) as tf.Scalar };
    });
  }
}
