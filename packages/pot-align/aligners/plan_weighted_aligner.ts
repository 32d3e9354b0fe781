import * as tf from "@tensorflow/tfjs-core";
import { detached } from "../tensors/_detached.ts";
import { logTransportPlan } from "../tensors/log_transport_plan.ts";
import { settleOptions } from "../tensors/transport_options.ts";
import { checkPairs, diagonalOf, relativeCosts, unitRows } from "./_cost.ts";
import type { Alignment, BufferedAligner, Parameters } from "./contract.ts";
import type { TransportAlignerOptions } from "./inverse_transport_aligner.ts";
import { createMetric, type Metric } from "./metric.ts";

/** Options of {@linkcode PlanWeightedAligner}. */
export interface PlanWeightedOptions extends TransportAlignerOptions {
  /**
   * Mass that the partial plan moves: a number in (0, 1], or `adaptive`, which follows the share of pairs that are each other's
   * nearest in the batch. At 1 the partial plan is the balanced one, which then is solved once. Default `adaptive`.
   */
  readonly mass?: number | "adaptive";
}

/** Bounds of an adaptive mass. */
const [SMALLEST_MASS, GREATEST_MASS] = [0.1, 0.95];
/** Share of the old value that the moving average keeps per batch. */
const MEMORY = 0.95;

/**
 * Inverse optimal transport that believes each pair as far as a partial plan does:
 * `w_i = clip(B · π^partial_ii, 0, 1)`, detached, and `L = −Σ w_i log π^balanced_ii / Σ w`.
 *
 * A wrong caption is left unmatched by the partial plan and so hardly pulls, while in the released loss it pulls hardest.
 */
export class PlanWeightedAligner implements BufferedAligner {
  /** Parameters of the metric. */
  readonly parameters: Parameters;
  /** `mass`: the moving average behind an adaptive mass, scalar; not trained, but part of a checkpoint. Empty for a fixed mass. */
  readonly buffers: Parameters;
  readonly #metric: Metric;
  readonly #mass: number | tf.Variable;
  readonly #options: Omit<TransportAlignerOptions, "metric">;

  /**
   * Makes the loss; an adaptive mass starts at 0.95.
   *
   * @param options ε, mass, iterations, metric and how the gradient passes.
   * @throws RangeError when an option is out of range.
   */
  constructor({ mass = "adaptive", metric = createMetric("none"), ...options }: PlanWeightedOptions = {}) {
    settleOptions([1, 1, 1], mass === "adaptive" ? options : { ...options, mass });
    this.#options = options;
    this.#metric = metric;
    this.parameters = metric.parameters;
    this.#mass = mass === "adaptive" ? tf.tidy(() => tf.variable(tf.scalar(GREATEST_MASS), false)) : mass;
    this.buffers = new Map(typeof this.#mass === "number" ? [] : [["mass", this.#mass]]);
  }

  /**
   * Computes the loss of a batch. An adaptive mass moves on with each call, on the device.
   *
   * @param embeddings `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @param targets `[batch, width]` float32; normalised inside; stays the caller's. Gradients flow.
   * @returns The loss and the partial plan, detached; the caller disposes.
   * @throws RangeError when the shapes differ.
   */
  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment {
    checkPairs(embeddings, targets);
    return tf.tidy(() => {
      if (typeof this.#mass !== "number") this.#moveMass(embeddings, targets, this.#mass);
      const costs = relativeCosts(embeddings, targets, this.#metric);
      const logBalanced = logTransportPlan(costs, this.#options);
      const plan = this.#mass === 1 ? tf.exp(detached(logBalanced)) as tf.Tensor2D : this.#partialPlan(costs);
      const belief = tf.clipByValue(tf.mul(diagonalOf(plan), embeddings.shape[0]), 0, 1);
      const own = diagonalOf(logBalanced);
      const loss = tf.neg(tf.div(tf.sum(tf.mul(belief, own)), tf.add(tf.sum(belief), 1e-6))) as tf.Scalar;
      return { loss, plan };
    });
  }

  /**
   * Computes the partial plan of a batch without moving an adaptive mass on: for looking, not for training.
   *
   * @param embeddings `[batch, width]` float32; stays the caller's.
   * @param targets `[batch, width]` float32; stays the caller's.
   * @returns `[batch, batch]`, without gradient; the caller disposes.
   * @throws RangeError when the shapes differ.
   */
  plan(embeddings: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor2D {
    checkPairs(embeddings, targets);
    return tf.tidy(() => this.#partialPlan(relativeCosts(embeddings, targets, this.#metric)));
  }

  #partialPlan(costs: tf.Tensor2D): tf.Tensor2D {
    const mass = typeof this.#mass === "number"
      ? this.#mass
      : tf.clipByValue(this.#mass as tf.Tensor, SMALLEST_MASS, GREATEST_MASS);
    return tf.exp(logTransportPlan(detached(costs), { ...this.#options, mass }));
  }

  #moveMass(embeddings: tf.Tensor2D, targets: tf.Tensor2D, mass: tf.Variable): void {
    const share = mutualNearestShare(detached(embeddings), detached(targets));
    mass.assign(tf.add(tf.mul(mass, MEMORY), tf.mul(share, 1 - MEMORY)));
  }
}

/** Share of pairs in which each is the other's nearest of the batch, by cosine; scalar. */
function mutualNearestShare(embeddings: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  const cosines = tf.matMul(unitRows(embeddings), unitRows(targets), false, true) as tf.Tensor2D;
  const own = diagonalOf(cosines);
  const isNearest = (axis: number): tf.Tensor => tf.cast(tf.greaterEqual(own, tf.max(cosines, axis)), "float32");
  return tf.mean(tf.mul(isNearest(0), isNearest(1))) as tf.Scalar;
}
