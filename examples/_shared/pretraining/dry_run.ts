import { CaptionStore, EmbeddingStore, MeasuringCaptioner } from "@med3d/captioner";
import { deviceMemory, GpuError, type MemoryPlan, resetPeakBytes, trimBuffers } from "@med3d/webgpu-kernels";
import { formatDuration } from "../progress.ts";
import { formatTable } from "../report/table.ts";
import { buildCorpus } from "./build_corpus.ts";
import type { PretrainingConfiguration } from "./configuration.ts";
import { loadEncoder2d } from "./encoder2d.ts";
import { evaluate } from "./evaluation.ts";
import type { Corpus } from "./corpus.ts";
import { createPretrainingModel } from "./model.ts";
import { BYTES_PER_PARAMETER, mebibytes, planSteps, type StepPlan } from "./plan_steps.ts";
import { type PreparedRun, prepareRun } from "./prepare_run.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { chooseRunFolder } from "./run_folder.ts";
import type { ScanSource } from "./scans.ts";
import { openCaptions } from "./stored_captions.ts";
import { trainModel } from "./train_model.ts";

/** Scans that are read and steps that are timed. The first step compiles kernels and is left out of the estimate. */
const SAMPLE = { training: 6, heldOut: 2, steps: 4 } as const;

/** Steps that take longer are told one by one, for the user waits. */
const SLOW_SECONDS = 10;

/** What a device says that has too little memory. */
const OF_SIZE: readonly string[] = ["limit", "out-of-memory"];

/** Bytes per stored caption, provenance and indices included: 1344 on phantoms, 1520 on hippocampus, rounded up. */
const BYTES_PER_CAPTION = 1600;

/** Of a stored vector of 64 and more numbers, key and index included. */
const VECTOR_OVERHEAD = { factor: 1.5, bytes: 200 } as const;

/** How a dry run is made. */
export interface DryRunOptions {
  /** Whether steps are computed and timed, where the device can hold them. Default true; otherwise they are planned alone. */
  readonly timing?: boolean;
}

/** What was measured of a run. */
interface Timing {
  /** Most bytes that the device held during the timed steps, models and pooled buffers included; nothing on the cpu backend. */
  readonly deviceBytes: number | undefined;
  readonly secondsPerStep: number;
  /** All steps and the evaluation. */
  readonly seconds: number;
}

/** What a run will take. */
export interface RunEstimate {
  readonly plan: StepPlan;
  readonly diskBytes: number;
  /** Undefined where steps were not timed or did not fit the device. */
  readonly timing: (Timing & { readonly captioningSeconds: number }) | undefined;
}

/**
 * Plans and, where the device can hold them, measures on a few scans and steps what a run of this configuration will take; writes nothing. Says
 * so where a step does not fit the device, and by how much, which is no error: to know it is what the dry run is for.
 */
export async function dryRun(wanted: PretrainingConfiguration, options: DryRunOptions = {}): Promise<RunEstimate> {
  await using encoder2d = await loadEncoder2d(wanted);
  const run = await prepareRun(wanted, { out: await chooseRunFolder(wanted.out) });
  const { configuration, scans, backend } = run;
  if (backend.notice) console.warn(backend.notice);
  console.log(`${scans.description}\nPlanning a step on ${backend.device} …`);
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
  const captioningSeconds = (performance.now() - startedAt) / 1000 / sample.length * scans.scans.length;
  const { embeddingWidth } = corpus;
  let plan = await planSteps(run, { embeddingWidth, corpus, ownEncoder: false });
  let timing: Timing | undefined;
  if (options.timing !== false && plan.doesNotFit === undefined) {
    console.log(`Timing ${SAMPLE.steps} steps …`);
    try {
      timing = await timeSteps(run, corpus);
    } catch (error) {
      if (!(error instanceof GpuError) || !OF_SIZE.includes(error.kind)) throw error;
      plan = { ...plan, doesNotFit: error.message };
    }
  }
  const trained = Object.values(plan.parameters).reduce((sum, count) => sum + count, 0);
  const estimate: RunEstimate = {
    plan,
    diskBytes: diskBytes(configuration, {
      scans: scans.scans.length,
      trained,
      encoder: plan.parameters.encoder,
      storedWidth: encoder2d?.width ?? 0,
    }),
    timing: timing && { ...timing, captioningSeconds },
  };
  console.log(`\n${formatTable(tableOf(estimate, configuration))}\n`);
  if (plan.doesNotFit !== undefined) console.log(`This run does not fit this device: ${plan.doesNotFit}\n`);
  console.log("Nothing was written.");
  return estimate;
}

/** Takes a few steps and evaluates on a few scans. */
async function timeSteps({ configuration, encoder, scans }: PreparedRun, corpus: Corpus): Promise<Timing> {
  const model = createPretrainingModel({ configuration, encoder, embeddingWidth: corpus.embeddingWidth });
  try {
    const seconds: number[] = [];
    trimBuffers();
    resetPeakBytes();
    await trainModel(model, {
      configuration: { ...configuration, steps: SAMPLE.steps },
      corpus,
      dryRun: true,
      onStep: (record) => {
        seconds.push(record.seconds);
        if (record.seconds >= SLOW_SECONDS) {
          console.log(`… step ${record.step + 1}: ${describeSlowStep(record.seconds)}`);
        }
      },
    });
    const deviceBytes = deviceMemory()?.peakBytes;
    const evaluationStart = performance.now();
    await evaluate(model, corpus, configuration);
    const secondsPerHeldOut = (performance.now() - evaluationStart) / 1000 / corpus.heldOut.length;
    const heldOut = scans.scans.filter((scan) => scan.heldOut).length;
    const secondsPerStep = median(seconds.slice(1));
    return {
      deviceBytes,
      secondsPerStep,
      seconds: secondsPerStep * configuration.steps + secondsPerHeldOut * heldOut,
    };
  } finally {
    model.dispose();
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

function tableOf(estimate: RunEstimate, configuration: ResolvedConfiguration): readonly (readonly string[])[] {
  const { plan: { parameters, memory, doesNotFit }, timing } = estimate;
  const { steps, batch, patch, reader } = configuration;
  const names = { reader: reader === "psat" ? "PSAT" : "the pooled reader" };
  const parts = Object.entries(parameters).map(([part, count]) =>
    [names[part as keyof typeof names] ?? `the ${part}`, count] as const
  );
  const trained = parts.reduce((sum, [, count]) => sum + count, 0);
  const scanBytes = 2 * 4 * batch * patch[0] * patch[1] * patch[2]; // masked and whole
  const held = BYTES_PER_PARAMETER * trained + scanBytes;
  return [
    ["what the run will take", ""],
    ["trained parameters", trained.toLocaleString("en")],
    ...parts.map(([name, count]) => [`… of ${name}`, count.toLocaleString("en")]),
    ...planRows(memory === doesNotFit ? "does not fit this device, see below" : memory),
    ...parts.map(([name, count]) => [
      `… weights, gradients and moments of ${name}`,
      mebibytes(BYTES_PER_PARAMETER * count),
    ]),
    [`… ${batch} scans, masked and whole`, mebibytes(scanBytes)],
    ...(typeof memory === "string"
      ? []
      : [["… activations and what else is in use", mebibytes(Math.max(0, memory.peakUsedBytes - held))]]),
    ["disk, at most", mebibytes(estimate.diskBytes)],
    ...(timing
      ? [
        [
          "memory on the device, measured",
          timing.deviceBytes === undefined ? "not told by this backend" : mebibytes(timing.deviceBytes),
        ],
        ["time per step, measured", `${timing.secondsPerStep.toFixed(3)} s`],
        [`time in all, ${steps} steps`, formatDuration(timing.captioningSeconds + timing.seconds)],
      ]
      : [["time", "not measured"]]),
  ];
}

function describeSlowStep(seconds: number): string {
  const peakBytes = deviceMemory()?.peakBytes;
  return `${seconds.toFixed(1)} s` + (peakBytes === undefined ? "" : `, at most ${mebibytes(peakBytes)} held`);
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
