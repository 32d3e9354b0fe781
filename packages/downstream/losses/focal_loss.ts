import * as tf from "@tensorflow/tfjs-core";
import { type TargetOptions, voxelTargets } from "./targets.ts";

/** Options of {@linkcode focalLoss}. */
export interface FocalLossOptions extends TargetOptions {
  /** Exponent γ of 1 − p: how little voxels count that are right already. Default 2. */
  readonly gamma?: number;
  /** Weight of each class or region. Default all 1. */
  readonly classWeights?: readonly number[];
}

/**
 * Computes the focal loss (Lin et al. 2017), −(1 − p)^γ·log p with p the probability of what is there: averaged over voxels of classes, over
 * voxels and regions of regions.
 *
 * MONAI's `FocalLoss`, against which it was checked, divides that of classes by their number besides.
 *
 * @param logits `[batch, depth, height, width, channels]` float32; stays the caller's.
 * @param labels `[batch, depth, height, width]` int32; stays the caller's.
 * @returns A scalar, 0 where every voxel is ignored; the caller disposes. Gradients flow to the logits.
 * @throws RangeError when labels, regions or weights do not fit the logits, or γ is negative.
 */
export function focalLoss(logits: tf.Tensor5D, labels: tf.Tensor4D, options: FocalLossOptions = {}): tf.Scalar {
  const { gamma = 2, classWeights, regions } = options;
  if (!(gamma >= 0 && gamma < Infinity)) {
    throw new RangeError(`Cannot compute focal loss: gamma is out of range: got ${gamma}, expected a number from 0.`);
  }
  if (classWeights && classWeights.length !== logits.shape[4]) {
    throw new RangeError(
      `Cannot compute focal loss: class weights do not fit: got ${classWeights.length}, expected ${logits.shape[4]}.`,
    );
  }
  return tf.tidy(() => {
    const { logits: x, targets, counted } = voxelTargets(logits, labels, options);
    const focal = (logProbability: tf.Tensor, target: tf.Tensor): tf.Tensor => {
      const rest = tf.relu(tf.sub(1, tf.exp(logProbability)));
      return tf.mul(tf.mul(gamma === 0 ? 1 : tf.pow(rest, gamma), tf.neg(logProbability)), target);
    };
    const losses = regions
      ? tf.add(
        focal(tf.neg(tf.softplus(tf.neg(x))), targets),
        focal(tf.neg(tf.softplus(x)), tf.sub(1, targets)),
      )
      : focal(tf.logSoftmax(x, -1), targets);
    const weighted = classWeights ? tf.mul(losses, tf.tensor1d([...classWeights])) : losses;
    const perVoxel = tf.sum(counted ? tf.mul(weighted, counted) : weighted);
    const voxels = counted ? tf.maximum(tf.sum(counted), 1) : tf.scalar(x.shape[0] * x.shape[1]);
    return tf.div(perVoxel, regions ? tf.mul(voxels, regions.length) : voxels) as tf.Scalar;
  });
}
