import * as tf from "@tensorflow/tfjs-core";
import { checkPairs, detached, relativeCosts } from "./_cost.ts";
import type { Aligner, Alignment, Parameters } from "./contract.ts";
import type { TransportAlignerOptions } from "./inverse_transport_aligner.ts";
import { logTransportPlan } from "./log_transport_plan.ts";
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
  readonly #options: MiniBatchPartialOptions;

  /**
   * @param options ε, mass, iterations, metric and number of mini-batches.
   * @throws RangeError when the number of mini-batches is not a positive integer.
   */
  constructor(options: MiniBatchPartialOptions = {}) {
    const { miniBatches = 2 } = options;
    if (!Number.isInteger(miniBatches) || miniBatches < 1) {
      throw new RangeError(
        `Cannot make an m-POT aligner: miniBatches is out of range: got ${miniBatches}, expected a positive integer.`,
      );
    }
    this.#options = options;
    this.#metric = options.metric ?? createMetric("none");
    this.parameters = this.#metric.parameters;
  }

  /**
   * Computes the loss of a batch.
   *
   * @param embeddings `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @param targets `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @returns The loss; the plan of the whole batch is not computed. The caller disposes.
   * @throws RangeError when the shapes differ.
   */
  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment {
    checkPairs(embeddings, targets);
    const { mass = 0.95, miniBatches = 2, epsilon = 0.03, iterations = 200 } = this.#options;
    const parts = embeddings.shape[0] % miniBatches === 0 ? miniBatches : 1;
    const left = tf.split(embeddings, parts) as tf.Tensor2D[];
    const right = tf.split(targets, parts) as tf.Tensor2D[];
    const losses = left.flatMap((some) =>
      right.map((others) => {
        const costs = relativeCosts(some, others, this.#metric);
        const plan = tf.exp(logTransportPlan(detached(costs), { mass, epsilon, iterations }));
        return tf.sum(tf.mul(plan, costs));
      })
    );
    return { loss: tf.div(tf.addN(losses), losses.length) as tf.Scalar };
  }
}
