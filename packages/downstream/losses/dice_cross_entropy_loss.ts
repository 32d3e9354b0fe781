import { fusedDiceCrossEntropy } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { checkLabels, inRegion, type TargetOptions } from "./targets.ts";

/** Options of {@linkcode diceCrossEntropyLoss}. */
export interface DiceCrossEntropyLossOptions extends TargetOptions {
  /** Factor on the Dice term. Default 1. */
  readonly diceWeight?: number;
  /** Factor on the cross-entropy. Default 1. */
  readonly crossEntropyWeight?: number;
  /** Whether a class has one Dice coefficient over the whole batch rather than one in each volume. Default false. */
  readonly batchDice?: boolean;
  /** Weight of each class in the cross-entropy; not with regions. Default all 1. */
  readonly classWeights?: readonly number[];
}

/**
 * Computes soft Dice loss + cross-entropy of a segmentation: of classes by softmax, background left out of the Dice term; of regions by
 * sigmoid, each region's own Dice and binary cross-entropy, averaged.
 *
 * Conventions are those of `fusedDiceCrossEntropy` in @med3d/webgpu-kernels, which computes it: a class that is neither predicted nor there costs
 * nothing, one that is missed or invented costs a whole class. Regions were checked against MONAI's `DiceLoss(sigmoid=True)`
 * and PyTorch's `binary_cross_entropy_with_logits`.
 *
 * @param logits `[batch, depth, height, width, channels]` float32; stays the caller's.
 * @param labels `[batch, depth, height, width]` int32; stays the caller's.
 * @returns A scalar; the caller disposes. Gradients flow to the logits.
 * @throws RangeError when labels or regions do not fit the logits, or class weights are given with regions.
 */
export function diceCrossEntropyLoss(
  logits: tf.Tensor5D,
  labels: tf.Tensor4D,
  options: DiceCrossEntropyLossOptions = {},
): tf.Scalar {
  const { regions, classWeights, ignoreLabel, ...terms } = options;
  checkLabels(logits, labels, regions);
  const shared = { ...terms, ...(ignoreLabel !== undefined && { ignoreLabel }) };
  if (!regions) return fusedDiceCrossEntropy(logits, labels, { ...shared, ...(classWeights && { classWeights }) });
  if (classWeights) {
    throw new RangeError(
      `Cannot compute the loss of regions: class weights are given: got [${classWeights}], expected none. Leave them out.`,
    );
  }
  return tf.tidy(() => {
    const [batch, channels] = [logits.shape[0], logits.shape[4]];
    const flat = tf.reshape(labels, [batch, -1]) as tf.Tensor2D;
    const perRegion = tf.split(tf.reshape(logits, [batch, -1, channels]) as tf.Tensor3D, channels, 2);
    const losses = regions.map((values, region) => {
      const inside = tf.cast(inRegion(flat, values), "int32");
      const target = ignoreLabel === undefined
        ? inside
        : tf.where(tf.equal(flat, tf.scalar(ignoreLabel, "int32")), flat, inside);
      return fusedDiceCrossEntropy(perRegion[region]!, target, shared);
    });
    return tf.div(tf.addN(losses), channels) as tf.Scalar;
  });
}
