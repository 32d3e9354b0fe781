import type { Command } from "commander";
import { parseNumber, parseNumbers, parseShape } from "../_shared/command.ts";
import {
  FINETUNING_DEFAULTS,
  type FinetuningConfiguration,
  finetuningSchema,
} from "../_shared/finetuning/configuration.ts";
import { addSchemaOptions, givenOptions, type OptionSpecification } from "../_shared/schema_options.ts";

/** Values given as flags: configuration keys and how to run. */
export type Flags = Partial<FinetuningConfiguration> & { config?: string; resume?: string; dryRun?: boolean };

const byBackend = (key: "features" | "steps"): string =>
  `${FINETUNING_DEFAULTS.webgpu[key]} on WebGPU, ${FINETUNING_DEFAULTS.cpu[key]} on cpu`;

const OPTIONS: readonly OptionSpecification<keyof FinetuningConfiguration>[] = [
  { flags: "--task <name>", key: "task" },
  { flags: "--data <folder>", key: "data", shownDefault: "phantoms made here" },
  { flags: "--csv <file>", key: "csv", shownDefault: "the data set's own classes" },
  { flags: "--weights <run|none>", key: "weights" },
  { flags: "--labels <share>", key: "labels", parse: parseNumber },
  { flags: "--out <folder>", key: "out", shownDefault: "runs/finetune, or the next free runs/finetune-N" },
  { flags: "--modality <name>", key: "modality", shownDefault: "what the data set says" },
  { flags: "--channels <n>", key: "channels", parse: parseNumber },
  { flags: "--steps <n>", key: "steps", parse: parseNumber, shownDefault: byBackend("steps") },
  { flags: "--epochs <n>", key: "epochs", parse: parseNumber, shownDefault: "by --steps" },
  { flags: "--batch <patches>", key: "batch", parse: parseNumber },
  { flags: "--encoder <name>", key: "encoder" },
  { flags: "--features <list>", key: "features", parse: parseNumbers, shownDefault: byBackend("features") },
  {
    flags: "--patch <voxels>",
    key: "patch",
    parse: parseShape,
    shownDefault: "the median scan, at most 48 an edge on WebGPU",
  },
  { flags: "--spacing <mm>", key: "spacing", parse: parseNumbers, shownDefault: "the median, where scans differ" },
  { flags: "--normalise <name>", key: "normalise" },
  { flags: "--learning-rate <rate>", key: "learningRate", parse: parseNumber },
  { flags: "--weight-decay <rate>", key: "weightDecay", parse: parseNumber },
  { flags: "--schedule <name>", key: "schedule" },
  { flags: "--layer-decay <factor>", key: "layerDecay", parse: parseNumber },
  { flags: "--freeze <what>", key: "freeze", parse: (text) => /^\d+$/.test(text) ? Number(text) : text },
  { flags: "--average-decay <share>", key: "averageDecay", parse: parseNumber },
  { flags: "--loss <name>", key: "loss" },
  { flags: "--deep-supervision <levels>", key: "deepSupervision", parse: parseNumber },
  { flags: "--ignore-label <value>", key: "ignoreLabel", parse: parseNumber, shownDefault: "none" },
  { flags: "--class-weights <list>", key: "classWeights", parse: parseNumbers, shownDefault: "all 1" },
  { flags: "--foreground-fraction <share>", key: "foregroundFraction", parse: parseNumber },
  { flags: "--mirror-axes <list>", key: "mirrorAxes", parse: (text) => text.split(","), shownDefault: "none" },
  { flags: "--target <name>", key: "target" },
  { flags: "--pooling <name>", key: "pooling" },
  { flags: "--unit <name>", key: "unit" },
  { flags: "--held-out-fraction <share>", key: "heldOutFraction", parse: parseNumber },
  { flags: "--folds <n>", key: "folds", parse: parseNumber, shownDefault: "no cross-validation" },
  { flags: "--fold <n>", key: "fold", parse: parseNumber, shownDefault: "none" },
  { flags: "--validation-fraction <share>", key: "validationFraction", parse: parseNumber },
  { flags: "--patience <n>", key: "patience", parse: parseNumber, shownDefault: "train to the last step" },
  { flags: "--phantoms <n>", key: "phantoms", parse: parseNumber },
  { flags: "--checkpoint-every <steps>", key: "checkpointEvery", parse: parseNumber },
  { flags: "--cache <folder>", key: "cache", shownDefault: "none" },
  { flags: "--cache-mib <MiB>", key: "cacheMiB", parse: parseNumber },
  { flags: "--memory-mib <MiB>", key: "memoryMiB", parse: parseNumber },
  { flags: "--seed <n>", key: "seed", parse: parseNumber },
  { flags: "--backend <name>", key: "backend" },
];

/** Adds the options of fine-tuning to a command. */
export function addFinetuningOptions(command: Command): Command {
  return addSchemaOptions(command, finetuningSchema, OPTIONS)
    .option("--no-augment", "train on scans as they are (default: vary pose and intensity as nnU-Net does)")
    .option("--batch-dice", `${finetuningSchema.shape.batchDice.description} (default: off)`)
    .option("--strict", "stop at the first unusable scan (default: leave it out and say so)")
    .option("--config <file>", "JSON file of configuration keys; flags win over it (default: none)")
    .option("--resume <auto|path>", "go on from the run in --out, or from a run's folder (default: start anew)")
    .option("--dry-run", "print parameters, memory and estimated time; write nothing (default: off)");
}

/** The flags that were given, by configuration key. */
export function givenFlags(command: Command): Flags {
  return givenOptions(command) as Flags;
}
