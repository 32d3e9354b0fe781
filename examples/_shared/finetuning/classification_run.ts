import {
  binaryCrossEntropyLoss,
  type ClassificationNetwork,
  crossEntropyLoss,
  meanSquaredErrorLoss,
  ordinalLoss,
} from "@med3d/downstream";
import * as tf from "@tensorflow/tfjs-core";
import {
  type ClassificationBatch,
  type ClassificationSource,
  disposeClassificationBatch,
  makeClassificationBatch,
  stackCases,
} from "./classification_batches.ts";
import type { LabelledCase } from "./cases.ts";
import type { ResolvedFinetuning } from "./configuration.ts";
import type { PreparedFinetuning } from "./prepare_finetuning.ts";
import { PreparedCases } from "./prepared_cases.ts";
import { type TrainOptions, whatDecides } from "./segmentation_run.ts";
import { type TrainedNetwork, trainNetwork } from "./train_network.ts";

/** Opens what batches are made from. */
export async function classificationSource(
  { configuration, plan, findings }: PreparedFinetuning,
): Promise<ClassificationSource> {
  const report = (finding: (typeof findings)[number]): void => void findings.push(finding);
  return {
    prepared: await PreparedCases.open(plan.preprocessing, { ...configuration, report }),
    target: plan.target,
    valueScales: plan.valueScales,
    isUnit: plan.preprocessing.channels[0]!.kind !== "z-score",
  };
}

/** Trains a classification network as its preparation says. */
export async function trainClassification(
  run: PreparedFinetuning,
  source: ClassificationSource,
  options: TrainOptions,
): Promise<TrainedNetwork> {
  const { configuration, plan, split } = run;
  const network = run.network as ClassificationNetwork;
  const training = configuration.freeze !== "encoder" && configuration.freeze !== "probe";
  const loss = (batch: ClassificationBatch): tf.Scalar =>
    lossOf(network.apply(batch.input, training), batch, configuration);
  return await trainNetwork<ClassificationBatch>(network, {
    configuration,
    loadBatch: (step) => makeClassificationBatch(source, split.training, { configuration, step }),
    disposeBatch: disposeClassificationBatch,
    loss: (batch) => {
      const total = loss(batch);
      return { total, terms: { [configuration.target]: total } };
    },
    validate: split.validation.length === 0
      ? undefined
      : () => meanLoss(split.validation, source, { network, configuration }),
    decides: whatDecides(configuration, plan, split.training),
    ...options,
  });
}

function lossOf(
  outputs: tf.Tensor2D,
  { targets }: ClassificationBatch,
  { target, classWeights }: ResolvedFinetuning,
): tf.Scalar {
  switch (target) {
    case "classes":
      return crossEntropyLoss(outputs, targets as tf.Tensor1D, classWeights ? { classWeights } : {});
    case "labels":
      return binaryCrossEntropyLoss(
        outputs,
        targets as tf.Tensor2D,
        classWeights ? { positiveWeights: classWeights } : {},
      );
    case "ordinal":
      return ordinalLoss(outputs, targets as tf.Tensor1D);
    case "values":
      return meanSquaredErrorLoss(outputs, targets as tf.Tensor2D);
  }
}

async function meanLoss(
  cases: readonly LabelledCase[],
  source: ClassificationSource,
  { network, configuration }: { network: ClassificationNetwork; configuration: ResolvedFinetuning },
): Promise<number> {
  let sum = 0;
  for (let first = 0; first < cases.length; first += configuration.batch) {
    const some = cases.slice(first, first + configuration.batch);
    const batch = await stackCases(source, some);
    const loss = tf.tidy(() => lossOf(network.apply(batch.input), batch, configuration));
    sum += (await loss.data())[0]! * some.length;
    loss.dispose();
    disposeClassificationBatch(batch);
  }
  return sum / cases.length;
}
