import * as tf from "@tensorflow/tfjs-core";
import { type TargetOptions, voxelTargets } from "./targets.ts";

/** Options of {@linkcode tverskyLoss}. */
export interface TverskyLossOptions extends TargetOptions {
  /** Weight of what is predicted and not there. Default 0.3. */
  readonly falsePositiveWeight?: number;
  /** Weight of what is there and not predicted; above the other, misses cost more than excess. Default 0.7. */
  readonly falseNegativeWeight?: number;
  /** Exponent on 1 − index; below 1 makes classes count more that fit badly (Abraham & Khan 2019 take 3/4). Default 1. */
  readonly exponent?: number;
  /** Whether a class has one index over the whole batch rather than one in each volume. Default false. */
  readonly batch?: boolean;
  /** Whether class 0 counts; regions always do. Default false. */
  readonly includeBackground?: boolean;
  /** Added above and below the line. Default 1e-5. */
  readonly smooth?: number;
}

/**
 * Computes the Tversky loss (Salehi et al. 2017): 1 − TP/(TP + α·FP + β·FN), soft, averaged over classes and volumes; with both weights at
 * ½ the soft Dice loss.
 *
 * Checked against MONAI's `TverskyLoss`.
 *
 * @param logits `[batch, depth, height, width, channels]` float32; stays the caller's.
 * @param labels `[batch, depth, height, width]` int32; stays the caller's.
 * @returns A scalar; the caller disposes. Gradients flow to the logits.
 * @throws RangeError when labels or regions do not fit the logits, or a weight is negative.
 */
export function tverskyLoss(logits: tf.Tensor5D, labels: tf.Tensor4D, options: TverskyLossOptions = {}): tf.Scalar {
  const { falsePositiveWeight = 0.3, falseNegativeWeight = 0.7, exponent = 1, batch = false } = options;
  const { includeBackground = false, smooth = 1e-5, regions } = options;
  for (const [name, value] of Object.entries({ falsePositiveWeight, falseNegativeWeight, exponent, smooth })) {
    if (value >= 0 && value < Infinity) continue;
    throw new RangeError(
      `Cannot compute Tversky loss: ${name} is out of range: got ${value}, expected a number from 0.`,
    );
  }
  return tf.tidy(() => {
    const { logits: x, targets, counted } = voxelTargets(logits, labels, options);
    const activated = regions ? tf.sigmoid(x) : tf.softmax(x, -1);
    const probabilities = counted ? tf.mul(activated, counted) : activated;
    const truth = counted ? tf.mul(targets, counted) : targets;
    const axes = batch ? [0, 1] : [1];
    const both = tf.sum(tf.mul(probabilities, truth), axes);
    const excess = tf.sub(tf.sum(probabilities, axes), both);
    const missed = tf.sub(tf.sum(truth, axes), both);
    const below = tf.addN([both, tf.mul(excess, falsePositiveWeight), tf.mul(missed, falseNegativeWeight)]);
    const losses = tf.sub(1, tf.div(tf.add(both, smooth), tf.add(below, smooth)));
    const shaped = exponent === 1 ? losses : tf.pow(tf.add(tf.relu(losses), 1e-7), exponent);
    if (regions || includeBackground) return tf.mean(shaped) as tf.Scalar;
    const channels = x.shape[2];
    const foreground = tf.tensor1d(Array.from({ length: channels }, (_, c) => c === 0 ? 0 : channels / (channels - 1)));
    return tf.mean(tf.mul(shaped, foreground)) as tf.Scalar;
  });
}
