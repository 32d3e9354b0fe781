import type { ClassComparison, LabelClass } from "@med3d/downstream";
import type { Finding } from "@med3d/volume";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { structuresOf } from "../finetuning/evaluate_segmentation.ts";
import { FINETUNING_FILES } from "../finetuning/files.ts";
import { UsageError } from "../pretraining/configuration.ts";

const configurationSchema = z.object({
  task: z.enum(["segment", "classify"]),
  target: z.enum(["classes", "labels", "ordinal", "values"]),
  unit: z.enum(["case", "subject"]).default("case"),
  folds: z.int().nullable().default(null),
  fold: z.int().nullable().default(null),
  seed: z.int(),
  ignoreLabel: z.int().nullable().default(null),
});
const modelSchema = z.object({
  classes: z.array(z.object({ name: z.string(), value: z.int() })),
  regions: z.array(z.object({ name: z.string(), values: z.array(z.int()), label: z.int() })).nullable(),
});
const caseSchema = z.object({ id: z.string(), subject: z.string() });
const segmentedSchema = z.object({
  cases: z.array(caseSchema.extend({ classes: z.array(z.looseObject({ name: z.string(), status: z.string() })) })),
});
const classifiedSchema = z.object({
  cases: z.array(caseSchema.extend({ actual: z.array(z.number()), predicted: z.array(z.number()) })),
});

/** A held-out case of a run that segments. */
export interface SegmentedCase {
  /** Its name. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** Every structure. */
  readonly classes: readonly ClassComparison[];
}

/** A held-out case of a run that classifies. */
export type PredictedCase = z.infer<typeof classifiedSchema>["cases"][number];

/** A finished fine-tuning run, as far as its evaluation needs it. */
export interface FinetunedRun extends z.infer<typeof configurationSchema> {
  /** Where it lies. */
  readonly folder: string;
  /** Names of its classes in order, of a segmentation of its structures. */
  readonly classes: readonly string[];
  /** Structures with their labels, where it segments. */
  readonly structures: readonly LabelClass[];
  /** What came out on the scans that it was not trained on, where it segments. */
  readonly segmented: readonly SegmentedCase[];
  /** The same where it classifies. */
  readonly predicted: readonly PredictedCase[];
}

/** Runs that may be pooled. */
export interface PooledRuns {
  /** In the order given. */
  readonly runs: readonly FinetunedRun[];
  /** Folds that are missing. */
  readonly findings: readonly Finding[];
}

/**
 * Reads what fine-tuning runs said of the scans that they were evaluated on.
 *
 * @throws UsageError when a folder holds no finished run, runs differ in task, target, classes or how subjects were dealt into folds, or a
 * subject was held out in two of them.
 */
export async function readRuns(folders: readonly string[]): Promise<PooledRuns> {
  const runs = await Promise.all(folders.map(readRun));
  const kindOf = ({ task, target, classes, folds, seed }: FinetunedRun): string =>
    JSON.stringify({ task, classes, ...(task === "classify" && { target }), ...(folds !== null && { folds, seed }) });
  const other = runs.find((run) => kindOf(run) !== kindOf(runs[0]!));
  if (other) {
    throw new UsageError(
      `Cannot pool runs: they differ in what they learned, or in their folds: got ${kindOf(runs[0]!)} in ${
        runs[0]!.folder
      } and ${kindOf(other)} in ` +
        `${other.folder}. Name the folds of one cross-validation.`,
    );
  }
  const held = new Map<string, string>();
  for (const { folder, segmented, predicted } of runs) {
    for (const subject of new Set([...segmented, ...predicted].map((entry) => entry.subject))) {
      const before = held.get(subject);
      if (before !== undefined) {
        throw new UsageError(
          `Cannot pool runs: ${subject} was held out in ${before} and in ${folder} and would count twice. Name the folds of one cross-validation.`,
        );
      }
      held.set(subject, folder);
    }
  }
  return { runs, findings: missingFolds(runs) };
}

async function readRun(folder: string): Promise<FinetunedRun> {
  const read = async <T>(name: string, schema: z.ZodType<T>): Promise<T> => {
    try {
      return schema.parse(JSON.parse(await readFile(join(folder, name), "utf8")));
    } catch (cause) {
      const problem = cause instanceof z.ZodError
        ? z.prettifyError(cause).replaceAll("\n", " ")
        : (cause as Error).message;
      throw new UsageError(
        `Cannot read the run in ${folder}: ${name}: ${problem}. Name the folder of a finished deno task finetune.`,
        { cause },
      );
    }
  };
  const configuration = await read(FINETUNING_FILES.configuration, configurationSchema);
  const model = await read(FINETUNING_FILES.model, modelSchema);
  const isSegmentation = configuration.task === "segment";
  const structures = isSegmentation ? structuresOf(model) : [];
  const segmented = isSegmentation ? (await read(FINETUNING_FILES.evaluation, segmentedSchema)).cases : [];
  return {
    ...configuration,
    folder,
    structures,
    classes: (isSegmentation ? structures : model.classes).map(({ name }) => name),
    segmented: segmented as unknown as SegmentedCase[], // as compareSegmentations made them
    predicted: isSegmentation ? [] : (await read(FINETUNING_FILES.evaluation, classifiedSchema)).cases,
  };
}

/** Says where a cross-validation is not whole, for then some subjects are in no figure. */
function missingFolds(runs: readonly FinetunedRun[]): Finding[] {
  const folds = runs[0]?.folds ?? 0;
  const there = new Set(runs.map(({ fold }) => fold));
  const missing = Array.from({ length: folds }, (_, fold) => fold).filter((fold) => !there.has(fold));
  return missing.length === 0 ? [] : [{
    severity: "warning",
    code: "missing-folds",
    path: runs[0]!.folder,
    message: `folds ${missing.join(", ")} of ${folds} are not among the runs: their subjects are in no figure`,
    fix: "Name the runs of all folds.",
  }];
}
