import { type CpuInputs, registerOnCpu } from "../_cpu_kernel.ts";
import {
  DICE_CROSS_ENTROPY,
  DICE_CROSS_ENTROPY_GRADIENT,
  type DiceCrossEntropyAttributes,
  LEAST_DENOMINATOR,
  type SegmentationSizes,
  segmentationSizes,
} from "./_names.ts";

/** Probabilities, shares in the label and surprises (−log of the probability) of one cell's classes. */
interface Cell {
  readonly probabilities: Float64Array;
  readonly shares: Float64Array;
  readonly surprises: Float64Array;
}

/** Calls back for every cell that is not ignored; `cell` is filled anew each time. */
function forEachCell(
  arrays: CpuInputs["arrays"],
  { batch, cells, channels, classes, indices }: SegmentationSizes,
  ignoreLabel: number | undefined,
  body: (at: { volume: number; cell: number }, cell: Cell) => void,
): void {
  const { logits, labels } = arrays as Record<"logits" | "labels", Float32Array>;
  const [probabilities, shares, surprises] = [0, 0, 0].map(() => new Float64Array(classes)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let at = 0; at < batch * cells; at++) {
    if (indices && labels[at] === ignoreLabel) continue;
    const logit = (c: number): number => channels === 1 ? (c === 0 ? 0 : logits[at]!) : logits[at * channels + c]!;
    let [top, total] = [logit(0), 0];
    for (let c = 1; c < classes; c++) top = Math.max(top, logit(c));
    for (let c = 0; c < classes; c++) total += Math.exp(logit(c) - top);
    const logTotal = Math.log(total) + top;
    const wrong = indices && !(labels[at]! >= 0 && labels[at]! < classes);
    for (let c = 0; c < classes; c++) {
      probabilities[c] = Math.exp(logit(c) - logTotal);
      surprises[c] = wrong ? NaN : logTotal - logit(c);
      if (indices) shares[c] = labels[at] === c ? 1 : 0;
      else if (channels > 1) shares[c] = labels[at * channels + c]!;
      else shares[c] = c === 0 ? 1 - labels[at]! : labels[at]!;
    }
    body({ volume: Math.floor(at / cells), cell: at }, { probabilities, shares, surprises });
  }
}

/** Dice coefficient and denominators of class `c` in group `g`. */
function diceOf(
  sums: ArrayLike<number>,
  [c, g]: readonly [c: number, g: number],
  { classes, groups }: SegmentationSizes,
  { smoothNumerator, smoothDenominator }: DiceCrossEntropyAttributes,
): { size: number; divisor: number; dice: number } {
  const sum = (kind: number): number => sums[(kind * classes + c) * groups + g]!;
  const size = sum(1) + sum(2) + smoothDenominator;
  const divisor = Math.max(size, LEAST_DENOMINATOR);
  return { size, divisor, dice: (2 * sum(0) + smoothNumerator) / divisor };
}

function prepare({ shapes, types }: CpuInputs, attributes: DiceCrossEntropyAttributes) {
  const sizes = segmentationSizes(shapes.logits!, types.labels === "int32", attributes);
  const weightsOf = (weights: readonly number[] | undefined): readonly number[] =>
    weights ?? new Array<number>(sizes.classes).fill(1);
  return { sizes, weights: weightsOf(attributes.classWeights), diceWeights: weightsOf(attributes.diceClassWeights) };
}

registerOnCpu<DiceCrossEntropyAttributes>(DICE_CROSS_ENTROPY, (inputs, attributes) => {
  const { sizes, weights, diceWeights } = prepare(inputs, attributes);
  const { classes, groups } = sizes;
  const { firstClass, diceWeight, crossEntropyWeight, ignoreLabel } = attributes;
  const sums = new Float64Array(3 * classes * groups + 2);
  const last = 3 * classes * groups;
  forEachCell(inputs.arrays, sizes, ignoreLabel, ({ volume }, { probabilities, shares, surprises }) => {
    const g = groups === 1 ? 0 : volume;
    for (let c = 0; c < classes; c++) {
      sums[c * groups + g]! += shares[c]! * probabilities[c]!;
      sums[(classes + c) * groups + g]! += probabilities[c]!;
      sums[(2 * classes + c) * groups + g]! += shares[c]!;
      sums[last]! += weights[c]! * shares[c]! * surprises[c]!;
      sums[last + 1]! += weights[c]! * shares[c]!;
    }
  });
  let terms = 0;
  for (let c = firstClass; c < classes; c++) {
    for (let g = 0; g < groups; g++) terms += diceWeights[c]! * (1 - diceOf(sums, [c, g], sizes, attributes).dice);
  }
  const entropy = sums[last + 1] === 0 ? sums[last]! : sums[last]! / sums[last + 1]!;
  const loss = diceWeight * terms / (groups * (classes - firstClass)) + crossEntropyWeight * entropy;
  return [[[], Float32Array.of(loss)], [[sums.length], Float32Array.from(sums)]];
});

registerOnCpu<DiceCrossEntropyAttributes>(DICE_CROSS_ENTROPY_GRADIENT, (inputs, attributes) => {
  const { sizes, weights, diceWeights } = prepare(inputs, attributes);
  const { logits, sums, dy } = inputs.arrays as Record<"logits" | "sums" | "dy", Float32Array>;
  const { channels, classes, groups } = sizes;
  const { firstClass, diceWeight, crossEntropyWeight, ignoreLabel } = attributes;
  const total = sums[3 * classes * groups + 1]!;
  const share = total === 0 ? 0 : crossEntropyWeight / total;
  const factor = diceWeight / (groups * (classes - firstClass));
  const gradient = new Float32Array(logits.length);
  const slopes = new Float64Array(classes);
  forEachCell(inputs.arrays, sizes, ignoreLabel, ({ volume, cell }, { probabilities, shares }) => {
    let [mean, weight] = [0, 0];
    for (let c = 0; c < classes; c++) {
      const { size, divisor, dice } = diceOf(sums, [c, groups === 1 ? 0 : volume], sizes, attributes);
      const pull = (size > LEAST_DENOMINATOR ? dice : 0) - 2 * shares[c]!;
      slopes[c] = c < firstClass ? 0 : factor * diceWeights[c]! * pull / divisor;
      mean += slopes[c]! * probabilities[c]!;
      weight += weights[c]! * shares[c]!;
    }
    for (let c = classes - channels; c < classes; c++) {
      const p = probabilities[c]!;
      gradient[cell * channels + c - (classes - channels)] = dy[0]! *
        (p * (slopes[c]! - mean) + share * (p * weight - weights[c]! * shares[c]!));
    }
  });
  return [[inputs.shapes.logits!, gradient]];
});
