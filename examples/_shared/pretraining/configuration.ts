import { closest, distance } from "fastest-levenshtein";
import { readFile } from "node:fs/promises";
import { z } from "zod";

/** The presets of the method, by how they train. See ARCHITECTURE.md and each field of {@linkcode PRESETS}. */
export const PRESET_NAMES = ["released", "intended", "robust"] as const;

/** Sizes that `--size` knows. */
export const SIZE_NAMES = ["small", "paper"] as const;

const positiveInteger = z.int().positive();
const fraction = z.number().gt(0).lt(1);

/** What can answer questions from the deepest features: PSAT, or for ablations a linear map of their mean. */
export const READER_NAMES = ["psat", "pooled"] as const;

/** Shape of a pretraining configuration: every key, its bounds and its default. */
export const configurationSchema = z.strictObject({
  data: z.string().min(1).nullable().default(null)
    .describe("folder of scans: BIDS, Decathlon, nnU-Net, MedMNIST, DICOM or files as they lie; or a manifest"),
  out: z.string().min(1).nullable().default(null).describe("folder of the run"),
  modality: z.enum(["CT", "MR"]).nullable().default(null).describe("what made the scans: CT or MR"),
  preset: z.enum(PRESET_NAMES).default("robust").describe(
    "how the loss and PSAT are set up: released, intended or robust",
  ),
  size: z.enum(SIZE_NAMES).default("small").describe(
    "sizes of patch, networks and batch, which other keys win over: small for minutes, paper as published",
  ),
  encoder: z.string().min(1).default("plain-unet").describe("3D encoder by registry name"),
  features: z.array(positiveInteger).min(2).max(8).nullable().default(null)
    .describe("channels of each level of the U-Nets, finest first"),
  encoderOptions: z.record(z.string(), z.json()).default({})
    .describe("further options of the encoder, as JSON, over narrow defaults; deno task encoders lists them"),
  patch: z.array(positiveInteger).length(3).nullable().default(null)
    .describe("voxels, depth x height x width, that a whole scan is resized to"),
  steps: positiveInteger.nullable().default(null).describe("optimiser steps"),
  epochs: z.number().positive().nullable().default(null).describe("passes over the training scans, in place of steps"),
  batch: positiveInteger.default(4).describe("scans per step"),
  microBatch: positiveInteger.nullable().default(null)
    .describe("scans encoded at a time, so that the batch need not fit the device; null takes the batch at once"),
  slicesPerVolume: positiveInteger.min(3).default(24).describe("captioned slices per scan, over the three planes"),
  questionsPerVolume: positiveInteger.default(6).describe("slices asked for per scan and step"),
  phantoms: positiveInteger.min(4).default(48).describe("phantom scans, a quarter of them held out"),
  heldOutFraction: fraction.default(0.2).describe("share of subjects held out where the data has no split"),
  learningRate: z.number().positive().default(4e-3).describe("peak learning rate of AdamW"),
  weightDecay: z.number().nonnegative().default(1e-5).describe("decoupled weight decay"),
  warmUpFraction: z.number().min(0).lt(1).default(0.05).describe("share of the steps in which the rate rises"),
  maxGradientNorm: z.number().positive().default(1).describe("gradients are scaled down to this global norm"),
  imageWeight: z.number().nonnegative().default(1).describe("weight of aligning with the slices"),
  textWeight: z.number().nonnegative().default(1).describe("weight of aligning with the captions"),
  reconstructionWeight: z.number().nonnegative().default(1).describe("weight of the reconstruction"),
  aligner: z.string().min(1).nullable().default(null).describe(
    "alignment loss by registry name; null takes the preset's",
  ),
  captions: z.string().min(1).nullable().default(null)
    .describe("store of captions that deno task caption made; its slices are learned, in place of slices chosen here"),
  captioners: z.array(z.string().min(1)).nullable().default(null)
    .describe("ids of the captioners whose captions are used, where slices have several"),
  encoder2d: z.string().min(1).nullable().default(null)
    .describe("folder of a frozen CLIP, SigLIP or BiomedCLIP in ONNX, as tools/export writes it"),
  encoder2dWindow: z.tuple([z.number(), z.number().positive()]).nullable().default(null)
    .describe("centre and width of what the 2D encoder is shown, HU in CT"),
  embeddings: z.string().min(1).nullable().default(null)
    .describe("store of the 2D encoder's vectors, for several runs"),
  captionNoise: z.number().min(0).max(1).default(0).describe("share of training captions shuffled, for stress tests"),
  augment: z.boolean().default(true).describe("vary pose and intensity of every second training scan"),
  embeddingWidth: positiveInteger.default(64).describe("width of the space that scans, slices and captions share"),
  reader: z.enum(READER_NAMES).default("psat").describe(
    "what answers from the deepest features: psat, or pooled, a linear map of their mean",
  ),
  placeCode: z.boolean().default(true).describe("tell what answers the plane and slice that it is asked about"),
  psatWidth: positiveInteger.default(64).describe("width of PSAT"),
  psatQueries: positiveInteger.default(8).describe("learnable queries of PSAT"),
  psatLayers: positiveInteger.default(2).describe("decoder layers of PSAT"),
  psatHeads: positiveInteger.default(4).describe("attention heads of PSAT"),
  checkpointEvery: positiveInteger.default(50).describe("steps between checkpoints"),
  keepCheckpoints: positiveInteger.default(3).describe("newest checkpoints kept beside the best"),
  recompute: z.boolean().default(false)
    .describe(
      "compute the stages of encoder and decoder again on the way back: less memory, more time, the same numbers",
    ),
  cache: z.string().min(1).nullable().default(null)
    .describe("folder in which prepared scans are kept between runs; the numbers stay the same"),
  cacheMiB: positiveInteger.default(16384).describe("disk that the cache may take, in MiB"),
  memoryMiB: positiveInteger.default(4096).describe("memory for prepared scans, in MiB"),
  seed: z.int().nonnegative().default(0).describe("seed of everything random"),
  backend: z.enum(["auto", "webgpu", "cpu"]).default("auto").describe("what to compute on: auto, webgpu or cpu"),
  strict: z.boolean().default(false).describe("stop at the first unusable scan"),
});

/** A configuration whose automatic choices may still be open. */
export type PretrainingConfiguration = z.infer<typeof configurationSchema>;

/** Keys of the configuration, in the order of `--help`. */
export const CONFIGURATION_KEYS = Object.keys(configurationSchema.shape) as (keyof PretrainingConfiguration)[];

/**
 * What each size sets in place of the keys' defaults. `paper` is the published setting: one question per scan, hence an alignment batch of 10,
 * with nnFormer at its registered options; other encoders have their published widths then, too.
 */
export const SIZES: Readonly<Record<(typeof SIZE_NAMES)[number], Partial<PretrainingConfiguration>>> = {
  small: {},
  paper: {
    encoder: "nnformer",
    features: [32, 64, 128, 256, 320, 320],
    patch: [128, 128, 128],
    epochs: 100,
    batch: 10,
    microBatch: 1,
    questionsPerVolume: 1,
    learningRate: 1e-5,
    embeddingWidth: 512,
    psatWidth: 768,
    psatQueries: 300,
    psatLayers: 6,
    psatHeads: 8,
  },
};

/** What is picked by backend where the configuration leaves it open. */
export interface ResolvedDefaults {
  readonly features: readonly number[];
  readonly patch: readonly [number, number, number];
  readonly steps: number;
}

/** Sizes that finish in minutes on two processor cores: with WebGPU, and with TensorFlow.js' cpu backend. */
export const RESOLVED_DEFAULTS: Readonly<Record<"webgpu" | "cpu", ResolvedDefaults>> = {
  webgpu: { features: [8, 16, 32], patch: [24, 24, 24], steps: 300 },
  cpu: { features: [4, 8, 16], patch: [16, 16, 16], steps: 200 },
};

/** A mistake in how the program was called: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Names the candidate nearest to a mistyped name, or nothing when none is near. */
export function nearestName(name: string, candidates: readonly string[]): string {
  const nearest = closest(name, candidates as string[]);
  return distance(name, nearest) <= Math.max(2, name.length / 2) ? ` Did you mean "${nearest}"?` : "";
}

/**
 * Checks a configuration and fills in its defaults.
 *
 * @param values Keys and values, as parsed from JSON or from flags.
 * @param origin Where they come from, for the error message.
 * @throws UsageError naming the key, the value and what is expected; for an unknown key the nearest known one.
 */
export function parseConfiguration(values: unknown, origin: string): PretrainingConfiguration {
  const size = (values as { size?: unknown } | null)?.size;
  const known = SIZE_NAMES.find((name) => name === size);
  return parseBySchema(configurationSchema, known ? { ...SIZES[known], ...values as object } : values, origin);
}

/** Does for any schema of keys what {@linkcode parseConfiguration} does for pretraining's. */
export function parseBySchema<Schema extends z.ZodObject>(
  schema: Schema,
  values: unknown,
  origin: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0]!;
    const known = Object.keys(schema.shape);
    throw new UsageError(
      `Cannot read ${origin}: unknown key "${key}".${nearestName(key, known)} Known keys: ${known.join(", ")}.`,
    );
  }
  const key = issue.path.join(".");
  const value = issue.path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown>)?.[part], values);
  const named = typeof value === "string" && issue.code === "invalid_value"
    ? nearestName(value, issue.values.map(String))
    : "";
  throw new UsageError(`Cannot read ${origin}: "${key}" is ${JSON.stringify(value)}: ${issue.message}.${named}`);
}

/**
 * Reads a JSON configuration file.
 *
 * @throws UsageError when the file cannot be read, is no JSON or is no object.
 */
export async function readConfigurationFile(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`Cannot read configuration ${path}: ${(error as Error).message}.`, { cause: error });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new UsageError(`Cannot read configuration ${path}: it is not JSON: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  throw new UsageError(`Cannot read configuration ${path}: expected a JSON object of keys and values.`);
}
