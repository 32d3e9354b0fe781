import * as tf from "@tensorflow/tfjs-core";
import type { Aligner, Alignment, Parameters } from "./contract.ts";
import { checkPairs, detached, diagonalOf, relativeCosts, unitRows } from "./_cost.ts";
import type { TransportAlignerOptions } from "./inverse_transport_aligner.ts";
import { logTransportPlan } from "./log_transport_plan.ts";
import { createMetric, type Metric } from "./metric.ts";

/** Options of {@linkcode PlanWeightedAligner}. */
export interface PlanWeightedOptions extends TransportAlignerOptions {
  /**
   * Mass that the partial plan moves: a number in (0, 1), or `adaptive`, which follows the share of pairs that are each other's
   * nearest in the batch. Default `adaptive`.
   */
  readonly mass?: number | "adaptive";
}

/** Bounds of an adaptive mass. */
const SMALLEST_MASS = 0.1;
const GREATEST_MASS = 0.95;
/** Share of the old value that the moving average keeps per batch. */
const MEMORY = 0.95;

/**
 * Inverse optimal transport that believes each pair as far as a partial plan does:
 * `w_i = clip(B · π^partial_ii, 0, 1)`, detached, and `L = −Σ w_i log π^balanced_ii / Σ w`.
 *
 * A wrong caption is left unmatched by the partial plan and so hardly pulls, while in the released loss it pulls hardest.
 */
export class PlanWeightedAligner implements Aligner {
  /** Parameters of the metric. */
  readonly parameters: Parameters;
  /** `mass`: the moving average behind an adaptive mass; not trained, but part of a checkpoint. Empty for a fixed mass. */
  readonly buffers: Parameters;
  readonly #metric: Metric;
  readonly #mass: number | tf.Variable;
  readonly #options: TransportAlignerOptions;

  /**
   * @param options ε, mass, iterations, metric and how the gradient passes.
   * @throws RangeError when the mass is out of range.
   */
  constructor(options: PlanWeightedOptions = {}) {
    const { mass = "adaptive", metric = createMetric("none"), ...rest } = options;
    if (mass !== "adaptive" && !(mass > 0 && mass <= 1)) {
      throw new RangeError(
        `Cannot make a plan-weighted aligner: mass is out of range: got ${mass}, expected (0, 1] or "adaptive".`,
      );
    }
    this.#options = rest;
    this.#metric = metric;
    this.parameters = metric.parameters;
    if (mass === "adaptive") {
      const start = tf.scalar(GREATEST_MASS);
      this.#mass = tf.variable(start, false);
      start.dispose();
      this.buffers = new Map([["mass", this.#mass]]);
    } else {
      this.#mass = mass;
      this.buffers = new Map();
    }
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
    const batch = embeddings.shape[0];
    const costs = relativeCosts(embeddings, targets, this.#metric);
    const constantCosts = detached(costs);
    const mass = typeof this.#mass === "number" ? this.#mass : this.#nextMass(embeddings, targets, this.#mass);
    const plan = tf.exp(logTransportPlan(constantCosts, { ...this.#options, mass })) as tf.Tensor2D;
    const belief = tf.clipByValue(tf.mul(diagonalOf(plan), batch), 0, 1);
    const logPlan = logTransportPlan(costs, this.#options);
    const weight = tf.add(tf.sum(belief), 1e-6);
    const loss = tf.neg(tf.div(tf.sum(tf.mul(belief, diagonalOf(logPlan))), weight)) as tf.Scalar;
    return { loss, plan };
  }

  #nextMass(embeddings: tf.Tensor2D, targets: tf.Tensor2D, mass: tf.Variable): tf.Scalar {
    const next = tf.tidy(() => {
      const share = mutualNearestShare(detached(embeddings), detached(targets));
      return tf.add(tf.mul(mass, MEMORY), tf.mul(share, 1 - MEMORY));
    });
    mass.assign(next);
    return tf.clipByValue(next, SMALLEST_MASS, GREATEST_MASS) as tf.Scalar;
  }
}

/** Share of pairs in which each is the other's nearest of the batch, by cosine; scalar, no gradient. */
function mutualNearestShare(embeddings: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  const cosines = tf.matMul(unitRows(embeddings), unitRows(targets), false, true) as tf.Tensor2D;
  const own = diagonalOf(cosines);
  const isNearest = (axis: number): tf.Tensor => tf.cast(tf.greaterEqual(own, tf.max(cosines, axis)), "float32");
  return tf.mean(tf.mul(isNearest(0), isNearest(1))) as tf.Scalar;
}
