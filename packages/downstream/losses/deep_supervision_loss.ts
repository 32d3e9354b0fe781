import * as tf from "@tensorflow/tfjs-core";

/** A loss of logits `[batch, d, h, w, channels]` against labels `[batch, d, h, w]` int32. */
export type VoxelLoss = (logits: tf.Tensor5D, labels: tf.Tensor4D) => tf.Scalar;

/** Options of {@linkcode deepSupervisionLoss}. */
export interface DeepSupervisionOptions {
  /** Weight of each level, finest first; they are divided by their sum. Default 1, 1/2, 1/4, … as nnU-Net. */
  readonly weights?: readonly number[];
}

/**
 * Adds the losses of several levels up, labels taken at the nearest voxel to the middle of each coarse cell.
 *
 * @param levels `[batch, d, h, w, channels]` each, finest first, the first on the labels' grid; stay the caller's.
 * @param labels `[batch, depth, height, width]` int32; stays the caller's.
 * @param loss Of one level.
 * @param options Weights.
 * @returns A scalar; the caller disposes. Gradients flow to all levels.
 * @throws RangeError when weights do not match the levels or do not add up to more than 0.
 */
export function deepSupervisionLoss(
  levels: readonly tf.Tensor5D[],
  labels: tf.Tensor4D,
  loss: VoxelLoss,
  options: DeepSupervisionOptions = {},
): tf.Scalar {
  const { weights = levels.map((_, level) => 0.5 ** level) } = options;
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (weights.length !== levels.length || !(sum > 0 && sum < Infinity) || weights.some((weight) => weight < 0)) {
    throw new RangeError(
      `Cannot supervise deeply: the weights are wrong: got [${weights}], expected ${levels.length} numbers from 0, not all 0.`,
    );
  }
  return tf.tidy(() =>
    tf.addN(
      levels.map((logits, level) =>
        tf.mul(
          loss(logits, labelsOn(labels, logits.shape.slice(1, 4) as [number, number, number])),
          weights[level]! / sum,
        )
      ),
    ) as tf.Scalar
  );
}

/** Takes labels at the middle of each cell of a coarser grid. Call inside a `tf.tidy`. */
function labelsOn(labels: tf.Tensor4D, size: readonly [number, number, number]): tf.Tensor4D {
  return size.reduce((taken, cells, axis) => {
    const extent = taken.shape[axis + 1]!;
    if (cells === extent) return taken;
    const places = Array.from({ length: cells }, (_, cell) => Math.floor((cell + 0.5) * extent / cells));
    return tf.gather(taken, tf.tensor1d(places, "int32"), axis + 1) as tf.Tensor4D;
  }, labels);
}
