/**
 * Shows what a training step of a U-Net (AdamW, reconstruction) needs of the WebGPU device, planned before and measured after, with every stage
 * kept for the gradients and with every stage recomputed.
 *
 *     deno task bench memory [--steps 2] [--case 96,96,96/1/16,32,64,128,256 …]
 *
 * A case is size/batch/features. Each side of a case runs in a process of its own: plans two steps, then does `--steps`, the first of which
 * compiles. A case that the device cannot hold is refused by the plan, which names the tensor. Bytes are those of buffers; "held" has the
 * pooled ones with it.
 */
import {
  assertDeviceHealthy,
  deviceMemory,
  GpuError,
  type MemoryPlan,
  planMemory,
  selectBackend,
} from "@med3d/webgpu-kernels";
import { memoryUsage } from "node:process";
import { parseArgs } from "node:util";
import { Report } from "./_report.ts";
import { makeTrainingStep, readLoss } from "./_training_step.ts";

const { values: options } = parseArgs({
  options: {
    case: {
      type: "string",
      multiple: true,
      default: ["96,96,96/1/16,32,64,128,256", "128,128,128/1/8,16,32,64,128", "128,128,128/1/16,32,64,128,256"],
    },
    steps: { type: "string", default: "2" },
    side: { type: "string" },
  },
});

/** What a process finds. */
interface Figures {
  readonly device: string;
  readonly bindingBytes: number;
  readonly planSeconds: number;
  readonly plan?: MemoryPlan;
  readonly refused?: string;
  readonly usedBytes?: number;
  readonly heldBytes?: number;
  readonly processBytes?: number;
  /** The first step's, which compiles, and so on. */
  readonly seconds?: readonly number[];
  readonly losses?: readonly number[];
}

async function measure(text: string, recompute: boolean): Promise<Figures> {
  const [size, batch, features] = text.split("/").map((list) => list.split(",").map(Number));
  const setting = { size: size!, batch: batch![0]!, features: features!, stock: false, recompute };
  const { device } = await selectBackend({ backend: "webgpu" });
  const adapter = await navigator.gpu.requestAdapter();
  const bindingBytes = adapter!.limits.maxStorageBufferBindingSize;
  const run = async (steps: number): Promise<{ losses: number[]; seconds: number[] }> => {
    const { step } = makeTrainingStep(setting);
    const [losses, seconds]: [number[], number[]] = [[], []];
    for (let i = 0; i < steps; i++) {
      const started = performance.now();
      losses.push(await readLoss(step()));
      await assertDeviceHealthy();
      seconds.push((performance.now() - started) / 1000);
    }
    return { losses, seconds };
  };
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  let plan: MemoryPlan;
  try {
    plan = await planMemory(() => run(2).then(() => {}));
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    return { device, bindingBytes, planSeconds: seconds(), refused: error.message };
  }
  const planSeconds = seconds();
  const measured = await run(Number(options.steps));
  const { peakUsedBytes, peakBytes } = deviceMemory()!;
  return {
    device,
    bindingBytes,
    planSeconds,
    plan,
    usedBytes: peakUsedBytes,
    heldBytes: peakBytes,
    processBytes: memoryUsage().rss,
    ...measured,
  };
}

async function measureInChild(text: string, side: "kept" | "recomputed"): Promise<Figures> {
  const args = ["run", "-A", "-q", import.meta.filename!, "--case", text, "--steps", options.steps, "--side", side];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`Cannot measure ${text} (${side}): the process failed. Its message is above.`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

const numbers = (list: readonly number[], digits: number): string =>
  list.map((value) => value.toFixed(digits)).join(", ");

function rowOf(text: string, side: string, figures: Figures): string[] {
  const { plan, planSeconds } = figures;
  if (!plan) return [text, side, "refused", "–", "–", planSeconds.toFixed(1), "–", "–"];
  return [
    text,
    side,
    `${mebibytes(plan.peakUsedBytes)}, ${mebibytes(plan.peakBytes)}`,
    `${mebibytes(figures.usedBytes!)}, ${mebibytes(figures.heldBytes!)}`,
    mebibytes(figures.processBytes!),
    planSeconds.toFixed(1),
    numbers(figures.seconds!, 1),
    numbers(figures.losses!, 6),
  ];
}

/** What is said below the table: why a case was refused, or what its peak is made of. */
function remarkOf(text: string, side: string, { refused, plan }: Figures): string {
  if (!plan) return `${text}, ${side}: ${refused}`;
  const largest = plan.tensorsAtPeak.slice(0, 2).map(({ shape, count, bytes }) =>
    `${count} of [${shape}] ${mebibytes(bytes)} MiB`
  );
  return `${text}, ${side}: most at the peak are ${largest.join(", ")}.`;
}

async function compare(): Promise<void> {
  const report = new Report("What a training step of a U-Net needs of the device, planned and measured, float32");
  const [rows, remarks]: [string[][], string[]] = [[], []];
  let devices: string[] = [];
  for (const text of options.case) {
    for (const side of ["kept", "recomputed"] as const) {
      console.error(`${text}, ${side} …`);
      const figures = await measureInChild(text, side);
      devices = [`${figures.device}, at most ${mebibytes(figures.bindingBytes)} MiB a tensor`];
      rows.push(rowOf(text, side, figures));
      remarks.push(remarkOf(text, side, figures));
    }
  }
  await report.print([
    [
      "size/batch/features",
      "stages",
      "planned MiB: used, held",
      "measured: used, held",
      "process",
      "plan s",
      "steps s",
      "losses",
    ],
    ...rows,
  ], {
    how: `${options.steps} steps, the first of which compiles; held has the pooled buffers with it.`,
    devices,
    remarks,
  });
}

if (options.side) console.log(JSON.stringify(await measure(options.case[0]!, options.side === "recomputed")));
else await compare();
