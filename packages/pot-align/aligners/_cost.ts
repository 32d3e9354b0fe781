import * as tf from "@tensorflow/tfjs-core";
import { detached } from "../tensors/_detached.ts";
import type { Metric } from "./metric.ts";

/** Divides rows by their lengths; a zero row stays zero. Gradients flow. */
export function unitRows(rows: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(rows, tf.rsqrt(tf.add(tf.sum(tf.square(rows), 1, true), 1e-12))) as tf.Tensor2D;
}

/** Squares below this count as this under the root, whose slope is infinite at 0. */
const SMALLEST_SQUARE = 1e-6;

/**
 * Distances of unit embeddings and targets, divided by the greatest, which is held constant.
 *
 * @returns `[embeddings, targets]` in [0, 1]; gradients flow to both sides and to the metric, not through the maximum: it sets
 * the scale of ε, and a gradient through it would push on one pair alone.
 */
export function relativeCosts(embeddings: tf.Tensor2D, targets: tf.Tensor2D, metric: Metric): tf.Tensor2D {
  const z = metric.map(unitRows(embeddings));
  const y = metric.map(unitRows(targets));
  const squares = tf.sub(
    tf.add(tf.sum(tf.square(z), 1, true), tf.reshape(tf.sum(tf.square(y), 1), [1, -1])),
    tf.mul(2, tf.matMul(z, y, false, true)),
  );
  const distances = tf.sqrt(tf.add(tf.relu(squares), SMALLEST_SQUARE)) as tf.Tensor2D;
  return tf.div(distances, detached(tf.max(distances))) as tf.Tensor2D;
}

/** The diagonal of a square matrix, `[size]`; gradients flow. */
export function diagonalOf(matrix: tf.Tensor2D): tf.Tensor1D {
  return tf.sum(tf.mul(matrix, tf.eye(matrix.shape[0])), 1) as tf.Tensor1D;
}

/** Refuses batches that no loss is defined for. */
export function checkPairs(embeddings: tf.Tensor2D, targets: tf.Tensor2D): void {
  const same = embeddings.shape.length === 2 && targets.shape.length === 2 &&
    embeddings.shape[0] === targets.shape[0] && embeddings.shape[1] === targets.shape[1] && embeddings.shape[0] > 0;
  if (!same) {
    throw new RangeError(
      `Cannot align: shapes differ: got embeddings [${embeddings.shape}] and targets [${targets.shape}], expected two equal ` +
        `[batch, width]. Row i of the targets belongs to row i of the embeddings.`,
    );
  }
}
