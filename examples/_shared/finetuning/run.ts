import type { StepRecord } from "@med3d/training";
import { countParameters } from "@med3d/nn";
import type { Finding } from "@med3d/volume";
import { join, resolve } from "node:path";
import { writeSplit } from "../seen_scans.ts";
import { formatFinding } from "../finding.ts";
import { disposeNetwork } from "../inference/create_network.ts";
import {
  chooseRunFolder,
  ConfigurationFile,
  type FoundRun,
  makeRunFolder,
  writeWhole,
} from "../pretraining/run_folder.ts";
import { formatTable } from "../report/table.ts";
import { TrainingProgress } from "../training_progress.ts";
import { classificationSource, trainClassification } from "./classification_run.ts";
import type { FinetuningConfiguration } from "./configuration.ts";
import { writeModel } from "./describe_model.ts";
import { FINETUNING_FILES, FINETUNING_FOLDER } from "./files.ts";
import { finishClassification, finishSegmentation } from "./finish.ts";
import { type PreparedFinetuning, prepareFinetuning } from "./prepare_finetuning.ts";
import { writeFinetuningReport } from "./run_report.ts";
import { trainSegmentation } from "./segmentation_run.ts";

/** Options of {@linkcode finetune}. */
export interface FinetuneOptions {
  /** A run to go on from; nothing starts a new one. */
  readonly resume?: FoundRun | undefined;
  /** Ends after the current scan or step, with a checkpoint once there is anything to keep. */
  readonly signal?: AbortSignal | undefined;
}

/** How fine-tuning ended. */
export interface FinetuneResult {
  /** Folder of the run. */
  readonly out: string;
  /** Whether it came to its end. */
  readonly finished: boolean;
}

const PRINTED_FINDINGS = 8;

/**
 * Fine-tunes a network as a configuration says: looks through the data, trains, evaluates on held-out subjects, and writes weights, figures
 * and report into the run's folder. Says on the console what it does.
 *
 * @throws UsageError when the configuration cannot be followed.
 * @throws Error when nothing can be trained on, a value is not finite, the device fails or the disk is full; what was saved stays sound.
 */
export async function finetune(
  wanted: FinetuningConfiguration,
  { resume, signal }: FinetuneOptions = {},
): Promise<FinetuneResult> {
  const startedAt = performance.now();
  const out = resume?.folder ?? await chooseRunFolder(wanted.out, FINETUNING_FOLDER);
  try {
    const run = await prepareFinetuning(wanted, { out, signal });
    try {
      return await finish(run, { resume, signal, startedAt });
    } finally {
      disposeNetwork(run.network);
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
    return { out, finished: false };
  }
}

async function finish(
  run: PreparedFinetuning,
  { resume, signal, startedAt }: FinetuneOptions & { readonly startedAt: number },
): Promise<FinetuneResult> {
  const { configuration, network, plan, split, findings } = run;
  const { out } = configuration;
  describeRun(run);
  await makeRunFolder(out);
  const file = new ConfigurationFile(out, configuration);
  if (!resume) await file.write();
  await writeSplit(out, configuration.data && resolve(configuration.data), split);
  const bar = new TrainingProgress({ ...configuration, unit: configuration.task === "segment" ? "patches" : "scans" });
  const options = {
    resume: resume?.checkpoint,
    signal,
    onStep: (record: StepRecord) => {
      file.begin();
      bar.show(record);
    },
  };
  const source = configuration.task === "classify" ? await classificationSource(run) : undefined;
  const trained = await (source ? trainClassification(run, source, options) : trainSegmentation(run, options))
    .finally(() => bar.stop());
  await file.write();
  for (const notice of trained.notices) console.warn(`warning: ${notice}`);
  signal?.throwIfAborted();
  const trainedSeconds = (performance.now() - startedAt) / 1000;
  const description = await writeModel(out, network, plan);
  const result = source
    ? await finishClassification(run, { source, signal })
    : await finishSegmentation(run, { description, signal });
  await writeWhole(join(out, FINETUNING_FILES.findings), JSON.stringify(findings, null, 2) + "\n");
  const figures = { chosen: trained.chosen, ...result.figures };
  await writeWhole(join(out, FINETUNING_FILES.evaluation), JSON.stringify(figures, null, 2) + "\n");
  const seconds = (performance.now() - startedAt) / 1000;
  await writeFinetuningReport({ run, trained, sections: result.sections, trainedSeconds, seconds });
  printFindings(findings, out);
  console.log(`\n${formatTable(result.table)}\n`);
  console.log(`Model:  ${join(out, FINETUNING_FILES.model)}\nReport: ${join(out, FINETUNING_FILES.report)}`);
  return { out, finished: true };
}

function describeRun({ backend, configuration, list, split, network, start, plan }: PreparedFinetuning): void {
  const { patch, batch, out, steps, folds, fold } = configuration;
  if (backend.notice) console.warn(backend.notice);
  console.log(
    `${list.description}${
      folds === null ? "" : `, fold ${fold} of ${folds}`
    }: ${split.training.length} to train on, ${split.validation.length} to validate, ${split.test.length} held out`,
  );
  console.log(`${plan.architecture}, ${countParameters(network.parameters).toLocaleString("en")} parameters, ${start}`);
  console.log(
    `Computing on ${backend.device}; ${steps} steps of ${batch} patches of ${patch.join("x")} voxels; into ${out}`,
  );
}

function printFindings(findings: readonly Finding[], out: string): void {
  for (const finding of findings.slice(0, PRINTED_FINDINGS)) console.warn(formatFinding(finding));
  const more = findings.length - PRINTED_FINDINGS;
  if (more > 0) console.warn(`… and ${more} more findings in ${join(out, FINETUNING_FILES.findings)}`);
}
