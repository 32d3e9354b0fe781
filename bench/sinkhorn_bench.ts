/**
 * Times Sinkhorn iterations on WebGPU beside the same of TensorFlow.js' operations, the cpu backend, POT and PyTorch, in one run.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A bench/sinkhorn_bench.ts [--runs 7] [--variant tile|split] [--pytorch FILE]
 *
 * FILE is what tools/oracles/sinkhorn_timing.py printed on the same machine. Random costs, ε = 1/30, no early stop. Ours and TensorFlow.js':
 * kernel time by timestamp queries, since waiting for a read takes 11 ms at least; of ours also the wall-clock time per solve of a row of ten, read
 * once. cpu, POT and PyTorch: wall-clock time. Medians; the first run of each, which compiles, is left out. What the operations compute is held
 * against ours.
 */
import * as tf from "@tensorflow/tfjs-core";
import {
  assertDeviceHealthy,
  selectBackend,
  type TransportKind,
  transportPotentials,
  type TransportPotentialsOptions,
  UNKNOWN_CHANGE,
} from "@med3d/webgpu-kernels";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { composedPotentials } from "../packages/pot-align/tensors/_composed_kernels.ts";

/** What tools/oracles/sinkhorn_timing.py prints. */
interface Timings {
  readonly rows: readonly {
    readonly problems: number;
    readonly size: number;
    readonly iterations: number;
    readonly kind: string;
    readonly side: string;
    readonly ms: number;
  }[];
  readonly threads: number;
  readonly torch: string;
  readonly pot: string;
}

/** Problems, rows and columns, iterations. */
const PROBLEMS = [[1, 256, 100], [8, 256, 100], [1, 512, 50], [64, 24, 100], [1, 2048, 20]] as const;
/** Entries times iterations up to which the cpu backend is timed: it takes 10 ns each. */
const MOST_ON_CPU = 15e6;
const SOLVES_IN_A_ROW = 10;

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "7" }, variant: { type: "string" }, pytorch: { type: "string" } },
});
const runs = Number(options.runs);
const variant = options.variant === undefined
  ? {}
  : { variant: options.variant as NonNullable<TransportPotentialsOptions["variant"]> };
const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;

function makeInputs(problems: number, size: number): { cost: tf.Tensor3D; logs: tf.Tensor2D; state: tf.Tensor2D } {
  return tf.tidy(() => ({
    cost: tf.mul(tf.randomUniform([problems, size, size], 0, 1, "float32", 3), 30) as tf.Tensor3D,
    logs: tf.concat(
      [tf.fill([problems, 2 * size], -Math.log(size)), tf.fill([problems, 1], Math.log(0.8))],
      1,
    ) as tf.Tensor2D,
    state: tf.concat(
      [tf.zeros([problems, 2 * size + 1]), tf.fill([problems, 1], UNKNOWN_CHANGE), tf.zeros([problems, 1])],
      1,
    ) as tf.Tensor2D,
  }));
}

async function kernelMs(solve: () => tf.Tensor, repeats: number): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= repeats; run++) {
    const { kernelMs } = await tf.time(() => tf.tidy(() => void solve()));
    await assertDeviceHealthy();
    if (run > 0) times.push(kernelMs as number);
  }
  return median(times);
}

async function wallMs(solve: () => tf.Tensor, solves: number, repeats: number): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= repeats; run++) {
    const started = performance.now();
    for (let count = 1; count < solves; count++) solve().dispose();
    const last = solve();
    await last.data();
    last.dispose();
    if (run > 0) times.push((performance.now() - started) / solves);
  }
  return median(times);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

const pytorch = options.pytorch ? JSON.parse(await readFile(options.pytorch, "utf8")) as Timings : undefined;
const { device } = await selectBackend({ backend: "webgpu" });
console.log(`${device}, ${navigator.hardwareConcurrency} cores, median of ${runs}`);
if (pytorch) console.log(`POT ${pytorch.pot}, PyTorch ${pytorch.torch}, ${pytorch.threads} threads`);

for (const [problems, size, iterations] of PROBLEMS) {
  for (const kind of ["balanced", "partial"] as const satisfies readonly TransportKind[]) {
    await selectBackend({ backend: "webgpu" });
    const { cost, logs, state } = makeInputs(problems, size);
    const settings = { kind, iterations, damping: 1 };
    const fused = (): tf.Tensor2D => transportPotentials(cost, logs, state, { ...settings, ...variant, tolerance: -1 });
    const composed = (): tf.Tensor2D =>
      tf.tidy(() => composedPotentials(cost, logs, state, { ...settings, tolerance: undefined }));
    const ours = await kernelMs(fused, runs);
    const print = (side: string, ms: number): void =>
      console.log(`  ${side.padEnd(42)}${ms.toFixed(2).padStart(9)} ms ${`${(ms / ours).toFixed(1)}×`.padStart(8)}`);
    console.log(`\n${problems} × ${size}² × ${iterations} iterations, ${kind}`);
    print("ours, kernel", ours);
    print("ours, wall, ten in a row", await wallMs(fused, SOLVES_IN_A_ROW, runs));
    const theirs = await kernelMs(composed, Math.min(runs, 3));
    print("TensorFlow.js operations, webgpu, kernel", theirs);
    const [a, b] = [fused(), composed()];
    const difference = largestDifference(
      await tf.slice(a, 0, [-1, 2 * size + 1]).data() as Float32Array,
      await tf.slice(b, 0, [-1, 2 * size + 1]).data() as Float32Array,
    );
    tf.dispose([cost, logs, state, a, b]);
    if (problems * size ** 2 * iterations <= MOST_ON_CPU) {
      await selectBackend({ backend: "cpu" });
      const inputs = makeInputs(problems, size);
      const onCpu = (): tf.Tensor2D =>
        transportPotentials(inputs.cost, inputs.logs, inputs.state, { ...settings, tolerance: -1 });
      print("ours on cpu, float64, wall", await wallMs(onCpu, 1, 1));
      tf.dispose(Object.values(inputs));
    }
    for (const row of pytorch?.rows ?? []) {
      const isSame = row.problems === problems && row.size === size && row.iterations === iterations;
      if (isSame && row.kind === kind) print(row.side, row.ms);
    }
    console.log(`  largest difference of a potential to the operations: ${difference.toExponential(1)} ε`);
  }
}
