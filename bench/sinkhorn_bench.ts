/**
 * Times Sinkhorn iterations on WebGPU beside the same of TensorFlow.js' operations, the cpu backend, POT and PyTorch, in one run.
 *
 *     deno task bench sinkhorn [--runs 5] [--variant tile|split] [--python PYTHON | --pytorch FILE]
 *
 * PYTHON has torch and POT; FILE is what tools/oracles/sinkhorn_timing.py printed on the same machine. Random costs, ε = 1/30, no early stop. Ours and TensorFlow.js':
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
import { parseArgs } from "node:util";
import { median } from "./_measure.ts";
import { PEER_OPTIONS, readPeer } from "./_peer.ts";
import { formatMilliseconds, formatRatio, Report } from "./_report.ts";
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
  options: { runs: { type: "string", default: "5" }, variant: { type: "string" }, ...PEER_OPTIONS },
});
const runs = Number(options.runs);
const variant = options.variant === undefined
  ? {}
  : { variant: options.variant as NonNullable<TransportPotentialsOptions["variant"]> };

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

const report = new Report("Sinkhorn iterations, ε = 1/30, no early stop, float32 unless a side says so");
const { device } = await selectBackend({ backend: "webgpu" });
const rows: string[][] = [];
const peer = await readPeer<Timings>("sinkhorn_timing.py", options, ["--runs", String(Math.min(runs, 3))]);

async function measure(problem: (typeof PROBLEMS)[number], kind: "balanced" | "partial"): Promise<void> {
  const [problems, size, iterations] = problem;
  await selectBackend({ backend: "webgpu" });
  const { cost, logs, state } = makeInputs(problems, size);
  const settings = { kind, iterations, damping: 1 };
  const fused = (): tf.Tensor2D => transportPotentials(cost, logs, state, { ...settings, ...variant, tolerance: -1 });
  const composed = (): tf.Tensor2D =>
    tf.tidy(() => composedPotentials(cost, logs, state, { ...settings, tolerance: undefined }));
  const [a, b] = [fused(), composed()];
  const difference = largestDifference(
    await tf.slice(a, 0, [-1, 2 * size + 1]).data() as Float32Array,
    await tf.slice(b, 0, [-1, 2 * size + 1]).data() as Float32Array,
  );
  const ours = await kernelMs(fused, runs);
  const title = `${problems === 1 ? "" : `${problems} × `}${size}² × ${iterations}, ${kind}`;
  const add = (side: string, ms: number, remark = ""): void =>
    void rows.push([title, side, formatMilliseconds(ms), formatRatio(ms / ours), remark]);
  add("ours, kernel", ours);
  add("ours, wall, ten in a row", await wallMs(fused, SOLVES_IN_A_ROW, runs));
  add("TensorFlow.js operations, kernel", await kernelMs(composed, Math.min(runs, 3)), difference.toExponential(1));
  tf.dispose([cost, logs, state, a, b]);
  if (problems * size ** 2 * iterations <= MOST_ON_CPU) {
    await selectBackend({ backend: "cpu" });
    const inputs = makeInputs(problems, size);
    const onCpu = (): tf.Tensor2D =>
      transportPotentials(inputs.cost, inputs.logs, inputs.state, { ...settings, tolerance: -1 });
    add("ours on cpu, float64", await wallMs(onCpu, 1, 1));
    tf.dispose(Object.values(inputs));
  }
  for (const row of peer?.rows ?? []) {
    const isSame = row.problems === problems && row.size === size && row.iterations === iterations;
    if (isSame && row.kind === kind) add(row.side, row.ms);
  }
}

for (const problem of PROBLEMS) {
  for (const kind of ["balanced", "partial"] as const satisfies readonly TransportKind[]) {
    console.error(`${problem.join(" × ")}, ${kind} …`);
    await measure(problem, kind);
  }
}
await report.print([["problem", "side", "ms", "ratio", "difference"], ...rows], {
  how: `Median of ${runs} runs (POT and PyTorch of ${Math.min(runs, 3)}); ratio to ours, kernel; ` +
    "the difference is the largest of a potential, in units of ε.",
  devices: [device, ...peer ? [`POT ${peer.pot}, PyTorch ${peer.torch}, ${peer.threads} threads`] : []],
});
