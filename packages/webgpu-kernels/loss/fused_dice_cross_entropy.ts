import * as tf from "@tensorflow/tfjs-core";
import "./_cpu_kernels.ts";
import { DICE_CROSS_ENTROPY, DICE_CROSS_ENTROPY_GRADIENT, type DiceCrossEntropyAttributes } from "./_names.ts";
import "./_webgpu_kernels.ts";

/** Options of {@linkcode fusedDiceCrossEntropy}. */
export interface DiceCrossEntropyOptions {
  /** Factor on the Dice term. Default 1. */
  readonly diceWeight?: number;
  /** Factor on the cross-entropy. Default 1. */
  readonly crossEntropyWeight?: number;
  /** Whether a class has one Dice coefficient over the whole batch rather than one in each volume. Default false. */
  readonly batchDice?: boolean;
  /** Whether class 0 has a part in the Dice term; under one channel it never has. Default false, as nnU-Net; MONAI's is true. */
  readonly includeBackground?: boolean;
  /** Added to twice the intersection. Default 1e-5. */
  readonly smoothNumerator?: number;
  /** Added to the sum of both sizes. Default 1e-5. */
  readonly smoothDenominator?: number;
  /** Weight of each class in the cross-entropy, which is divided by the weights of the labels met. Default all 1. */
  readonly classWeights?: readonly number[];
  /** Weight of each class in the Dice term, whose mean is divided by the number of classes. Default all 1. */
  readonly diceClassWeights?: readonly number[];
  /** Label of voxels that have no part in either term; for integer labels. Default none. */
  readonly ignoreLabel?: number;
}

/**
 * Computes soft Dice loss + cross-entropy of a segmentation, and its gradient: three dispatches on WebGPU and one for the gradient, with no tensor of
 * probabilities in memory. Runs on the webgpu and cpu backends.
 *
 * With p the softmax of the logits, y the labels and sums over the voxels of a volume (or of the batch):
 *
 *     dice(c) = (2·Σ p·y + smoothNumerator) / max(Σ p + Σ y + smoothDenominator, 1e-8)
 *     loss    = diceWeight · mean(1 − dice) + crossEntropyWeight · Σ w·y·(−log p) / Σ w·y
 *
 * The mean is over classes, and over volumes unless `batchDice`. A class that the labels lack counts like any other: its coefficient is
 * smoothNumerator / (Σ p + smoothDenominator), near 0 where it is predicted and 1 where it is not; a structure that is missed has coefficient 0. Where every
 * voxel is ignored the cross-entropy is 0. With one channel the classes are two, whose logits are 0 and the channel's (a sigmoid), and Dice is the
 * foreground's. nnU-Net's loss is this one minus `diceWeight`, its Dice term being −dice; MONAI's `DiceCELoss(softmax=True, to_onehot_y=True)` is this
 * one. PyTorch divides the cross-entropy of soft labels by the number of voxels, this one by their weights, as that of indices.
 *
 * @param logits `[batch, ..., channels]` float32, rank 2 to 6; stays the caller's.
 * @param labels Indices of classes, int32 `[batch, ...]` or `[batch, ..., 1]`, or the share of each class, float32 of the logits' shape (one-hot or soft;
 * under one channel the foreground's). Stays the caller's. An index that is no class makes the loss NaN.
 * @param options Terms and conventions.
 * @returns A scalar; the caller disposes. Gradients flow to the logits alone, once: the gradient itself has none.
 * @throws RangeError when shapes or types do not fit, a tensor is empty, a weight or smoothing term is negative or not finite, or class weights are not one
 * for each class.
 * @throws TypeError when a label is to be ignored and labels are not integers.
 */
export function fusedDiceCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: DiceCrossEntropyOptions = {},
): tf.Scalar {
  const attributes = attributesOf(logits, labels, options);
  return tf.tidy(() => run(DICE_CROSS_ENTROPY, { logits, labels }, attributes)[0]!) as tf.Scalar;
}

function run(kernelName: string, inputs: tf.NamedTensorMap, attributes: DiceCrossEntropyAttributes): tf.Tensor[] {
  return tf.engine().runKernel(
    kernelName,
    inputs,
    { ...attributes } as unknown as tf.NamedAttrMap,
  ) as unknown as tf.Tensor[];
}

function attributesOf(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: DiceCrossEntropyOptions,
): DiceCrossEntropyAttributes {
  const { diceWeight = 1, crossEntropyWeight = 1, smoothNumerator = 1e-5, smoothDenominator = 1e-5 } = options;
  const { batchDice = false, includeBackground = false, classWeights, diceClassWeights, ignoreLabel } = options;
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot compute Dice and cross-entropy: ${what}: got ${got}, expected ${expected}.`);
  };
  const { shape } = logits;
  if (logits.dtype !== "float32" || shape.length < 2 || shape.length > 6) {
    refuse("the logits are wrong", `[${shape}] ${logits.dtype}`, "[batch, ..., channels] float32 of rank 2 to 6");
  }
  if (logits.size === 0) refuse("the logits are empty", `[${shape}]`, "at least one voxel and channel");
  const [channels, cells] = [shape.at(-1)!, shape.slice(0, -1)];
  const fits = labels.dtype === "int32"
    ? [`${cells}`, `${[...cells, 1]}`].includes(`${labels.shape}`)
    : labels.dtype === "float32" && `${labels.shape}` === `${shape}`;
  if (!fits) {
    refuse("the labels do not fit", `[${labels.shape}] ${labels.dtype}`, `[${cells}] int32 or [${shape}] float32`);
  }
  for (const [name, value] of Object.entries({ diceWeight, crossEntropyWeight, smoothNumerator, smoothDenominator })) {
    if (!(value >= 0 && value < Infinity)) refuse(`${name} is wrong`, value, "a finite number of at least 0");
  }
  const classes = Math.max(2, channels);
  for (const [name, weights] of Object.entries({ classWeights, diceClassWeights })) {
    if (weights && !(weights.length === classes && weights.every((weight) => weight >= 0 && weight < Infinity))) {
      refuse(`${name} are wrong`, `[${weights}]`, `${classes} finite numbers of at least 0`);
    }
  }
  if (ignoreLabel !== undefined) {
    if (labels.dtype !== "int32") {
      throw new TypeError(
        `Cannot compute Dice and cross-entropy: a label is to be ignored in labels that are no integers: got ${labels.dtype}, ` +
          `expected int32. Give indices of classes.`,
      );
    }
    if (!(Number.isSafeInteger(ignoreLabel) && Math.abs(ignoreLabel) < 2 ** 31)) {
      refuse("ignoreLabel is wrong", ignoreLabel, "an integer of 32 bits");
    }
  }
  return {
    batchDice,
    firstClass: includeBackground && channels > 1 ? 0 : 1,
    smoothNumerator,
    smoothDenominator,
    diceWeight,
    crossEntropyWeight,
    classWeights: classWeights && [...classWeights],
    diceClassWeights: diceClassWeights && [...diceClassWeights],
    ignoreLabel,
  };
}

tf.registerGradient({
  kernelName: DICE_CROSS_ENTROPY,
  inputsToSave: ["logits", "labels"],
  outputsToSave: [false, true],
  gradFunc: (gradients, saved, attrs) => {
    const [logits, labels, sums] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    const dy = (gradients as tf.Tensor[])[0]!;
    return {
      logits: () =>
        tf.engine().runKernel(DICE_CROSS_ENTROPY_GRADIENT, { logits, labels, sums, dy }, attrs) as tf.Tensor,
      labels: () => tf.zeros(labels.shape),
    };
  },
});
