/**
 * Times a step of `deno task finetune` on hippocampi, as that runs it, on WebGPU beside the same step in PyTorch on the processor: plain U-Net, soft
 * Dice and cross-entropy, clipping by the global norm, AdamW, running mean of the weights.
 *
 *     deno task bench finetune [--python PYTHON] [--data FOLDER] [--steps 40] [--warm-up 10] [--patch 32,48,32] [--batch 2] [--limit 900]
 *
 * Two cases, each in a process of its own: the same batch in every step, and batches drawn, cut and augmented as in a run (the next while the
 * device computes). The scans are Decathlon's hippocampus below MED3D_DATA (default: shared/data beside the repository), or phantoms where it is
 * not there. PYTHON has torch, monai, safetensors and dynamic-network-architectures, takes over initial weights, batch and learning rates, and
 * runs tools/oracles/finetuning_step.py; the bench fails where the losses of the first step differ by more than 1e-4 of their size.
 *
 * Prints the median over the steps after those of the warm-up, in which shaders compile, with the least and the most of them: far apart, other work
 * disturbed the run. Beside it the highest memory of the whole process (VmHWM: a device in software has its buffers there too), and of device buffers
 * alone.
 */
import type { SegmentationNetwork } from "@med3d/downstream";
import { countParameters, saveStateDict, writeSafetensors } from "@med3d/nn";
import type { StepRecord } from "@med3d/training";
import { deviceMemory } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseFinetuning } from "../examples/_shared/finetuning/configuration.ts";
import { type PreparedFinetuning, prepareFinetuning } from "../examples/_shared/finetuning/prepare_finetuning.ts";
import { PreparedCases } from "../examples/_shared/finetuning/prepared_cases.ts";
import {
  type BatchSource,
  disposeSegmentationBatch,
  makeSegmentationBatch,
  type SegmentationBatch,
} from "../examples/_shared/finetuning/segmentation_batches.ts";
import { segmentationLoss } from "../examples/_shared/finetuning/segmentation_loss.ts";
import { trainNetwork } from "../examples/_shared/finetuning/train_network.ts";
import { median } from "./_measure.ts";
import { readPeer } from "./_peer.ts";
import { peakMemoryOf } from "./_process_memory.ts";
import { formatRatio, Report } from "./_report.ts";
import { isMeasured, measureSides, servedSide, serveSide } from "./_sides.ts";

/** What both sides have. */
interface Figures {
  /** Of every step, the first first. */
  readonly seconds: readonly number[];
  readonly losses: readonly number[];
  readonly parameters: number;
  /** Of the whole process. */
  readonly peakBytes: number;
  /** WebGPU alone. */
  readonly device?: string;
  readonly deviceBytes?: number;
  readonly data?: string;
  /** PyTorch alone. */
  readonly version?: string;
  readonly threads?: number;
}

const { values: options } = parseArgs({
  options: {
    python: { type: "string" },
    data: { type: "string" },
    steps: { type: "string", default: "40" },
    "warm-up": { type: "string", default: "10" },
    patch: { type: "string", default: "32,48,32" },
    batch: { type: "string", default: "2" },
    limit: { type: "string", default: "900" },
  },
});

/** Cases in the order in which they are measured. */
const CASES = ["the same batch", "drawn and augmented"] as const;

/** Largest difference of the first losses, as a share of PyTorch's. */
const SAME_LOSS = 1e-4;

/** Name of the variable that tells a side's process where to leave weights and batch. */
const FOLDER = "MED3D_BENCH_FOLDER";

/** Files that PyTorch goes on from. */
const FILES = {
  weights: "weights.safetensors",
  batch: "batch.safetensors",
  settings: "settings.json",
  rates: "rates.json",
} as const;

async function dataFolder(): Promise<string | null> {
  if (options.data !== undefined) return options.data;
  const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../shared/data", import.meta.url));
  const folder = join(root, "hippocampus");
  return await stat(folder).then(() => folder, () => null);
}

/** Where a run's batches come from, as `trainSegmentation` has it. */
async function sourceOf({ plan, split, configuration, findings }: PreparedFinetuning): Promise<BatchSource> {
  const report = (finding: (typeof findings)[number]): void => void findings.push(finding);
  return {
    training: split.training,
    prepared: await PreparedCases.open(plan.preprocessing, { ...configuration, report }),
    numberOf: new Map(plan.classes.map(({ value }, channel) => [value, channel])),
    foreground: plan.classes.map(({ value }) => value).filter((value) => value !== 0),
    isUnit: plan.preprocessing.channels[0]!.kind !== "z-score",
  };
}

/** Leaves what PyTorch starts from: weights and batch in its layouts, and the settings that it cannot know. */
async function leaveStart(
  { network, configuration, plan }: PreparedFinetuning,
  { input, labels }: SegmentationBatch,
): Promise<void> {
  const folder = Deno.env.get(FOLDER)!;
  const variables = new Map<string, tf.Variable>([
    ["input", tf.variable(input as tf.Tensor, false)],
    ["labels", tf.variable(labels as tf.Tensor, false)],
  ]);
  await writeFile(join(folder, FILES.weights), writeSafetensors(await saveStateDict(network.parameters)));
  await writeFile(join(folder, FILES.batch), writeSafetensors(await saveStateDict(variables)));
  const { weightDecay, maxGradientNorm, averageDecay } = configuration;
  const { features } = plan.arguments as { features: number[] };
  const settings = { weightDecay, maxGradientNorm, averageDecay, features, classes: plan.outChannels };
  await writeFile(join(folder, FILES.settings), JSON.stringify(settings));
  tf.dispose([...variables.values()]);
}

async function measure(index: number): Promise<Figures> {
  const data = await dataFolder();
  const numbers = (list: string): number[] => list.split(",").map(Number);
  const wanted = parseFinetuning({
    data,
    patch: numbers(options.patch),
    batch: Number(options.batch),
    steps: Number(options.steps),
    backend: "webgpu",
  }, "the bench's options");
  const run = await prepareFinetuning(wanted, { out: Deno.env.get(FOLDER)! });
  const { configuration, backend } = run;
  const network = run.network as SegmentationNetwork;
  const source = await sourceOf(run);
  const drawn = (step: number): Promise<SegmentationBatch> => makeSegmentationBatch(source, configuration, step);
  const first = await drawn(0);
  if (index === 0) await leaveStart(run, first);
  const records: StepRecord[] = [];
  await trainNetwork<SegmentationBatch>(network, {
    configuration,
    loadBatch: index === 0
      ? () => Promise.resolve({ input: tf.clone(first.input), labels: tf.clone(first.labels) })
      : drawn,
    disposeBatch: disposeSegmentationBatch,
    loss: segmentationLoss(network, configuration, { ignoreNumber: undefined, regions: undefined }),
    decides: {},
    onStep: (record) => void records.push(record),
    dryRun: true,
  });
  if (index === 0) {
    const rates = records.map(({ learningRate }) => learningRate);
    await writeFile(join(Deno.env.get(FOLDER)!, FILES.rates), JSON.stringify(rates));
  }
  return {
    seconds: records.map(({ seconds }) => seconds),
    losses: records.map(({ total }) => total),
    parameters: countParameters(network.parameters),
    peakBytes: await peakMemoryOf("self") ?? NaN,
    device: backend.device,
    deviceBytes: deviceMemory()!.peakUsedBytes,
    data: `${source.training.length} ${data === null ? "phantoms" : "scans"}`,
  };
}

/** Refuses figures of steps that are not the same. */
function checkAlike(ours: Figures, peer: Figures): void {
  const [own, other] = [ours.losses[0]!, peer.losses[0]!];
  if (ours.parameters === peer.parameters && Math.abs(own - other) <= SAME_LOSS * Math.abs(other)) return;
  throw new Error(
    `Cannot compare steps: they differ: got ${ours.parameters} parameters and a first loss of ${own}, expected PyTorch's ` +
      `${peer.parameters} and ${other}. Mend finetuning_step.py or what changed the step.`,
  );
}

async function compare(): Promise<void> {
  const report = new Report(
    "Step of fine-tuning a segmentation, forward, backward, clipping, AdamW and mean of weights",
  );
  const sides = [{ name: "ours", limitS: Number(options.limit), fresh: true }];
  const outcomes = await measureSides<Figures>(import.meta.filename!, sides, {
    count: CASES.length,
    onOutcome: (_, i, outcome) => console.error(`${CASES[i]}: ${isMeasured(outcome) ? "measured" : outcome.failed}`),
  });
  const ours = outcomes.get("ours")!.map((outcome, i) => {
    if (isMeasured(outcome)) return outcome;
    throw new Error(`Cannot time fine-tuning with ${CASES[i]}: ${outcome.failed}. MED3D_DEBUG=1 shows more.`);
  });
  const peer = await readPeer<Figures>("finetuning_step.py", options, ["--folder", Deno.env.get(FOLDER)!]);
  if (peer) checkAlike(ours[0]!, peer);
  // Losses are read one step late: the last one is there with the one before.
  const timed = ({ seconds }: Figures): readonly number[] => seconds.slice(Number(options["warm-up"]), -1);
  const secondsOf = (figures: Figures): number => median(timed(figures));
  const mebibytes = (bytes: number | undefined): string => bytes === undefined ? "–" : (bytes / 2 ** 20).toFixed(0);
  const rows = [
    ...ours.map((figures, i) => ["ours", CASES[i]!, figures] as const),
    ...(peer ? [["PyTorch", CASES[0], peer] as const] : []),
  ].map(([side, batch, figures]) => [
    side,
    batch,
    secondsOf(figures).toFixed(3),
    `${Math.min(...timed(figures)).toFixed(3)}–${Math.max(...timed(figures)).toFixed(3)}`,
    peer && side === "ours" ? formatRatio(secondsOf(figures) / secondsOf(peer)) : "",
    mebibytes(figures.peakBytes),
    peer && side === "ours" ? formatRatio(figures.peakBytes / peer.peakBytes) : "",
    mebibytes(figures.deviceBytes),
    figures.losses[0]!.toFixed(6),
    figures.losses.at(-1)!.toFixed(6),
  ]);
  const version = peer ? [`PyTorch ${peer.version}, ${peer.threads} threads`] : [];
  await report.print([
    [
      "side",
      "batches",
      "s/step",
      "least–most",
      "ratio",
      "process MiB",
      "ratio",
      "device MiB",
      "first loss",
      "last loss",
    ],
    ...rows,
  ], {
    devices: [ours[0]!.device!, ...version],
    how:
      `${options.batch}×${options.patch.replaceAll(",", "×")} voxels of ${ours[0]!.data}, ${
        ours[0]!.parameters
      } parameters, float32; median of ` +
      `${options.steps} steps without the first ${
        options["warm-up"]
      } and the last, wall clock; ratios of ours to PyTorch's.`,
  });
}

if (servedSide()) {
  await serveSide(measure);
} else {
  const folder = await mkdtemp(join(tmpdir(), "med3d-finetuning-"));
  Deno.env.set(FOLDER, folder);
  try {
    await compare();
  } finally {
    await rm(folder, { recursive: true });
  }
}
