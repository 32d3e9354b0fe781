import type { Command } from "commander";
import { parseNumber, parseNumbers, parseObject, parseShape } from "../_shared/command.ts";
import {
  configurationSchema,
  type PretrainingConfiguration,
  RESOLVED_DEFAULTS,
  type ResolvedDefaults,
} from "../_shared/pretraining/configuration.ts";
import { addSchemaOptions, givenOptions, type OptionSpecification } from "../_shared/schema_options.ts";

/** Values given as flags: configuration keys and how to run. */
export type Flags = Partial<PretrainingConfiguration> & {
  config?: string;
  resume?: string;
  dryRun?: boolean;
  timing?: boolean;
};

const byBackend = (key: keyof ResolvedDefaults): string =>
  `${String(RESOLVED_DEFAULTS.webgpu[key]).replaceAll(",", "x")} on WebGPU, ${
    String(RESOLVED_DEFAULTS.cpu[key]).replaceAll(",", "x")
  } on cpu`;

const OPTIONS: readonly OptionSpecification<keyof PretrainingConfiguration>[] = [
  { flags: "--data <folder>", key: "data", shownDefault: "phantoms made here" },
  { flags: "--out <folder>", key: "out", shownDefault: "runs/pretrain, or the next free runs/pretrain-N" },
  { flags: "--modality <name>", key: "modality", shownDefault: "what the data set says" },
  { flags: "--steps <n>", key: "steps", parse: parseNumber, shownDefault: byBackend("steps") },
  { flags: "--epochs <n>", key: "epochs", parse: parseNumber, shownDefault: "by --steps" },
  { flags: "--batch <scans>", key: "batch", parse: parseNumber },
  {
    flags: "--micro-batch <scans>",
    key: "microBatch",
    parse: parseNumber,
    shownDefault: "the whole batch at once",
  },
  { flags: "--slices-per-volume <n>", key: "slicesPerVolume", parse: parseNumber },
  { flags: "--questions-per-volume <n>", key: "questionsPerVolume", parse: parseNumber },
  { flags: "--patch <voxels>", key: "patch", parse: parseShape, shownDefault: byBackend("patch") },
  { flags: "--size <name>", key: "size" },
  { flags: "--encoder <name>", key: "encoder" },
  {
    flags: "--features <list>",
    key: "features",
    parse: parseNumbers,
    shownDefault: byBackend("features").replaceAll("x", ","),
  },
  { flags: "--encoder-options <json>", key: "encoderOptions", parse: parseObject },
  { flags: "--preset <name>", key: "preset" },
  { flags: "--reader <name>", key: "reader" },
  { flags: "--psat-queries <n>", key: "psatQueries", parse: parseNumber },
  { flags: "--aligner <name>", key: "aligner", shownDefault: "the preset's" },
  { flags: "--learning-rate <rate>", key: "learningRate", parse: parseNumber },
  { flags: "--phantoms <n>", key: "phantoms", parse: parseNumber },
  { flags: "--held-out-fraction <share>", key: "heldOutFraction", parse: parseNumber },
  { flags: "--captions <file>", key: "captions", shownDefault: "measured here" },
  { flags: "--captioners <id...>", key: "captioners", shownDefault: "all of the store, one drawn per slice and step" },
  { flags: "--encoder2d <folder>", key: "encoder2d", shownDefault: "fitted on the training scans" },
  {
    flags: "--encoder2d-window <center,width>",
    key: "encoder2dWindow",
    parse: parseNumbers,
    shownDefault: "percentiles 0.5 to 99.5 of each slice",
  },
  { flags: "--embeddings <file>", key: "embeddings", shownDefault: "in the run's folder" },
  { flags: "--caption-noise <share>", key: "captionNoise", parse: parseNumber },
  { flags: "--checkpoint-every <steps>", key: "checkpointEvery", parse: parseNumber },
  { flags: "--memory-mib <MiB>", key: "memoryMiB", parse: parseNumber },
  { flags: "--cache <folder>", key: "cache", shownDefault: "none" },
  { flags: "--cache-mib <MiB>", key: "cacheMiB", parse: parseNumber },
  { flags: "--seed <n>", key: "seed", parse: parseNumber },
  { flags: "--backend <name>", key: "backend" },
];

/** Adds the options of pretraining to a command. */
export function addPretrainingOptions(command: Command): Command {
  return addSchemaOptions(command, configurationSchema, OPTIONS)
    .option("--no-augment", "train on scans as they are (default: vary pose and intensity of every second)")
    .option("--no-place-code", "do not tell what answers the plane and slice, as an ablation (default: tell them)")
    .option("--recompute", `${configurationSchema.shape.recompute.description} (default: off)`)
    .option("--strict", "stop at the first unusable scan (default: leave it out and say so)")
    .option("--config <file>", "JSON file of configuration keys; flags win over it (default: none)")
    .option("--resume <auto|path>", "go on from the run in --out, or from a run's folder (default: start anew)")
    .option("--dry-run", "print parameters, memory, disk and estimated time; write nothing (default: off)")
    .option("--no-timing", "compute no step in a dry run, but plan it alone (default: time a few that fit the device)");
}

/** The flags that were given, by configuration key. */
export function givenFlags(command: Command): Flags {
  return givenOptions(command) as Flags;
}
