import type { ClassificationTarget } from "@med3d/downstream";
import { augmentSample } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { scansOfStep } from "../pretraining/sampling.ts";
import type { ModelDescription } from "../inference/model_description.ts";
import type { LabelledCase } from "./cases.ts";
import type { ResolvedFinetuning } from "./configuration.ts";
import type { PreparedCases } from "./prepared_cases.ts";
import { recipeOf } from "./segmentation_batches.ts";

/** What one step of a classification is trained on. The tensors belong to whoever asked for the batch. */
export interface ClassificationBatch {
  /** `[batch, depth, height, width, channels]` float32. */
  readonly input: tf.Tensor5D;
  /** `[batch]` int32 classes, or `[batch, outputs]` float32 labels or standardised values. */
  readonly targets: tf.Tensor1D | tf.Tensor2D;
}

/** What batches are drawn from. */
export interface ClassificationSource {
  /** Where scans are prepared. */
  readonly prepared: PreparedCases;
  /** What is learned. */
  readonly target: ClassificationTarget;
  /** Mean and deviation of each value, where values are learned. */
  readonly valueScales: ModelDescription["valueScales"];
  /** Whether intensities lie in [0, 1]. */
  readonly isUnit: boolean;
}

/** Makes the batch of a step from the seed and the step alone. */
export async function makeClassificationBatch(
  source: ClassificationSource,
  training: readonly LabelledCase[],
  { configuration, step }: { readonly configuration: ResolvedFinetuning; readonly step: number },
): Promise<ClassificationBatch> {
  const { batch, seed, augment } = configuration;
  const chosen = scansOfStep(step, { batch, count: training.length, seed: `${seed}` }).map((index) => training[index]!);
  const recipe = recipeOf(configuration, source.isUnit);
  return await stackCases(
    source,
    chosen,
    (channels, place) =>
      augment ? augmentSample({ channels }, `${seed}/step/${step}/${place}/augment`, { recipe }).channels : channels,
  );
}

/** Stacks scans as they are, as for evaluation. */
export async function stackCases(
  { prepared, target, valueScales }: ClassificationSource,
  cases: readonly LabelledCase[],
  vary: (channels: Channels, place: number) => Channels = (channels) => channels,
): Promise<ClassificationBatch> {
  const stacked: Channels[] = [];
  for (const [place, entry] of cases.entries()) stacked.push(vary((await prepared.get(entry)).channels, place));
  const [depth, height, width] = stacked[0]![0]!.shape;
  const count = stacked[0]!.length;
  const voxels = depth * height * width;
  const input = new Float32Array(cases.length * voxels * count);
  stacked.forEach((channels, place) =>
    channels.forEach(({ data }, channel) => {
      for (let i = 0, to = place * voxels * count + channel; i < voxels; i++, to += count) input[to] = data[i]!;
    })
  );
  return {
    input: tf.tensor5d(input, [cases.length, depth, height, width, count]),
    targets: targetsOf(cases, target, valueScales),
  };
}

type Channels = Awaited<ReturnType<PreparedCases["get"]>>["channels"];

function targetsOf(
  cases: readonly LabelledCase[],
  target: ClassificationTarget,
  scales: ModelDescription["valueScales"],
): tf.Tensor1D | tf.Tensor2D {
  if (target === "classes" || target === "ordinal") {
    return tf.tensor1d(cases.map(({ classLabels }) => classLabels![0]!), "int32");
  }
  return tf.tensor2d(
    cases.map(({ classLabels }) =>
      classLabels!.map((value, i) => scales ? (value - scales[i]!.mean) / scales[i]!.deviation : value)
    ),
  );
}

/** Disposes of a batch's tensors. */
export function disposeClassificationBatch({ input, targets }: ClassificationBatch): void {
  tf.dispose([input, targets]);
}
