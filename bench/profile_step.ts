/**
 * Shows where the time of one training step goes: per shader its dispatches, milliseconds, share, bytes of tensors read and written, and, for
 * convolutions and matrix products, GFLOP/s.
 *
 *     deno task profile [--size 32,48,32] [--batch 2] [--features 8,16,32,64] [--rows 40] [--stock]
 *
 * Times are the device's own (timestamp queries), each dispatch submitted alone, the median of three steps; submission comes on top.
 */
import * as tf from "@tensorflow/tfjs-core";
import { selectBackend } from "@med3d/webgpu-kernels";
import { parseArgs } from "node:util";
import { restoreStockKernels } from "./_stock_unet.ts";
import { makeTrainingStep, readLoss, readStepOptions, STEP_OPTIONS } from "./_training_step.ts";

interface Dispatch {
  readonly shader: string;
  readonly shapes: string;
  readonly bytes: number;
  readonly operations: number;
}

interface Program {
  readonly shaderKey?: string;
  readonly constructor: { readonly name: string };
}

const { values: options } = parseArgs({
  options: { ...STEP_OPTIONS, rows: { type: "string", default: "40" }, stock: { type: "boolean", default: false } },
});

const sizeOf = ({ shape }: tf.TensorInfo): number => shape.reduce((product, n) => product * n, 1);

/** Operations of a convolution or product, 0 for others: two per weight and position, or per element and inner dimension. */
function operationsOf(key: string, inputs: readonly tf.TensorInfo[], output: tf.TensorInfo): number {
  if (/conv3d\/(forward|inputGradient)/.test(key)) {
    const gradient = key.includes("inputGradient");
    const positions = sizeOf(gradient ? inputs[0]! : output);
    return 2 * positions * sizeOf(inputs[1]!) / (gradient ? inputs[0]! : output).shape.at(-1)!;
  }
  if (key.includes("conv3d/filterGradient/")) {
    const [x, dy] = inputs as [tf.TensorInfo, tf.TensorInfo];
    const { axes } = JSON.parse(key.slice(key.indexOf("[{"), key.lastIndexOf("]") + 1))[0] as {
      axes: { kernel: number }[];
    };
    return 2 * sizeOf(dy) * x.shape.at(-1)! * axes.reduce((taps, { kernel }) => taps * kernel, 1);
  }
  return /^matMul/i.test(key) ? 2 * sizeOf(output) * inputs[0]!.shape.at(-1)! : 0;
}

/** Notes every dispatch from now on, and makes it countable in TensorFlow.js' timings. */
function noteDispatches(): Dispatch[] {
  const backend = tf.backend() as unknown as {
    recordAndSubmit(
      program: Program,
      output: tf.TensorInfo,
      inputs: readonly tf.TensorInfo[],
      ...rest: unknown[]
    ): void;
  };
  const record = backend.recordAndSubmit.bind(backend);
  const dispatches: Dispatch[] = [];
  backend.recordAndSubmit = (program, output, inputs, ...rest) => {
    const key = program.shaderKey ?? program.constructor.name;
    const shader = key.replace(/^med3d\//, "").replace(/\/[[{].*$/, "").replace(/_.*$/, "");
    dispatches.push({
      shader,
      shapes: [...inputs, output].map(({ shape }) => shape.join("×") || "1").join(" "),
      bytes: [...inputs, output].reduce((sum, tensor) => sum + 4 * sizeOf(tensor), 0),
      operations: operationsOf(key, inputs, output),
    });
    record(Object.assign(program, { constructor: { name: `${dispatches.length - 1}` } }), output, inputs, ...rest);
  };
  return dispatches;
}

const { device } = await selectBackend({ backend: "webgpu" });
if (options.stock) restoreStockKernels();
const { step } = makeTrainingStep({ ...readStepOptions(options), stock: options.stock });
for (let i = 0; i < 2; i++) await readLoss(step()); // compiles
const dispatches = noteDispatches();
const times: number[][] = [];
for (let i = 0; i < 3; i++) {
  dispatches.length = 0;
  const info = await tf.time(() => step().dispose()) as tf.TimingInfo & { getExtraProfileInfo(): string };
  times.push([...info.getExtraProfileInfo().matchAll(/\d+: ([\d.e+-]+)/g)].map(([, ms]) => Number(ms)));
}

interface Row {
  count: number;
  milliseconds: number;
  bytes: number;
  operations: number;
}

/** Adds dispatches up by what `keyOf` says, the slowest first. */
function rowsBy(keyOf: (dispatch: Dispatch) => string): [string, Row][] {
  const rows = new Map<string, Row>();
  dispatches.forEach((dispatch, i) => {
    const row = rows.get(keyOf(dispatch)) ?? { count: 0, milliseconds: 0, bytes: 0, operations: 0 };
    row.count++;
    row.milliseconds += times.map((run) => run[i] ?? 0).toSorted((a, b) => a - b)[1]!;
    row.bytes += dispatch.bytes;
    row.operations += dispatch.operations;
    rows.set(keyOf(dispatch), row);
  });
  return [...rows].toSorted((a, b) => b[1].milliseconds - a[1].milliseconds);
}

function print(title: string, rows: readonly [string, Row][]): void {
  const total = rows.reduce((sum, [, { milliseconds }]) => sum + milliseconds, 0);
  console.log(`\n${"ms".padStart(8)}   share   dispatches      MiB   GFLOP/s   ${title}`);
  for (const [name, { count, milliseconds, bytes, operations }] of rows.slice(0, Number(options.rows))) {
    console.log(
      milliseconds.toFixed(2).padStart(8) + `${(100 * milliseconds / total).toFixed(1)} %`.padStart(8) +
        String(count).padStart(13) + (bytes / 2 ** 20).toFixed(1).padStart(9) +
        (operations ? (operations / milliseconds / 1e6).toFixed(1) : "").padStart(10) + `   ${name}`,
    );
  }
}

const byShader = rowsBy(({ shader }) => shader);
const total = byShader.reduce((sum, [, { milliseconds }]) => sum + milliseconds, 0);
console.log(`${device}: ${dispatches.length} dispatches, ${total.toFixed(0)} ms of kernels a step`);
print("shader", byShader);
print("shader and shapes (inputs, output)", rowsBy(({ shader, shapes }) => `${shader}  ${shapes}`));
