import {
  deepSupervisionLoss,
  diceCrossEntropyLoss,
  focalLoss,
  type SegmentationNetwork,
  tverskyLoss,
} from "@med3d/downstream";
import type { LossResult } from "@med3d/training";
import * as tf from "@tensorflow/tfjs-core";
import type { ResolvedFinetuning } from "./configuration.ts";
import type { SegmentationBatch } from "./segmentation_batches.ts";

/** The two terms of a loss by the name that a configuration gives it. */
const TERMS = { "dice-ce": ["dice", "ce"], "dice-focal": ["dice", "focal"], "tversky-ce": ["tversky", "ce"] } as const;

/** Makes the loss of a batch that a configuration asks for. */
export function segmentationLoss(
  network: SegmentationNetwork,
  configuration: Pick<ResolvedFinetuning, "loss" | "batchDice" | "classWeights" | "freeze">,
  { ignoreNumber, regions }: { ignoreNumber: number | undefined; regions: readonly (readonly number[])[] | undefined },
): (batch: SegmentationBatch) => LossResult {
  const { loss, batchDice, classWeights, freeze } = configuration;
  const training = freeze !== "encoder" && freeze !== "probe"; // what is frozen computes as it will be used
  const target = { ...(regions && { regions }), ...(ignoreNumber !== undefined && { ignoreLabel: ignoreNumber }) };
  const weights = classWeights ? { classWeights } : {};
  const term: Record<string, (logits: tf.Tensor5D, labels: tf.Tensor4D) => tf.Scalar> = {
    dice: (x, y) => diceCrossEntropyLoss(x, y, { ...target, batchDice, crossEntropyWeight: 0 }),
    ce: (x, y) => diceCrossEntropyLoss(x, y, { ...target, ...weights, diceWeight: 0 }),
    focal: (x, y) => focalLoss(x, y, { ...target, ...weights }),
    tversky: (x, y) => tverskyLoss(x, y, { ...target, batch: batchDice }),
  };
  const names = TERMS[loss];
  return ({ input, labels }) => {
    const levels = network.applyLevels(input, training);
    if (loss === "dice-ce") { // one pass over the logits
      const both = deepSupervisionLoss(
        levels,
        labels,
        (x, y) => diceCrossEntropyLoss(x, y, { ...target, ...weights, batchDice }),
      );
      return { total: both, terms: { "dice-ce": both } };
    }
    const terms = Object.fromEntries(names.map((name) => [name, deepSupervisionLoss(levels, labels, term[name]!)]));
    return { total: tf.addN(Object.values(terms)) as tf.Scalar, terms };
  };
}
