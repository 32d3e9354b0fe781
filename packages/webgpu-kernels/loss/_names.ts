/** Name in TensorFlow.js' registry. */
export const DICE_CROSS_ENTROPY = "Med3dDiceCrossEntropy";
/** Gradient of {@linkcode DICE_CROSS_ENTROPY} with respect to the logits. */
export const DICE_CROSS_ENTROPY_GRADIENT = "Med3dDiceCrossEntropyGradient";

/** Below this the sizes in a Dice coefficient's denominator count as this, so that nothing over nothing stays a number. */
export const LEAST_DENOMINATOR = 1e-8;

/** Attributes of both kernels. */
export interface DiceCrossEntropyAttributes {
  readonly batchDice: boolean;
  /** First class that has a part in the Dice term. */
  readonly firstClass: 0 | 1;
  readonly smoothNumerator: number;
  readonly smoothDenominator: number;
  readonly diceWeight: number;
  readonly crossEntropyWeight: number;
  /** Weight of each class in the cross-entropy; none stands for ones. */
  readonly classWeights: readonly number[] | undefined;
  /** Weight of each class in the Dice term; none stands for ones. */
  readonly diceClassWeights: readonly number[] | undefined;
  readonly ignoreLabel: number | undefined;
}

/** Sizes of a segmentation. */
export interface SegmentationSizes {
  readonly batch: number;
  /** Cells of one volume. */
  readonly cells: number;
  /** Numbers of a cell in the logits. */
  readonly channels: number;
  /** Classes; two under one channel, whose logit is the foreground's against 0. */
  readonly classes: number;
  /** Whether labels are indices of classes rather than a share for each class. */
  readonly indices: boolean;
  /** Dice coefficients of each class: one, or one for each volume. */
  readonly groups: number;
}

/** Works the sizes out from logits `[batch, ..., channels]`. */
export function segmentationSizes(
  shape: readonly number[],
  indices: boolean,
  { batchDice }: DiceCrossEntropyAttributes,
): SegmentationSizes {
  const [batch, channels] = [shape[0]!, shape.at(-1)!];
  return {
    batch,
    cells: shape.slice(1, -1).reduce((product, size) => product * size, 1),
    channels,
    classes: Math.max(2, channels),
    indices,
    groups: batchDice ? 1 : batch,
  };
}
