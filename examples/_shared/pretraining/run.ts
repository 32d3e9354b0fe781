import { CaptionStore, EmbeddingStore, MeasuringCaptioner } from "@med3d/captioner";
import { countParameters } from "@med3d/nn";
import type { Finding } from "@med3d/volume";
import { join, resolve } from "node:path";
import { formatFinding } from "../finding.ts";
import { writeSplit } from "../seen_scans.ts";
import { startProgress } from "../progress.ts";
import { TrainingProgress } from "../training_progress.ts";
import { figuresTable, formatTable, retrievalTable } from "../report/table.ts";
import { buildCorpus, type BuiltCorpus } from "./build_corpus.ts";
import type { PretrainingConfiguration } from "./configuration.ts";
import { type KeptEncoder, loadEncoder2d } from "./encoder2d.ts";
import { writeEmbeddingSpace } from "./embedding_space.ts";
import { evaluate, type Evaluation } from "./evaluation.ts";
import { exportWeights } from "./export_weights.ts";
import { createPretrainingModel, type ModelParts } from "./model.ts";
import { type PreparedRun, prepareRun } from "./prepare_run.ts";
import {
  chooseRunFolder,
  ConfigurationFile,
  type FoundRun,
  makeRunFolder,
  RUN_FILES,
  writeWhole,
} from "./run_folder.ts";
import { writeReport } from "./run_report.ts";
import { openCaptions } from "./stored_captions.ts";
import { trainModel } from "./train_model.ts";

/** Options of {@linkcode pretrain}. */
export interface PretrainOptions {
  /** A run to go on from; nothing starts a new one. */
  readonly resume?: FoundRun | undefined;
  /** Parts of the user's own. */
  readonly parts?: ModelParts;
  /** Ends after the current scan or step, with a checkpoint once there is anything to keep. */
  readonly signal?: AbortSignal;
}

/** How pretraining ended. */
export interface PretrainResult {
  /** Folder of the run. */
  readonly out: string;
  /** Figures on held-out scans; absent when it was stopped before. */
  readonly evaluation?: Evaluation;
}

/** Findings that are printed in full; the rest stand in the run's folder. */
const PRINTED_FINDINGS = 8;

/**
 * Pretrains a 3D encoder from a configuration: lists scans, captions slices, trains, evaluates on held-out scans, and writes weights,
 * figures and report into the run's folder. Says on the console what it does.
 *
 * @throws UsageError when the configuration cannot be followed.
 * @throws Error when nothing can be trained on, a value is not finite, the device fails or the disk is full; what was saved stays sound.
 */
export async function pretrain(
  wanted: PretrainingConfiguration,
  { resume, parts = {}, signal }: PretrainOptions = {},
): Promise<PretrainResult> {
  const startedAt = performance.now();
  const out = resume?.folder ?? await chooseRunFolder(wanted.out);
  await using encoder2d = await loadEncoder2d(wanted);
  const run = await prepareRun(wanted, { out, parts });
  const { configuration, scans } = run;
  describeRun(run);
  await makeRunFolder(out);
  const file = new ConfigurationFile(out, configuration);
  if (!resume) await file.write();
  using embeddings = encoder2d && EmbeddingStore.open(configuration.embeddings ?? join(out, RUN_FILES.embeddings));
  try {
    const kept = encoder2d && embeddings && { encoder: encoder2d, store: embeddings };
    const built = await captionAndEmbed(run, { kept, signal });
    const findings = [...scans.findings, ...built.findings];
    await writeWhole(join(out, RUN_FILES.findings), JSON.stringify(findings, null, 2) + "\n");
    printFindings(findings, out);
    const { corpus } = built;
    await writeEmbeddingSpace(out, built.encoder);
    await writeSplit(out, configuration.data && resolve(configuration.data), {
      training: scans.scans.filter(({ heldOut }) => !heldOut),
      validation: [],
      test: scans.scans.filter(({ heldOut }) => heldOut),
    });
    const model = createPretrainingModel({
      configuration,
      encoder: run.encoder,
      ownEncoder: parts.encoder !== undefined,
      embeddingWidth: corpus.embeddingWidth,
      createAligner: parts.createAligner,
    });
    try {
      console.log(
        `Training ${
          countParameters(model.parameters).toLocaleString("en")
        } parameters for ${configuration.steps} steps.`,
      );
      const bar = new TrainingProgress({ ...configuration, unit: "scans" });
      const trained = await trainModel(model, {
        configuration,
        corpus,
        resume: resume?.checkpoint,
        signal,
        onStep: (record) => {
          file.begin();
          bar.show(record);
        },
      }).finally(() => bar.stop());
      await file.write();
      for (const notice of trained.notices) console.warn(`warning: ${notice}`);
      signal?.throwIfAborted();
      const evaluation = await evaluate(model, corpus, configuration);
      await exportWeights(model, configuration, { ownEncoder: parts.encoder !== undefined });
      await writeWhole(join(out, RUN_FILES.evaluation), JSON.stringify(evaluation, null, 2) + "\n");
      const seconds = (performance.now() - startedAt) / 1000;
      await writeReport({ run, built, model, evaluation, findings, notices: trained.notices, seconds });
      console.log(`\n${formatTable(retrievalTable(evaluation))}\n\n${formatTable(figuresTable(evaluation))}\n`);
      console.log(`Encoder: ${join(out, RUN_FILES.encoder)}\nReport:  ${join(out, RUN_FILES.report)}`);
      return { out, evaluation };
    } finally {
      model.dispose();
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
    return { out };
  }
}

function describeRun({ backend, configuration, scans }: PreparedRun): void {
  if (backend.notice) console.warn(backend.notice);
  const { preset, patch, batch, out } = configuration;
  console.log(scans.description);
  console.log(
    `Computing on ${backend.device}; preset ${preset}, ${batch} scans of ${
      patch.join("x")
    } voxels per step; into ${out}`,
  );
}

async function captionAndEmbed(
  { configuration, scans }: PreparedRun,
  { kept, signal }: { kept: KeptEncoder | undefined; signal: AbortSignal | undefined },
): Promise<BuiltCorpus> {
  using given = await openCaptions(configuration);
  using store = CaptionStore.open(join(configuration.out, RUN_FILES.captions));
  const bar = startProgress({ label: "captioning", total: scans.scans.length });
  try {
    return await buildCorpus(scans.scans, {
      configuration,
      captioner: new MeasuringCaptioner(),
      store,
      given,
      kept,
      onScan: (done) => bar.update(done, "scans"),
      ...(signal ? { signal } : {}),
    });
  } finally {
    bar.stop();
  }
}

function printFindings(findings: readonly Finding[], out: string): void {
  for (const finding of findings.slice(0, PRINTED_FINDINGS)) console.warn(formatFinding(finding));
  const more = findings.length - PRINTED_FINDINGS;
  if (more > 0) console.warn(`… and ${more} more findings in ${join(out, RUN_FILES.findings)}`);
}
