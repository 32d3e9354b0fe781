import * as tf from "@tensorflow/tfjs-core";

/**
 * Takes rows of a table, any of them any number of times, by a product with rows of the identity: its gradient is a product too, which is exact
 * in the same order every time and much faster on the processor than that of a gather.
 *
 * @param table `[rows, width]`; stays the caller's.
 * @returns `[indices.length, width]`; the caller disposes. Gradients flow to the table and add up per row.
 */
export function selectRows(table: tf.Tensor2D, indices: readonly number[]): tf.Tensor2D {
  const rows = table.shape[0];
  const selection = new Float32Array(indices.length * rows);
  indices.forEach((row, i) => selection[i * rows + row] = 1);
  return tf.tidy(() => tf.matMul(tf.tensor2d(selection, [indices.length, rows]), table));
}
