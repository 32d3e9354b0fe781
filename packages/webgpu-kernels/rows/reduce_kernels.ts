/**
 * Faster WebGPU kernels Sum and Mean over axes that have others behind them, as the gradient of a bias by channel takes: the stock ones
 * transpose the tensor first.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { disposeTensors, type KernelArguments, wrapKernel } from "../_kernel_wrapping.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader, type ShaderProgram } from "../program.ts";
import "./arg_kernels.ts";
import { lanesOf, LARGE, sizeOf } from "./_lanes.ts";

/** Parts that the cells of one sum are aimed to be dealt out to. */
const WANTED_PARTS = 256;
/** Cells that one invocation adds up; llvmpipe silently ends loops after 65,535 turns. */
const MOST_CELLS = 8192;

/** A tensor seen as `[outer, cells, inner]`, added up over the cells. */
interface Columns {
  readonly outer: number;
  readonly cells: number;
  readonly inner: number;
}

interface Reduction {
  readonly columns: Columns;
  readonly outputShape: number[];
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** How a sum goes along columns; undefined where its axes are the last ones, or not neighbours. */
function reductionOf({ inputs, attrs }: KernelArguments): Reduction | undefined {
  const { shape } = inputs.x as tf.TensorInfo;
  const { axis, keepDims } = attrs as unknown as { axis: number | number[]; keepDims: boolean };
  const axes = tf.util.parseAxisParam(axis, shape).toSorted((a, b) => a - b);
  const [first, last] = [axes[0], axes.at(-1)];
  if (first === undefined || last === undefined || last - first + 1 !== axes.length) return undefined;
  const inner = product(shape.slice(last + 1));
  if (inner === 1) return undefined;
  const outputShape = shape.flatMap((size, i) => axes.includes(i) ? (keepDims ? [1] : []) : [size]);
  const columns = { outer: product(shape.slice(0, first)), cells: product(shape.slice(first, last + 1)), inner };
  return { columns, outputShape };
}

/** Adds up `cellsPerPart` cells in each invocation, to `[outer, parts, inner]`. */
function sumShader(
  { outer, cells, inner }: Columns,
  { cellsPerPart, factor, outputShape }: { cellsPerPart: number; factor: number; outputShape: number[] },
): ShaderProgram {
  const { lanes, type } = lanesOf(inner);
  const groups = inner / lanes;
  const parts = Math.ceil(cells / cellsPerPart);
  const invocations = outer * parts * groups;
  return flatShader({
    key: `columnSum/${JSON.stringify([outer, cells, inner, cellsPerPart, factor])}`,
    inputs: ["x"],
    vectorInputs: [lanes],
    vectorOutput: lanes,
    outputShape,
    invocations: invocations,
    workgroup: 32,
    body: `
  let group = index % ${groups};
  let part = (index / ${groups}) % ${parts};
  let start = (index / ${groups * parts}) * ${cells * groups} + group;
  let end = min((part + 1) * ${cellsPerPart}, ${cells});
  var sum = ${type}();
  for (var cell = part * ${cellsPerPart}; cell < end; cell++) { sum += x[start + cell * ${groups}]; }
  result[index] = sum${factor === 1 ? "" : ` * f32(${factor})`};`,
  });
}

function reduce(
  { inputs, backend }: KernelArguments,
  { columns, outputShape }: Reduction,
  factor: number,
): tf.TensorInfo {
  const x = inputs.x as tf.TensorInfo;
  const { outer, cells, inner } = columns;
  const cellsPerPart = Math.min(MOST_CELLS, Math.max(32, Math.ceil(cells / WANTED_PARTS)));
  const parts = Math.ceil(cells / cellsPerPart);
  if (parts === 1) return runShader(sumShader(columns, { cellsPerPart: cells, factor, outputShape }), [x]);
  const partial = runShader(sumShader(columns, { cellsPerPart, factor: 1, outputShape: [outer, parts, inner] }), [x]);
  const total = sumShader({ outer, cells: parts, inner }, { cellsPerPart: parts, factor, outputShape });
  const result = runShader(total, [partial]);
  disposeTensors(backend, partial);
  return result;
}

for (const kernelName of ["Sum", "Mean"] as const) {
  wrapKernel(
    kernelName,
    (args) => {
      const x = args.inputs.x as tf.TensorInfo;
      return x.dtype !== "float32" || sizeOf(x) < LARGE || reductionOf(args) === undefined;
    },
    (args) => {
      const reduction = reductionOf(args)!;
      return reduce(args, reduction, kernelName === "Mean" ? 1 / reduction.columns.cells : 1);
    },
  );
}
