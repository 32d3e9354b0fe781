/**
 * Times a training step of a U-Net (AdamW, mean squared error of a reconstruction) on WebGPU beside stock TensorFlow.js and PyTorch.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A bench/training_step_bench.ts [--size 32,48,32] [--batch 2] [--features 8,16,32,64]
 *         [--runs 5] [--steps 10] [--no-stock] [--submit-batch 64] [--pytorch FILE]
 *
 * Each side runs in a process of its own, one after the other; stock does one step a run. FILE is what tools/oracles/training_step.py printed on
 * the same machine. Prints per side the median over runs of wall-clock and processor seconds per step, dispatches, and the ratio to ours. The loss
 * is read one step late. The losses before the first update are compared: later ones part, since stock filter gradients are wrong on llvmpipe.
 */
import * as tf from "@tensorflow/tfjs-core";
import { assertDeviceHealthy, selectBackend } from "@med3d/webgpu-kernels";
import { readFile } from "node:fs/promises";
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { restoreStockKernels } from "./_stock_unet.ts";
import { makeTrainingStep, readLoss, readStepOptions, STEP_OPTIONS } from "./_training_step.ts";

/** What a process finds. */
interface Figures {
  readonly device: string;
  readonly parameters: number;
  readonly firstLoss: number;
  readonly dispatches: number;
  readonly secondsPerStep: number;
  readonly processorSecondsPerStep: number;
  readonly runs: readonly number[];
}

const { values: options } = parseArgs({
  options: {
    ...STEP_OPTIONS,
    runs: { type: "string", default: "5" },
    steps: { type: "string", default: "10" },
    side: { type: "string" },
    "no-stock": { type: "boolean", default: false },
    "submit-batch": { type: "string" },
    pytorch: { type: "string" },
  },
});
const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;

/** Counts dispatches from now on. */
function countDispatches(): () => number {
  const backend = tf.backend() as unknown as { recordAndSubmit(...args: unknown[]): void };
  const record = backend.recordAndSubmit.bind(backend);
  let count = 0;
  backend.recordAndSubmit = (...args) => (count++, record(...args));
  return () => count;
}

async function measure(stock: boolean): Promise<Figures> {
  const { device } = await selectBackend({ backend: "webgpu" });
  if (stock) restoreStockKernels();
  if (options["submit-batch"]) tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", Number(options["submit-batch"]));
  const { step, parameters } = makeTrainingStep({ ...readStepOptions(options), stock });
  const firstLoss = await readLoss(step()); // compiles
  await readLoss(step());
  const count = countDispatches();
  await readLoss(step());
  const dispatches = count();
  const [runs, processor]: [number[], number[]] = [[], []];
  const steps = stock ? 1 : Number(options.steps);
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
  return {
    device,
    parameters,
    firstLoss,
    dispatches,
    secondsPerStep: median(runs),
    processorSecondsPerStep: median(processor),
    runs,
  };
}

async function measureInChild(side: "ours" | "stock"): Promise<Figures> {
  const args = ["run", "-A", "-q", import.meta.filename!, ...Deno.args, "--side", side];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) {
    throw new Error(`Cannot time the training step: the process for "${side}" failed. Its message is above.`);
  }
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

/** What every side has, PyTorch too. */
type Timed = Pick<Figures, "secondsPerStep" | "processorSecondsPerStep" | "runs"> & { readonly dispatches?: number };

async function compare(): Promise<void> {
  const ours = await measureInChild("ours");
  const print = (name: string, side: Timed): void =>
    console.log(
      name.padEnd(22) + side.secondsPerStep.toFixed(3).padStart(7) +
        side.processorSecondsPerStep.toFixed(3).padStart(19) + String(side.dispatches ?? "–").padStart(13) +
        `${(side.secondsPerStep / ours.secondsPerStep).toFixed(2)}×`.padStart(16) +
        `${(side.processorSecondsPerStep / ours.processorSecondsPerStep).toFixed(2)}×`.padStart(23) + "   " +
        side.runs.map((seconds) => seconds.toFixed(2)).join(" "),
    );
  console.log(
    `U-Net of ${options.features} channels (${ours.parameters} parameters), batch ${options.batch} of ${options.size}; ` +
      `${ours.device}, ${navigator.hardwareConcurrency} cores; ${options.runs} runs of ${options.steps} steps\n`,
  );
  console.log(
    "side                   s/step   processor s/step   dispatches   ratio to ours   of processor seconds   runs (s/step)",
  );
  print("ours", ours);
  if (!options["no-stock"]) {
    const stock = await measureInChild("stock");
    print("stock webgpu", stock);
    console.log(`first loss: ours ${ours.firstLoss.toFixed(6)}, stock ${stock.firstLoss.toFixed(6)}`);
  }
  if (options.pytorch) {
    const pytorch = JSON.parse(await readFile(options.pytorch, "utf8"));
    print(`PyTorch ${pytorch.version}`, pytorch);
  }
}

if (options.side) console.log(JSON.stringify(await measure(options.side === "stock")));
else await compare();
