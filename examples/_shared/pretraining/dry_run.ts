import { CaptionStore, EmbeddingStore, MeasuringCaptioner } from "@med3d/captioner";
import { countParameters } from "@med3d/nn";
import {
  deviceMemory,
  GpuError,
  type MemoryPlan,
  planMemory,
  resetPeakBytes,
  trimBuffers,
} from "@med3d/webgpu-kernels";
import { formatDuration } from "../progress.ts";
import { formatTable } from "../report/table.ts";
import { buildCorpus } from "./build_corpus.ts";
import type { PretrainingConfiguration } from "./configuration.ts";
import { loadEncoder2d } from "./encoder2d.ts";
import { evaluate } from "./evaluation.ts";
import type { Corpus } from "./corpus.ts";
import { createPretrainingModel } from "./model.ts";
import { type PreparedRun, prepareRun } from "./prepare_run.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { chooseRunFolder } from "./run_folder.ts";
import type { ScanSource } from "./scans.ts";
import { openCaptions } from "./stored_captions.ts";
import { trainModel } from "./train_model.ts";

/** Scans that are read and steps that are timed. The first step compiles kernels and is left out of the estimate. */
const SAMPLE = { training: 6, heldOut: 2, steps: 4 } as const;

/** Bytes per stored caption, provenance and indices included: 1344 on phantoms, 1520 on hippocampus, rounded up. */
const BYTES_PER_CAPTION = 1600;

/** Of a stored vector of 64 and more numbers, key and index included. */
const VECTOR_OVERHEAD = { factor: 1.5, bytes: 200 } as const;

/** What a run will take. */
export interface RunEstimate {
  readonly trainedParameters: number;
  readonly encoderParameters: number;
  /** What a WebGPU device has to provide for the steps, known before one ran; why it cannot, where the cpu backend computes. */
  readonly plan: MemoryPlan | string;
  /** Most bytes that the device held during the timed steps, models and pooled buffers included; nothing on the cpu backend. */
  readonly deviceBytes: number | undefined;
  readonly diskBytes: number;
  readonly secondsPerStep: number;
  readonly seconds: number;
}

/** Measures on a few scans and steps what a run of this configuration will take; writes nothing. */
export async function dryRun(wanted: PretrainingConfiguration): Promise<RunEstimate> {
  await using encoder2d = await loadEncoder2d(wanted);
  const run = await prepareRun(wanted, { out: await chooseRunFolder(wanted.out) });
  const { configuration, scans, backend } = run;
  if (backend.notice) console.warn(backend.notice);
  console.log(`${scans.description}\nTiming ${SAMPLE.steps} steps on ${backend.device} …`);
  const sample = sampleOf(scans.scans);
  using store = CaptionStore.open(":memory:");
  using given = await openCaptions(configuration);
  using embeddings = EmbeddingStore.open(":memory:");
  const startedAt = performance.now();
  const { corpus } = await buildCorpus(sample, {
    configuration: { ...configuration, cache: null },
    captioner: new MeasuringCaptioner(),
    store,
    given,
    kept: encoder2d && { encoder: encoder2d, store: embeddings },
  });
  const secondsPerScan = (performance.now() - startedAt) / 1000 / sample.length;
  const plan = await planSteps(run, corpus);
  const model = createPretrainingModel({
    configuration,
    encoder: run.encoder,
    embeddingWidth: corpus.embeddingWidth,
  });
  const seconds: number[] = [];
  trimBuffers();
  resetPeakBytes();
  await trainModel(model, {
    configuration: { ...configuration, steps: SAMPLE.steps },
    corpus,
    dryRun: true,
    onStep: (record) => void seconds.push(record.seconds),
  });
  const deviceBytes = deviceMemory()?.peakBytes;
  const evaluationStart = performance.now();
  await evaluate(model, corpus, configuration);
  const secondsPerHeldOut = (performance.now() - evaluationStart) / 1000 / corpus.heldOut.length;
  const heldOut = scans.scans.filter((scan) => scan.heldOut).length;
  const secondsPerStep = median(seconds.slice(1));
  const estimate: RunEstimate = {
    trainedParameters: countParameters(model.parameters),
    encoderParameters: countParameters(model.encoder.parameters),
    plan,
    deviceBytes,
    diskBytes: diskBytes(configuration, {
      scans: scans.scans.length,
      trained: countParameters(model.parameters),
      encoder: countParameters(model.encoder.parameters),
      storedWidth: encoder2d?.width ?? 0,
    }),
    secondsPerStep,
    seconds: secondsPerScan * scans.scans.length + secondsPerStep * configuration.steps + secondsPerHeldOut * heldOut,
  };
  model.dispose();
  console.log(`\n${formatTable(tableOf(estimate, configuration))}\n\nNothing was written.`);
  return estimate;
}

/** Finds what two steps need of a WebGPU device. One that is present and cannot hold them is an error. */
async function planSteps(
  { configuration, encoder, backend }: PreparedRun,
  corpus: Corpus,
): Promise<MemoryPlan | string> {
  try {
    return await planMemory(async () => {
      const model = createPretrainingModel({ configuration, encoder, embeddingWidth: corpus.embeddingWidth });
      await trainModel(model, { configuration: { ...configuration, steps: 2 }, corpus, dryRun: true });
    });
  } catch (error) {
    if (backend.name === "webgpu" || !(error instanceof GpuError)) throw error;
    return error.message;
  }
}

function sampleOf(scans: readonly ScanSource[]): ScanSource[] {
  const training = scans.filter(({ heldOut }) => !heldOut).slice(0, SAMPLE.training);
  return [...training, ...scans.filter(({ heldOut }) => heldOut).slice(0, SAMPLE.heldOut)];
}

/** Checkpoints hold parameters and Adam's two moments: the newest, the best, and the one being written. */
function diskBytes(
  { keepCheckpoints, slicesPerVolume }: ResolvedConfiguration,
  { scans, trained, encoder, storedWidth }: { scans: number; trained: number; encoder: number; storedWidth: number },
): number {
  const perVector = storedWidth === 0 ? 0 : VECTOR_OVERHEAD.factor * 4 * storedWidth + VECTOR_OVERHEAD.bytes;
  const checkpoints = (keepCheckpoints + 2) * 3 * 4 * trained;
  return checkpoints + 4 * (trained + encoder) + scans * slicesPerVolume * (BYTES_PER_CAPTION + 2 * perVector) +
    2 ** 20;
}

function tableOf(estimate: RunEstimate, { steps }: ResolvedConfiguration): readonly (readonly string[])[] {
  const { trainedParameters, encoderParameters, plan, deviceBytes, secondsPerStep, seconds } = estimate;
  return [
    ["what the run will take", ""],
    ["trained parameters", trainedParameters.toLocaleString("en")],
    ["… of the encoder", encoderParameters.toLocaleString("en")],
    ...planRows(plan),
    ["memory on the device, measured", deviceBytes === undefined ? "not told by this backend" : mebibytes(deviceBytes)],
    ["disk, at most", mebibytes(estimate.diskBytes)],
    ["time per step, measured", `${secondsPerStep.toFixed(3)} s`],
    [`time in all, ${steps} steps`, formatDuration(seconds)],
  ];
}

/** Bytes, and what takes most of them. */
function planRows(plan: MemoryPlan | string): readonly (readonly string[])[] {
  if (typeof plan === "string") return [["memory on a WebGPU device, planned", plan]];
  const { peakBytes, peakUsedBytes, tensorsAtPeak: [most], largestTensor } = plan;
  return [
    ["memory on a WebGPU device, planned", mebibytes(peakBytes)],
    ["… in use at one time", mebibytes(peakUsedBytes)],
    ...(most ? [["… most of it", `${most.count} of [${most.shape}], ${mebibytes(most.bytes)}`]] : []),
    ...(largestTensor ? [["… largest tensor", `[${largestTensor.shape}], ${mebibytes(largestTensor.bytes)}`]] : []),
  ];
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
