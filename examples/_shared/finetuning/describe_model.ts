import type { Preprocessing } from "@med3d/downstream";
import { saveStateDict, writeSafetensors } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Network, weightsOf } from "../inference/create_network.ts";
import { MODEL_FILES, type ModelDescription } from "../inference/model_description.ts";
import { writeWhole } from "../pretraining/run_folder.ts";
import type { ResolvedFinetuning } from "./configuration.ts";

/** A description before there are weights. */
export type ModelPlan = Omit<ModelDescription, "sha256" | "versions">;

/** Options of {@linkcode planModel}. */
export interface PlanModelOptions {
  /** Number of the network's outputs. */
  readonly outChannels: number;
  /** Label values and names, background first; empty where regions are learned or scans classified by numbers. */
  readonly classes: ModelDescription["classes"];
  /** Regions in the order in which they are painted. */
  readonly regions: ModelDescription["regions"];
  /** Mean and deviation of each value over the training scans, where values are learned. */
  readonly valueScales: ModelDescription["valueScales"];
  /** How scans are prepared. */
  readonly preprocessing: Preprocessing;
  /** What made the scans. */
  readonly modality: ModelDescription["modality"];
  /** Registry name of the encoder. */
  readonly architecture: string;
  /** Its options. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Cases trained on. */
  readonly trainingScans: number;
}

const AXES = ["depth", "height", "width"] as const;

/** Says what the model of a run will be. */
export function planModel(
  { task, deepSupervision, pooling, target, patch, mirrorAxes, data, weights }: ResolvedFinetuning,
  options: PlanModelOptions,
): ModelPlan {
  return {
    format: "med3d-model-1",
    task,
    weights: MODEL_FILES.weights,
    architecture: options.architecture,
    arguments: options.arguments,
    outChannels: options.outChannels,
    supervisedStages: task === "segment" ? deepSupervision : 0,
    pooling,
    target,
    valueScales: options.valueScales,
    classes: options.classes,
    regions: options.regions,
    preprocessing: options.preprocessing,
    modality: options.modality,
    patch,
    mirrorAxes: mirrorAxes.map((axis) => AXES.indexOf(axis) as 0 | 1 | 2),
    trainedOn: { scans: options.trainingScans, data: data ?? "phantoms", weights },
  };
}

/** Writes weights as safetensors with PyTorch's names and layouts, and the description beside them. */
export async function writeModel(folder: string, network: Network, plan: ModelPlan): Promise<ModelDescription> {
  const bytes = writeSafetensors(await saveStateDict(weightsOf(network)));
  await writeWhole(join(folder, MODEL_FILES.weights), bytes);
  const description: ModelDescription = {
    ...plan,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    versions: { "tensorflow.js": tf.version_core, deno: Deno.version.deno },
  };
  await writeWhole(join(folder, MODEL_FILES.description), JSON.stringify(description, null, 2) + "\n");
  return description;
}
