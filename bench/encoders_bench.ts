/**
 * Times forward pass and training step (mean square of the output, backward, AdamW) of every registered encoder, with its own decoder where it has
 * one, on WebGPU beside the same network in PyTorch on the processor.
 *
 *     deno task bench encoders [--python PYTHON] [--edges 64,96] [--only NAME,…] [--runs 3] [--limit 300]
 *
 * One volume of edge³ voxels, at the narrow widths that `_encoder_cases.ts` tells and the table names. Every network has a process of its own, which is
 * given up after `limit` seconds. PYTHON has torch, monai, dynamic-network-architectures and safetensors and runs tools/oracles/encoder3d_timing.py.
 *
 * Prints per network and side the median over runs, after one that compiles, and the peak of memory in the step: of device buffers here, of what the
 * process grew by there. Ratios are ours to PyTorch's.
 */
import { type EncoderName, listEncoders } from "@med3d/encoder3d";
import { countParameters } from "@med3d/nn";
import { AdamW, computeGradients } from "@med3d/training";
import { assertDeviceHealthy, deviceMemory, selectBackend } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { parseArgs } from "node:util";
import { Random } from "random";
import { ENCODER_OPTIONS, makeNetworkToTime } from "./_encoder_cases.ts";
import { median } from "./_measure.ts";
import { readPeer } from "./_peer.ts";
import { Footnotes, formatRatio, Report } from "./_report.ts";
import { type Failed, isMeasured, measureSides, type Outcome, servedSide, serveSide } from "./_sides.ts";
import { readLoss } from "./_training_step.ts";

/** What both sides have. */
interface Figures {
  readonly forwardSeconds: number;
  readonly stepSeconds: number;
  readonly peakBytes: number;
  readonly parameters: number;
  /** WebGPU alone. */
  readonly device?: string;
  /** PyTorch alone. */
  readonly version?: string;
  readonly threads?: number;
}

interface Case {
  readonly name: EncoderName;
  readonly edge: number;
}

const { values: options } = parseArgs({
  options: {
    python: { type: "string" },
    edges: { type: "string", default: "64,96" },
    only: { type: "string" },
    runs: { type: "string", default: "3" },
    limit: { type: "string", default: "300" },
  },
});

/** Median seconds of runs, of which the first, which compiles, does not count. */
async function timeSteps(run: () => Promise<unknown>): Promise<number> {
  await run();
  const seconds: number[] = [];
  for (let i = 0; i < Number(options.runs); i++) {
    const started = performance.now();
    await run();
    await assertDeviceHealthy();
    seconds.push((performance.now() - started) / 1000);
  }
  return median(seconds);
}

async function measure({ name, edge }: Case): Promise<Figures> {
  const { device } = await selectBackend({ backend: "webgpu" });
  const { parameters, apply } = makeNetworkToTime(name, edge);
  const random = new Random("bench volume");
  const volume = tf.tensor5d(Float32Array.from({ length: edge ** 3 }, random.normal()), [1, edge, edge, edge, 1]);
  const optimizer = new AdamW(parameters);
  const lossOf = (training: boolean): tf.Scalar => tf.tidy(() => tf.mean(tf.square(apply(volume, training))));
  const step = async (): Promise<void> => {
    let loss: tf.Scalar | undefined;
    const gradients = computeGradients(parameters, () => {
      const value = lossOf(true);
      loss = tf.keep(tf.clone(value));
      return value;
    });
    optimizer.update(gradients, { learningRate: 1e-3 });
    tf.dispose([...gradients.values()]);
    await readLoss(loss!);
  };
  const forwardSeconds = await timeSteps(() => readLoss(lossOf(false)));
  const stepSeconds = await timeSteps(step);
  const { peakUsedBytes: peakBytes } = deviceMemory()!;
  return { device, forwardSeconds, stepSeconds, peakBytes, parameters: countParameters(parameters) };
}

async function measurePyTorch({ name, edge }: Case): Promise<Outcome<Figures> | undefined> {
  const flags = { network: name, edge, runs: options.runs, options: JSON.stringify(ENCODER_OPTIONS[name](edge)) };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, `${value}`]);
  return await readPeer<Figures>("encoder3d_timing.py", options, args)
    .catch((): Failed => ({ failed: "PyTorch failed; its message is above" }));
}

/** Refuses to compare networks of different sizes. */
function checkAlike(one: Case, ours: Outcome<Figures>, peer: Outcome<Figures> | undefined): void {
  if (!peer || !isMeasured(ours) || !isMeasured(peer) || ours.parameters === peer.parameters) return;
  throw new Error(
    `Cannot compare ${one.name}: the networks differ: got ${ours.parameters} parameters, expected PyTorch's ${peer.parameters}. ` +
      `Mend bench/_encoder_cases.ts or encoder3d_timing.py.`,
  );
}

async function compare(cases: readonly Case[]): Promise<void> {
  const report = new Report("Forward pass and training step of every encoder, float32");
  const sides = [{ name: "ours", limitS: Number(options.limit), fresh: true }];
  const outcomes = await measureSides<Figures>(import.meta.filename!, sides, {
    count: cases.length,
    onOutcome: (_, i, outcome) =>
      console.error(
        `${cases[i]!.name}, ${cases[i]!.edge}: ${
          isMeasured(outcome) ? `${outcome.stepSeconds} s a step` : outcome.failed
        }`,
      ),
  });
  const ours = outcomes.get("ours")!;
  const footnotes = new Footnotes();
  const devices = new Set<string>();
  const rows: string[][] = [];
  for (const [i, one] of cases.entries()) {
    const [own, peer] = [ours[i]!, await measurePyTorch(one)];
    checkAlike(one, own, peer);
    for (const [side, outcome] of [["ours", own], ["PyTorch", peer]] as const) {
      if (!outcome) continue;
      const title = [`${one.name}, ${one.edge}³`, side];
      if (!isMeasured(outcome)) {
        rows.push([...title, "–", footnotes.mark(outcome.failed), "", "", "", "", ""]);
        continue;
      }
      devices.add(outcome.device ?? `PyTorch ${outcome.version}, ${outcome.threads} threads`);
      const ratio = (value: (figures: Figures) => number): string =>
        side === "ours" && peer && isMeasured(peer) ? formatRatio(value(outcome) / value(peer)) : "";
      rows.push([
        ...title,
        (outcome.parameters / 1e6).toFixed(2),
        outcome.forwardSeconds.toFixed(3),
        ratio(({ forwardSeconds }) => forwardSeconds),
        outcome.stepSeconds.toFixed(3),
        ratio(({ stepSeconds }) => stepSeconds),
        (outcome.peakBytes / 2 ** 20).toFixed(0),
        ratio(({ peakBytes }) => peakBytes),
      ]);
    }
  }
  await report.print([
    ["network, voxels", "side", "10⁶ parameters", "forward s", "ratio", "step s", "ratio", "peak MiB", "ratio"],
    ...rows,
  ], {
    devices: [...devices],
    how:
      `Batch 1; median of ${options.runs} runs, wall clock; ratios of ours to PyTorch's; given up after ${options.limit} s with compiling.`,
    remarks: [
      ...footnotes.lines(),
      ...names.map((name) => `${name}: ${JSON.stringify(ENCODER_OPTIONS[name](edges[0]!))}`),
    ],
  });
}

const edges = options.edges.split(",").map(Number);
const names = options.only === undefined
  ? listEncoders().map(({ name }) => name)
  : options.only.split(",") as EncoderName[];
const cases = names.flatMap((name) => edges.map((edge): Case => ({ name, edge })));
if (servedSide()) await serveSide((i) => measure(cases[i]!));
else await compare(cases);
