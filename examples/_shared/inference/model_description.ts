import { z } from "zod";
import type { Preprocessing } from "@med3d/downstream";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseBySchema, UsageError } from "../pretraining/configuration.ts";

/** Names of the files that a fine-tuned model consists of. */
export const MODEL_FILES = { description: "model.json", weights: "model.safetensors" } as const;

const triple = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);
const normalisation = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("z-score"), foreground: z.enum(["nonzero", "all"]) }),
  z.strictObject({ kind: z.literal("percentiles"), percentiles: z.tuple([z.number(), z.number()]) }),
  z.strictObject({ kind: z.literal("window"), centerHu: z.number(), widthHu: z.number().positive() }),
]);

/** Shape of `model.json`: all that is needed to use the weights beside it. */
export const modelSchema = z.strictObject({
  format: z.literal("med3d-model-1"),
  task: z.enum(["segment", "classify"]),
  weights: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  architecture: z.string().min(1),
  arguments: z.record(z.string(), z.unknown()),
  outChannels: z.int().positive(),
  supervisedStages: z.int().nonnegative(),
  pooling: z.enum(["mean", "attention"]),
  target: z.enum(["classes", "labels", "ordinal", "values"]),
  valueScales: z.array(z.strictObject({ mean: z.number(), deviation: z.number().positive() })).nullable(),
  classes: z.array(z.strictObject({ name: z.string(), value: z.int().nonnegative() })),
  regions: z.array(
    z.strictObject({ name: z.string(), values: z.array(z.int().positive()).min(1), label: z.int().positive() }),
  )
    .nullable(),
  preprocessing: z.strictObject({
    orientation: z.literal("RAS+"),
    spacingMm: triple.nullable(),
    resize: triple.nullable(),
    channels: z.array(normalisation).min(1),
  }),
  modality: z.enum(["CT", "MR", "unknown"]),
  patch: triple,
  mirrorAxes: z.array(z.union([z.literal(0), z.literal(1), z.literal(2)])),
  trainedOn: z.strictObject({ scans: z.int().nonnegative(), data: z.string(), weights: z.string() }),
  versions: z.record(z.string(), z.string()),
});

/** What stands in `model.json`. */
export type ModelDescription = Omit<z.infer<typeof modelSchema>, "preprocessing"> & {
  readonly preprocessing: Preprocessing;
};

/** A fine-tuned model as it lies on disk. */
export interface StoredModel {
  /** What it is. */
  readonly description: ModelDescription;
  /** The weights' file, its hash checked. */
  readonly bytes: Uint8Array;
}

/**
 * Reads a fine-tuned model.
 *
 * @param folder Of the run that made it.
 * @throws UsageError when there is none, its description is damaged, or the weights are not those that it was written with.
 */
export async function readModel(folder: string): Promise<StoredModel> {
  const path = join(folder, MODEL_FILES.description);
  let values: unknown;
  try {
    values = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new UsageError(
      `Cannot read a model in ${folder}: ${
        (error as Error).message
      }. Name the folder of a finished deno task finetune.`,
      { cause: error },
    );
  }
  const description = parseBySchema(modelSchema, values, path) as ModelDescription;
  const bytes = new Uint8Array(await readFile(join(folder, description.weights)));
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (hash !== description.sha256) {
    throw new UsageError(
      `Cannot read a model in ${folder}: ${description.weights} is not what ${path} was written with: got SHA-256 ${hash}, expected ` +
        `${description.sha256}. Copy both again.`,
    );
  }
  return { description, bytes };
}
