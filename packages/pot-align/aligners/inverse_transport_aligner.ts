import * as tf from "@tensorflow/tfjs-core";
import { detached } from "../tensors/_detached.ts";
import { logTransportPlan } from "../tensors/log_transport_plan.ts";
import { settleOptions, type TransportGradient } from "../tensors/transport_options.ts";
import { checkPairs, diagonalOf, relativeCosts } from "./_cost.ts";
import type { Aligner, Alignment, Parameters } from "./contract.ts";
import { createMetric, type Metric } from "./metric.ts";

/** Options that all transport aligners share. */
export interface TransportAlignerOptions {
  /** Regularisation ε, on the scale of costs in [0, 1]. Default 0.03. */
  readonly epsilon?: number;
  /** Most Sinkhorn iterations per problem. Default 500. */
  readonly iterations?: number;
  /** Change of a potential, in units of ε, at which a problem stops. Default 1e-5. */
  readonly tolerance?: number;
  /** How distances are measured; its parameters are trained. Default Euclidean. */
  readonly metric?: Metric;
  /** How the gradient passes through the transport problem. Default `implicit`. */
  readonly gradient?: TransportGradient;
}

/** Options of {@linkcode InverseTransportAligner}. */
export interface InverseTransportOptions extends TransportAlignerOptions {
  /** Mass to move, in (0, 1]; 0.95 as released. Default: nothing, which is balanced transport. */
  readonly mass?: number;
}

/**
 * Inverse optimal transport: the pairs of the batch should be what transport finds, `L = −(1/B) Σ_i log π_ii`.
 *
 * Balanced, the gradient with respect to the cost is `(π̂ − π)/ε` with `π̂ = I/B`. With `mass` it is the loss as released with
 * Med3DInsight, where a pair that the partial plan drops gets the largest gradient; see {@linkcode PlanWeightedAligner}.
 */
export class InverseTransportAligner implements Aligner {
  /** Parameters of the metric. */
  readonly parameters: Parameters;
  readonly #metric: Metric;
  readonly #options: Omit<InverseTransportOptions, "metric">;

  /**
   * Makes the loss.
   *
   * @param options ε, mass, iterations, metric and how the gradient passes.
   * @throws RangeError when an option is out of range.
   */
  constructor({ metric = createMetric("none"), ...options }: InverseTransportOptions = {}) {
    settleOptions([1, 1, 1], options);
    this.#options = options;
    this.#metric = metric;
    this.parameters = metric.parameters;
  }

  /**
   * Computes the loss of a batch.
   *
   * @param embeddings `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @param targets `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @returns The loss and the plan, detached; the caller disposes.
   * @throws RangeError when the shapes differ.
   */
  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment {
    checkPairs(embeddings, targets);
    return tf.tidy(() => {
      const logPlan = logTransportPlan(relativeCosts(embeddings, targets, this.#metric), this.#options);
      return { loss: tf.neg(tf.mean(diagonalOf(logPlan))) as tf.Scalar, plan: tf.exp(detached(logPlan)) };
    });
  }
}
