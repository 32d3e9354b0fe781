import { z } from "zod";
import { parseBySchema } from "../pretraining/configuration.ts";

const positiveInteger = z.int().positive();
const fraction = z.number().gt(0).lt(1);

/** Shape of a fine-tuning configuration: every key, its bounds and its default. */
export const finetuningSchema = z.strictObject({
  task: z.enum(["segment", "classify"]).default("segment").describe("what is learned: segment or classify"),
  data: z.string().min(1).nullable().default(null)
    .describe("folder of labelled scans: Decathlon, nnU-Net, BIDS, MedMNIST or files as they lie; or a manifest"),
  csv: z.string().min(1).nullable().default(null)
    .describe(
      "classify: table with a column id or subject and one or more of labels or values, in place of the data set's classes",
    ),
  out: z.string().min(1).nullable().default(null).describe("folder of the run"),
  modality: z.enum(["CT", "MR"]).nullable().default(null).describe("what made the scans: CT or MR"),
  channels: positiveInteger.max(16).default(1)
    .describe("images per scan: files numbered _0000, _0001, … or the volumes of 4D files"),
  weights: z.string().min(1).default("none").describe(
    "folder of a pretraining or fine-tuning run to start from, or none",
  ),
  labels: z.number().gt(0).lte(1).default(1)
    .describe("share of the training subjects whose labels are used; a smaller share is part of a larger one"),
  encoder: z.string().min(1).default("plain-unet").describe("3D encoder by registry name, where no weights say it"),
  features: z.array(positiveInteger).min(2).max(8).nullable().default(null)
    .describe("channels of each encoder level, finest first, where no weights say them"),
  encoderOptions: z.record(z.string(), z.unknown()).default({}).describe("further options of the encoder, as JSON"),
  patch: z.array(positiveInteger).length(3).nullable().default(null)
    .describe("voxels, depth x height x width, that the network sees at a time"),
  spacing: z.array(z.number().positive()).length(3).nullable().default(null)
    .describe("voxel edges in mm, depth x height x width, that scans are resampled to"),
  normalise: z.enum(["auto", "z-score", "unit"]).default("auto")
    .describe("intensities: z-score, unit (0 to 1), or auto: as the weights were pretrained, z-score from scratch"),
  steps: positiveInteger.nullable().default(null).describe("optimiser steps"),
  epochs: z.number().positive().nullable().default(null).describe("passes over the training scans, in place of steps"),
  batch: positiveInteger.default(2).describe("patches, or scans to classify, per step"),
  learningRate: z.number().positive().default(4e-3).describe("peak learning rate of AdamW"),
  weightDecay: z.number().nonnegative().default(1e-2).describe("decoupled weight decay"),
  schedule: z.enum(["poly", "cosine"]).default("cosine").describe("how the learning rate falls: poly or cosine"),
  warmUpFraction: z.number().min(0).lt(1).default(0.03).describe("share of the steps in which the rate rises"),
  maxGradientNorm: z.number().positive().default(3).describe("gradients are scaled down to this global norm"),
  layerDecay: z.number().gt(0).lte(1).default(1)
    .describe("learning rate of each encoder layer relative to the next one towards the head"),
  freeze: z.union([z.enum(["none", "encoder", "probe"]), z.int().nonnegative()]).default("none")
    .describe("what stays as it is: none, encoder, its first N layers, or probe: everything but the head"),
  averageDecay: z.number().min(0).lt(1).default(0.99)
    .describe("share of the running mean of weights that a step keeps; the mean is evaluated; 0: the last weights are"),
  loss: z.enum(["dice-ce", "dice-focal", "tversky-ce"]).default("dice-ce")
    .describe("loss of a segmentation: dice-ce, dice-focal or tversky-ce"),
  batchDice: z.boolean().default(false).describe("one Dice coefficient over the batch rather than one per patch"),
  classWeights: z.array(z.number().nonnegative()).nullable().default(null)
    .describe("weight of each class in the cross-entropy, background first"),
  deepSupervision: z.int().nonnegative().default(0).describe(
    "coarser decoder levels with heads of their own in training",
  ),
  ignoreLabel: z.int().nonnegative().nullable().default(null).describe("label of voxels that say nothing"),
  regions: z.record(z.string(), z.array(z.int().positive()).min(1)).nullable().default(null)
    .describe("segment overlapping regions: label values of each by name, in the order in which they are painted"),
  foregroundFraction: z.number().min(0).max(1).default(1 / 3).describe("least share of patches centred on a structure"),
  augment: z.boolean().default(true).describe("vary pose and intensity as nnU-Net does"),
  mirrorAxes: z.array(z.enum(["depth", "height", "width"])).default([])
    .describe("axes along which training scans are mirrored at random; width swaps left and right"),
  target: z.enum(["classes", "labels", "ordinal", "values"]).default("classes")
    .describe("classify: classes exclude each other, labels do not, ordinal are ranked, values are numbers"),
  pooling: z.enum(["mean", "attention"]).default("mean").describe("classify: how cells become one vector"),
  unit: z.enum(["case", "subject"]).default("case")
    .describe("classify: what is scored: case, each scan, or subject, the mean over each subject's scans"),
  heldOutFraction: fraction.default(0.2).describe("share of subjects evaluated on where the data has no split"),
  folds: z.int().min(2).nullable().default(null)
    .describe("cross-validation: folds that the seed deals the subjects into, in place of a held-out share"),
  fold: z.int().nonnegative().nullable().default(null)
    .describe("cross-validation: the fold that this run is evaluated on, from 0"),
  validationFraction: z.number().min(0).lt(1).default(0)
    .describe("share of the training subjects set aside to choose the best weights by; 0 takes the last ones"),
  patience: positiveInteger.nullable().default(null)
    .describe("validations without improvement after which training ends; needs a validation share"),
  phantoms: positiveInteger.min(4).default(24).describe("labelled phantoms where no data is named, a quarter held out"),
  checkpointEvery: positiveInteger.default(100).describe(
    "steps between checkpoints, and validations where there are any",
  ),
  keepCheckpoints: positiveInteger.default(1).describe("newest checkpoints kept beside the best"),
  cache: z.string().min(1).nullable().default(null).describe("folder in which prepared scans are kept between runs"),
  cacheMiB: positiveInteger.default(16384).describe("disk that the cache may take, in MiB"),
  memoryMiB: positiveInteger.default(4096).describe("memory for prepared scans, in MiB"),
  seed: z.int().nonnegative().default(0).describe("seed of everything random"),
  backend: z.enum(["auto", "webgpu", "cpu"]).default("auto").describe("what to compute on: auto, webgpu or cpu"),
  strict: z.boolean().default(false).describe("stop at the first unusable scan"),
});

/** A configuration whose automatic choices may still be open. */
export type FinetuningConfiguration = z.infer<typeof finetuningSchema>;

/** Checks a configuration and fills in its defaults; errors as pretraining's. */
export function parseFinetuning(values: unknown, origin: string): FinetuningConfiguration {
  return parseBySchema(finetuningSchema, values, origin);
}

/** Sizes where neither flags, weights nor data say them, by backend. */
export const FINETUNING_DEFAULTS = {
  webgpu: { features: [8, 16, 32, 64], steps: 1500, mostPatch: 48 },
  cpu: { features: [4, 8, 16], steps: 200, mostPatch: 24 },
} as const;

/** A configuration with every choice made that the data and the weights decide. */
export type ResolvedFinetuning = Readonly<
  & Omit<FinetuningConfiguration, "out" | "patch" | "features" | "steps" | "epochs" | "backend">
  & { out: string; patch: [number, number, number]; features: number[]; steps: number; backend: "webgpu" | "cpu" }
>;
