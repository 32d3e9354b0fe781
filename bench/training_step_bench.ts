/**
 * Times a training step of a U-Net (AdamW, mean squared error of a reconstruction) on WebGPU beside stock TensorFlow.js and PyTorch.
 *
 *     deno task bench step [--python PYTHON | --pytorch FILE] [--runs 5] [--steps 10] [--no-stock] [--limit 120]
 *         [--size 32,48,32] [--batch 2] [--features 8,16,32,64] [--submit-batch 64]
 *
 * Without `--size`, `--batch` and `--features` two settings are timed: batch 2 of 32×48×32 voxels, 8 base channels, 4 levels, and one volume of 96³
 * voxels, 16 base channels, 5 levels (one step a run). Each side runs in a process of its own, one after the other; stock does one step a run, and
 * is given up where a setting takes it longer than `limit` seconds. PYTHON has torch and dynamic-network-architectures and runs
 * tools/oracles/training_step.py; FILE is what that printed for the one setting given.
 *
 * Prints per side the median over runs of wall-clock and processor seconds per step, the ratios to ours, dispatches, and the loss before the first
 * update: later ones part, since stock filter gradients are wrong on llvmpipe from 40³ voxels on. Losses are read one step late. Stock here has its
 * own convolutions in the otherwise mended TensorFlow.js: as it comes it cannot train this network at all.
 */
import * as tf from "@tensorflow/tfjs-core";
import { assertDeviceHealthy, selectBackend } from "@med3d/webgpu-kernels";
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { median } from "./_measure.ts";
import { PEER_OPTIONS, readPeer } from "./_peer.ts";
import { Footnotes, formatRatio, Report } from "./_report.ts";
import { isMeasured, measureSides, type Outcome, servedSide, serveSide } from "./_sides.ts";
import { restoreStockKernels } from "./_stock_unet.ts";
import { makeTrainingStep, readLoss, readStepOptions, STEP_OPTIONS } from "./_training_step.ts";

/** What every side has, PyTorch too. */
interface Figures {
  readonly secondsPerStep: number;
  readonly processorSecondsPerStep: number;
  readonly runs: readonly number[];
  readonly parameters: number;
  /** WebGPU alone. */
  readonly device?: string;
  readonly firstLoss?: number;
  readonly dispatches?: number;
  /** PyTorch alone. */
  readonly version?: string;
  readonly threads?: number;
}

/** Values of {@linkcode STEP_OPTIONS}, and how many steps a run has. */
interface Setting {
  readonly size: string;
  readonly batch: string;
  readonly features: string;
  readonly steps: number;
}

const { values: options } = parseArgs({
  options: {
    ...PEER_OPTIONS,
    size: { type: "string" },
    batch: { type: "string" },
    features: { type: "string" },
    runs: { type: "string", default: "5" },
    steps: { type: "string", default: "10" },
    limit: { type: "string", default: "120" },
    "no-stock": { type: "boolean", default: false },
    "submit-batch": { type: "string" },
  },
});

/** Ours is waited for, within reason. */
const OWN_LIMIT_S = 1800;

/** The settings asked for. */
function settingsOf({ size, batch, features, steps }: typeof options): Setting[] {
  const small = {
    size: STEP_OPTIONS.size.default,
    batch: STEP_OPTIONS.batch.default,
    features: STEP_OPTIONS.features.default,
  };
  if (size ?? batch ?? features) {
    return [{
      size: size ?? small.size,
      batch: batch ?? small.batch,
      features: features ?? small.features,
      steps: Number(steps),
    }];
  }
  return [
    { ...small, steps: Number(steps) },
    { size: "96,96,96", batch: "1", features: "16,32,64,128,256", steps: 1 },
  ];
}

/** Counts dispatches from now on. */
function countDispatches(): () => number {
  const backend = tf.backend() as unknown as { recordAndSubmit(...args: unknown[]): void };
  const record = backend.recordAndSubmit.bind(backend);
  let count = 0;
  backend.recordAndSubmit = (...args) => (count++, record(...args));
  return () => count;
}

async function measure(setting: Setting, stock: boolean): Promise<Figures> {
  const { device } = await selectBackend({ backend: "webgpu" });
  if (stock) restoreStockKernels();
  if (options["submit-batch"]) tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", Number(options["submit-batch"]));
  const { step, parameters } = makeTrainingStep({ ...readStepOptions(setting), stock });
  const firstLoss = await readLoss(step()); // compiles
  const count = countDispatches();
  await readLoss(step());
  const dispatches = count();
  const [runs, processor]: [number[], number[]] = [[], []];
  const steps = stock ? 1 : setting.steps;
  for (let run = 0; run < Number(options.runs); run++) {
    const [started, busy] = [performance.now(), cpuUsage()];
    let pending: Promise<number> | undefined;
    for (let i = 0; i < steps; i++) {
      const next = readLoss(step());
      await pending;
      await assertDeviceHealthy();
      pending = next;
    }
    await pending;
    const { user, system } = cpuUsage(busy);
    runs.push((performance.now() - started) / 1000 / steps);
    processor.push((user + system) / 1e6 / steps);
  }
  const [secondsPerStep, processorSecondsPerStep] = [median(runs), median(processor)];
  return { device, parameters, firstLoss, dispatches, secondsPerStep, processorSecondsPerStep, runs };
}

/** PyTorch's figures by setting, undefined where there are none. */
async function measurePyTorch(settings: readonly Setting[]): Promise<(Figures | undefined)[]> {
  const found: (Figures | undefined)[] = [];
  for (const { size, batch, features, steps } of settings) {
    const flags = Object.entries({ size, batch, features, steps, runs: options.runs });
    const args = flags.flatMap(([name, value]) => [`--${name}`, String(value)]);
    found.push(await readPeer<Figures>("training_step.py", options, args));
  }
  return found;
}

async function compare(settings: readonly Setting[]): Promise<void> {
  if (options.pytorch !== undefined && settings.length > 1) {
    throw new Error(
      "Cannot read PyTorch's figures: a file has those of one setting. Give --size, or --python in its place.",
    );
  }
  const report = new Report("Training step of a U-Net, forward, backward and AdamW, float32");
  const limits = { ours: OWN_LIMIT_S, ...(options["no-stock"] ? {} : { stock: Number(options.limit) }) };
  const outcomes = await measureSides<Figures>(
    import.meta.filename!,
    Object.entries(limits).map(([name, limitS]) => ({ name, limitS, fresh: true })),
    {
      count: settings.length,
      onOutcome: (side, i, outcome) =>
        console.error(
          `${side}, ${settings[i]!.size}: ${
            isMeasured(outcome) ? `${outcome.secondsPerStep} s a step` : outcome.failed
          }`,
        ),
    },
  );
  const sides: [string, readonly (Outcome<Figures> | undefined)[]][] = [
    ...outcomes,
    ["PyTorch", await measurePyTorch(settings)],
  ];
  const footnotes = new Footnotes();
  const ours = outcomes.get("ours")!;
  const rows = settings.flatMap(({ size, batch, features }, i) =>
    sides.filter(([, outcomes]) => outcomes[i]).map(([name, outcomes]) => {
      const [outcome, own] = [outcomes[i]!, ours[i]!];
      const title = `${batch}×${size.replaceAll(",", "×")}, ${features.replaceAll(",", " ")}`;
      if (!isMeasured(outcome)) return [title, name, footnotes.mark(outcome.failed), "", "", "", "", "", ""];
      const ratio = (value: (figures: Figures) => number): string =>
        isMeasured(own) ? formatRatio(value(outcome) / value(own)) : "–";
      return [
        title,
        name,
        outcome.secondsPerStep.toFixed(3),
        ratio(({ secondsPerStep }) => secondsPerStep),
        outcome.processorSecondsPerStep.toFixed(3),
        ratio(({ processorSecondsPerStep }) => processorSecondsPerStep),
        `${outcome.dispatches ?? "–"}`,
        outcome.firstLoss?.toFixed(6) ?? "–",
        outcome.runs.map((seconds) => seconds.toFixed(2)).join(" "),
      ];
    })
  );
  const measured = sides.flatMap(([, outcomes]) => outcomes.filter((outcome) => outcome !== undefined)).filter(
    isMeasured,
  );
  const names = measured.map(({ device, version, threads }) => device ?? `PyTorch ${version}, ${threads} threads`);
  await report.print([
    [
      "batch × voxels, channels",
      "side",
      "s/step",
      "ratio",
      "processor s/step",
      "ratio",
      "dispatches",
      "first loss",
      "runs",
    ],
    ...rows,
  ], {
    devices: [...new Set(names)],
    how: `Median of ${options.runs} runs of ${
      settings.map(({ steps }) => steps).join(" and ")
    } steps (stock: of 1 step), ` +
      `wall clock; ratio to ours. Stock is given up where a setting takes it longer than ${options.limit} s.`,
    remarks: footnotes.lines(),
  });
}

const settings = settingsOf(options);
const side = servedSide();
if (side) await serveSide((i) => measure(settings[i]!, side === "stock"));
else await compare(settings);
