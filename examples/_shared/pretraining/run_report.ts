import type { StepRecord } from "@med3d/training";
import { extractSlice, type Finding, PLANES, renderSlicePng, type Volume } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatFinding } from "../finding.ts";
import { formatDuration } from "../progress.ts";
import type { Series } from "../report/charts.ts";
import { renderReport, type ReportContent } from "../report/report.ts";
import { stackRows } from "./batches.ts";
import type { BuiltCorpus } from "./build_corpus.ts";
import { answersAbout, type Evaluation, reconstructScan } from "./evaluation.ts";
import type { Corpus, CorpusScan } from "./corpus.ts";
import type { PretrainingModel } from "./model.ts";
import type { PreparedRun } from "./prepare_run.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { RUN_FILES, writeWhole } from "./run_folder.ts";
import { pickOverPlanes } from "./sampling.ts";

/** Scans and questions shown in a report. */
const SHOWN_SCANS = 4;
const SHOWN_SLICES = 12;
const PLAN_QUESTIONS = 24;

/** What a report is made from. */
export interface FinishedRun {
  readonly run: PreparedRun;
  readonly built: BuiltCorpus;
  readonly model: PretrainingModel;
  readonly evaluation: Evaluation;
  readonly findings: readonly Finding[];
  readonly notices: readonly string[];
  /** Wall-clock time of this call, scans and captions included. */
  readonly seconds: number;
}

/** Writes the report of a run that has been evaluated. Its curves are those of the metrics file. */
export async function writeReport(finished: FinishedRun): Promise<void> {
  const { run, built, model, evaluation, findings, notices, seconds } = finished;
  const { configuration, backend, scans } = run;
  const { corpus } = built;
  const records = await readMetrics(join(configuration.out, RUN_FILES.metrics));
  const plan = await heldOutPlan(model, corpus);
  const report = renderReport({
    title: `Pretraining of ${configuration.out}`,
    facts: [
      ["run", ""],
      ["data", scans.description],
      ["used", `${corpus.training.length} scans to train on, ${corpus.heldOut.length} held out`],
      ["device", backend.device],
      ["versions", `TensorFlow.js ${tf.version_core}, Deno ${Deno.version.deno}`],
      ["frozen encoders", corpus.encoderId],
      ["steps", String(records.length)],
      ["time of this call", formatDuration(seconds)],
      ["finished", new Date().toISOString()],
    ],
    notices: [
      ...(backend.notice ? [backend.notice] : []),
      ...notices,
      ...findings.map(formatFinding),
    ],
    losses: Object.keys(records[0]?.terms ?? {}).map((term) => series(term, records, ({ terms }) => terms[term]!)),
    others: [
      series("learning rate", records, ({ learningRate }) => learningRate),
      series("gradient norm", records, ({ gradientNorm }) => gradientNorm),
    ],
    evaluation,
    slices: await captionedSlices(corpus),
    ...(plan ? { plan } : {}),
    reconstructions: await reconstructionPictures(model, corpus, configuration),
    history: built.history,
    configuration,
  });
  await writeWhole(join(configuration.out, RUN_FILES.report), report);
}

async function readMetrics(path: string): Promise<StepRecord[]> {
  return (await readFile(path, "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line) as StepRecord);
}

function series(name: string, records: readonly StepRecord[], valueOf: (record: StepRecord) => number): Series {
  return { name, points: records.map((record) => [record.step, valueOf(record)]) };
}

/** The transport plan between answers and captions of held-out questions, spread over scans and planes. */
async function heldOutPlan(model: PretrainingModel, corpus: Corpus): Promise<ReportContent["plan"]> {
  const width = corpus.embeddingWidth;
  const perScan = Math.max(1, Math.floor(PLAN_QUESTIONS / corpus.heldOut.length));
  const answers: Float32Array[] = [];
  const captions: Float32Array[] = [];
  for (const scan of corpus.heldOut.slice(0, PLAN_QUESTIONS)) {
    const all = await answersAbout(model, scan);
    for (const index of pickOverPlanes(scan.slices.map(({ plane }) => plane), perScan, `plan/${scan.id}`)) {
      answers.push(all.subarray(index * width, (index + 1) * width));
      captions.push(scan.slices[index]!.textEmbedding);
    }
  }
  const size = answers.length;
  const rows = tf.tensor2d(stackRows(answers, width), [size, width]);
  const columns = tf.tensor2d(stackRows(captions, width), [size, width]);
  const plan = model.plan(rows, columns);
  const values = await plan?.data<"float32">();
  tf.dispose([rows, columns]);
  plan?.dispose();
  return values ? { values, size } : undefined;
}

/** Middle axial slices of held-out scans: the scan, what the network was shown and what it made of that. */
async function reconstructionPictures(
  model: PretrainingModel,
  corpus: Corpus,
  configuration: ResolvedConfiguration,
): Promise<ReportContent["reconstructions"]> {
  const pictures: ReportContent["reconstructions"][number][] = [];
  for (const scan of corpus.heldOut.slice(0, SHOWN_SCANS)) {
    const volume = await scan.loadInput();
    const { original, shown, reconstructed } = await reconstructScan(model, scan, configuration);
    const png = (data: Float32Array): Uint8Array =>
      slicePng({ ...volume, data }, "axial", Math.floor(volume.shape[0] / 2));
    pictures.push({ title: scan.id, pngs: [png(original), png(shown), png(reconstructed)] });
  }
  return pictures;
}

/** Slices of held-out scans as the network's input shows them, with the captions of the full slices. */
async function captionedSlices(corpus: Corpus): Promise<ReportContent["slices"]> {
  const shown: ReportContent["slices"][number][] = [];
  const perScan = Math.ceil(SHOWN_SLICES / SHOWN_SCANS);
  for (const scan of corpus.heldOut.slice(0, SHOWN_SCANS)) {
    shown.push(...await slicesOf(scan, perScan));
  }
  return shown;
}

async function slicesOf(scan: CorpusScan, count: number): Promise<ReportContent["slices"]> {
  const volume = await scan.loadInput();
  return pickOverPlanes(scan.slices.map(({ plane }) => plane), count, `report/${scan.id}`).map((index) => {
    const { plane, relativePosition, caption } = scan.slices[index]!;
    const extent = volume.shape[PLANES.indexOf(plane)]!;
    const title = `${scan.id}, ${plane} at ${(100 * relativePosition).toFixed(0)} %`;
    return {
      title,
      caption,
      png: slicePng(volume, plane, Math.min(extent - 1, Math.floor(relativePosition * extent))),
    };
  });
}

function slicePng(volume: Volume, plane: (typeof PLANES)[number], index: number): Uint8Array {
  return renderSlicePng(extractSlice(volume, plane, index).image, { window: { center: 0.5, width: 1 } });
}
