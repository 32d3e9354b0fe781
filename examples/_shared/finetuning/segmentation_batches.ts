import {
  type AugmentRecipe,
  augmentSample,
  NNUNET_3D,
  patchSizeBefore,
  samplePatches,
  type TrainingSample,
} from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { scansOfStep } from "../pretraining/sampling.ts";
import type { LabelledCase } from "./cases.ts";
import type { ResolvedFinetuning } from "./configuration.ts";
import type { PreparedCases } from "./prepared_cases.ts";

/** What one step of a segmentation is trained on. The tensors belong to whoever asked for the batch. */
export interface SegmentationBatch {
  /** `[batch, depth, height, width, channels]` float32. */
  readonly input: tf.Tensor5D;
  /** `[batch, depth, height, width]` int32: channel numbers, or label values where regions are learned. */
  readonly labels: tf.Tensor4D;
}

/** What batches are drawn from. */
export interface BatchSource {
  /** Cases that are trained on. */
  readonly training: readonly LabelledCase[];
  /** Where they are prepared. */
  readonly prepared: PreparedCases;
  /** Number in the tensor of each label value. */
  readonly numberOf: ReadonlyMap<number, number>;
  /** Label values that patches are centred on. */
  readonly foreground: readonly number[];
  /** Whether intensities lie in [0, 1] rather than about 0 with deviation 1. */
  readonly isUnit: boolean;
}

/** Of intensities in [0, 1], by which noise, drawn for deviations of 1, is scaled. */
const UNIT_DEVIATION = 0.25;

/** nnU-Net's recipe with the run's mirroring, its noise scaled to the intensities. */
export function recipeOf({ mirrorAxes }: Pick<ResolvedFinetuning, "mirrorAxes">, isUnit: boolean): AugmentRecipe {
  const [least, most] = NNUNET_3D.noise.deviation;
  const chance = (axis: "depth" | "height" | "width"): number => mirrorAxes.includes(axis) ? 0.5 : 0;
  return {
    ...NNUNET_3D,
    mirror: { probability: [chance("depth"), chance("height"), chance("width")] },
    ...(isUnit && { noise: { ...NNUNET_3D.noise, deviation: [least * UNIT_DEVIATION, most * UNIT_DEVIATION] } }),
  };
}

/**
 * Makes the batch of a step from the seed and the step alone: which scans, where the patches lie, how they are varied. The last places of the
 * batch are centred on a structure, the first anywhere.
 */
export async function makeSegmentationBatch(
  source: BatchSource,
  configuration: ResolvedFinetuning,
  step: number,
): Promise<SegmentationBatch> {
  const { batch, patch, foregroundFraction, augment, channels } = configuration;
  const recipe = recipeOf(configuration, source.isUnit);
  const chosen = scansOfStep(step, { batch, count: source.training.length, seed: `${configuration.seed}` });
  const voxels = patch[0] * patch[1] * patch[2];
  const input = new Float32Array(batch * voxels * channels);
  const labels = new Int32Array(batch * voxels);
  const centred = Math.ceil(batch * foregroundFraction - 1e-9);
  for (const [place, index] of chosen.entries()) {
    const seed = `${configuration.seed}/step/${step}/${place}`;
    const scan = await source.prepared.get(source.training[index]!);
    const spacingMm = scan.labels!.spacingMm;
    const [cut] = samplePatches(scan.channels, scan.labels!, {
      patchSize: augment ? patchSizeBefore(patch, { recipe, spacingMm }) : patch,
      innerSize: patch,
      count: 1,
      seed,
      foregroundFraction: place >= batch - centred ? 1 : 0,
      foregroundClasses: source.foreground,
      index: scan.index!,
    });
    const sample: TrainingSample = augment
      ? augmentSample(cut!, `${seed}/augment`, { recipe, patchSize: patch })
      : cut!;
    sample.channels.forEach(({ data }, channel) => {
      for (let i = 0, to = place * voxels * channels + channel; i < voxels; i++, to += channels) input[to] = data[i]!;
    });
    const { data } = sample.labels!;
    for (let i = 0; i < voxels; i++) labels[place * voxels + i] = source.numberOf.get(data[i]!)!;
  }
  return {
    input: tf.tensor5d(input, [batch, ...patch, channels]),
    labels: tf.tensor4d(labels, [batch, ...patch], "int32"),
  };
}

/** Disposes of a batch's tensors. */
export function disposeSegmentationBatch({ input, labels }: SegmentationBatch): void {
  tf.dispose([input, labels]);
}
