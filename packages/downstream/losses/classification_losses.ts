import * as tf from "@tensorflow/tfjs-core";

/** Options of {@linkcode crossEntropyLoss}. */
export interface CrossEntropyLossOptions {
  /** Weight of each class; the sum is divided by the weights of the labels met. Default all 1. */
  readonly classWeights?: readonly number[];
  /** Share of the target that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Computes the cross-entropy of classes that exclude each other, as PyTorch's `cross_entropy`.
 *
 * @param logits `[batch, classes]` float32; stays the caller's.
 * @param labels `[batch]` int32 class numbers; stays the caller's.
 * @returns A scalar; the caller disposes. Gradients flow to the logits.
 * @throws RangeError when shapes do not fit or an option is out of range.
 */
export function crossEntropyLoss(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  options: CrossEntropyLossOptions = {},
): tf.Scalar {
  const { classWeights, labelSmoothing = 0 } = options;
  const [batch, classes] = logits.shape;
  if (labels.dtype !== "int32" || labels.shape[0] !== batch || (classWeights && classWeights.length !== classes)) {
    throw new RangeError(
      `Cannot compute cross-entropy: labels or weights do not fit: got [${labels.shape}] ${labels.dtype} and ` +
        `${classWeights?.length ?? "no"} weights, expected [${batch}] int32 and ${classes}.`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new RangeError(
      `Cannot compute cross-entropy: labelSmoothing is wrong: got ${labelSmoothing}, expected 0 to below 1.`,
    );
  }
  return tf.tidy(() => {
    const surprise = tf.neg(tf.logSoftmax(logits));
    const truth = tf.oneHot(labels, classes, 1, 0, "float32");
    const weights = tf.tensor1d(classWeights ? [...classWeights] : new Array<number>(classes).fill(1));
    const target = tf.add(tf.mul(truth, 1 - labelSmoothing), labelSmoothing / classes);
    const sum = tf.sum(tf.mul(tf.mul(surprise, target), weights));
    return tf.div(sum, tf.sum(tf.mul(truth, weights))) as tf.Scalar;
  });
}

/** Options of {@linkcode binaryCrossEntropyLoss}. */
export interface BinaryCrossEntropyLossOptions {
  /** Weight of each label's positives, PyTorch's `pos_weight`. Default all 1. */
  readonly positiveWeights?: readonly number[];
}

/**
 * Computes the cross-entropy of labels that may occur together, as PyTorch's `binary_cross_entropy_with_logits`: a mean over scans and labels.
 *
 * @param logits `[batch, labels]` float32; stays the caller's.
 * @param targets `[batch, labels]` float32 in [0, 1]; stays the caller's.
 * @returns A scalar; the caller disposes. Gradients flow to the logits.
 * @throws RangeError when shapes do not fit.
 */
export function binaryCrossEntropyLoss(
  logits: tf.Tensor2D,
  targets: tf.Tensor2D,
  options: BinaryCrossEntropyLossOptions = {},
): tf.Scalar {
  const { positiveWeights } = options;
  checkSameShape(logits, targets, "compute binary cross-entropy");
  if (positiveWeights && positiveWeights.length !== logits.shape[1]) {
    throw new RangeError(
      `Cannot compute binary cross-entropy: weights do not fit: got ${positiveWeights.length}, expected ${
        logits.shape[1]
      }.`,
    );
  }
  return tf.tidy(() => {
    const missed = tf.mul(targets, tf.softplus(tf.neg(logits)));
    const weighted = positiveWeights ? tf.mul(missed, tf.tensor1d([...positiveWeights])) : missed;
    return tf.mean(tf.add(weighted, tf.mul(tf.sub(1, targets), tf.softplus(logits)))) as tf.Scalar;
  });
}

/**
 * Computes the loss of an ordinal scale: output k says whether the class is above k, each by binary cross-entropy (Niu et al. 2016).
 *
 * @param logits `[batch, classes − 1]` float32; stays the caller's.
 * @param labels `[batch]` int32 class numbers from 0; stays the caller's.
 * @returns A scalar; the caller disposes. Gradients flow to the logits.
 * @throws RangeError when shapes do not fit.
 */
export function ordinalLoss(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const [batch, thresholds] = logits.shape;
  if (labels.dtype !== "int32" || labels.shape[0] !== batch) {
    throw new RangeError(
      `Cannot compute ordinal loss: labels do not fit: got [${labels.shape}] ${labels.dtype}, expected [${batch}] int32.`,
    );
  }
  return tf.tidy(() => {
    const steps = tf.tensor2d(Array.from({ length: thresholds }, (_, k) => k), [1, thresholds], "int32");
    const above = tf.cast(tf.greater(tf.expandDims(labels, 1), steps), "float32") as tf.Tensor2D;
    return binaryCrossEntropyLoss(logits, above);
  });
}

/**
 * Computes the mean squared error of a regression.
 *
 * @param values `[batch, targets]` float32; stays the caller's.
 * @param targets `[batch, targets]` float32; stays the caller's.
 * @returns A scalar; the caller disposes. Gradients flow to the values.
 * @throws RangeError when shapes do not fit.
 */
export function meanSquaredErrorLoss(values: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  checkSameShape(values, targets, "compute mean squared error");
  return tf.tidy(() => tf.mean(tf.squaredDifference(values, targets)) as tf.Scalar);
}

function checkSameShape(one: tf.Tensor, other: tf.Tensor, action: string): void {
  if (`${one.shape}` === `${other.shape}`) return;
  throw new RangeError(`Cannot ${action}: shapes differ: got [${one.shape}] and [${other.shape}], expected the same.`);
}
