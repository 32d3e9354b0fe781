import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import type { Parameters } from "./contract.ts";

/** Names of the metrics that costs can be measured in. */
export const METRIC_NAMES = ["none", "diagonal", "full"] as const;

/** Name of a metric. */
export type MetricName = (typeof METRIC_NAMES)[number];

/** How the distance of an embedding and a target is measured. */
export interface Metric {
  /** Trainable parameters; empty for the Euclidean metric. */
  readonly parameters: Parameters;
  /** Maps rows so that Euclidean distances between mapped rows are the metric's. `[batch, width]`; gradients flow. */
  map(rows: tf.Tensor2D): tf.Tensor2D;
}

/** Options of {@linkcode createMetric}. */
export interface MetricOptions {
  /** Width of embeddings and targets; needed for `diagonal` and `full`. */
  readonly width?: number;
  /** Source of initial values; needed for `full`. */
  readonly random?: Random;
}

/** Added to the diagonal of the full metric, so that it stays positive definite. */
const DELTA = 1e-3;

/**
 * Makes a metric `D(z, y) = sqrt((z − y)ᵀ M (z − y))`.
 *
 * `none`: M = I. `diagonal`: M = diag(exp(l)), l starts at 0. `full`: M = RRᵀ + δI with R starting near the identity, positive
 * definite whatever R becomes.
 *
 * @param name `none`, `diagonal` or `full`.
 * @param options Width and source of initial values, as the metric needs them.
 * @returns The metric; its parameters, float32, are the caller's to dispose of.
 * @throws RangeError when the name is unknown, or the width or the random source that the metric needs is missing.
 */
export function createMetric(name: MetricName, options: MetricOptions = {}): Metric {
  const { width, random } = options;
  if (!METRIC_NAMES.includes(name)) {
    throw new RangeError(
      `Cannot make a metric: unknown name: got "${name}", expected one of ${METRIC_NAMES.join(", ")}.`,
    );
  }
  if (name === "none") return { parameters: new Map(), map: (rows) => rows };
  if (width === undefined || !Number.isInteger(width) || width < 1) {
    throw new RangeError(
      `Cannot make the ${name} metric: it needs the width: got ${width}, expected a positive integer.`,
    );
  }
  if (name === "diagonal") {
    const logDiagonal = newVariable(new Float32Array(width), [width]);
    return {
      parameters: new Map([["log_diagonal", logDiagonal]]),
      map: (rows) => tf.mul(rows, tf.exp(tf.mul(logDiagonal, 0.5))),
    };
  }
  if (!random) throw new RangeError("Cannot make the full metric: it needs a source of random numbers. Pass `random`.");
  const draw = random.normal(0, 0.1 / Math.sqrt(width));
  const values = Float32Array.from({ length: width * width }, (_, index) => Number(index % (width + 1) === 0) + draw());
  const root = newVariable(values, [width, width]);
  return {
    parameters: new Map([["root", root]]),
    // ‖[zR, √δ z]‖² = zᵀ(RRᵀ + δI)z
    map: (rows) => tf.concat2d([tf.matMul(rows, root as unknown as tf.Tensor2D), tf.mul(rows, Math.sqrt(DELTA))], 1),
  };
}

function newVariable(values: Float32Array, shape: number[]): tf.Variable {
  const initial = tf.tensor(values, shape);
  const variable = tf.variable(initial);
  initial.dispose();
  return variable;
}
