/**
 * Faster WebGPU kernels Slice, SplitV and Concat of large float32 tensors, as skips of U-Nets and their gradients take: they move runs of numbers, by fours
 * where that divides, where the stock ones work out the coordinates of every element.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { type KernelArguments, wrapKernel } from "../_kernel_wrapping.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader } from "../program.ts";
import { lanesOf, LARGE, sizeOf } from "./_lanes.ts";

/** Tensors that a concatenation may have; the WebGPU standard lets every device bind eight buffers. */
const MOST_PARTS = 7;

/** One axis of a slice, with the axes behind it that are taken whole. */
interface SlicedAxis {
  readonly from: number;
  readonly begin: number;
  readonly size: number;
}

/** Sees a slice as one of few axes. */
function mergeSlice(shape: readonly number[], begin: readonly number[], size: readonly number[]): SlicedAxis[] {
  const merged: SlicedAxis[] = [];
  let inner = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const whole = size[axis] === shape[axis];
    if (whole && axis > 0) {
      inner *= shape[axis]!;
      continue;
    }
    merged.unshift({ from: shape[axis]! * inner, begin: begin[axis]! * inner, size: size[axis]! * inner });
    inner = 1;
  }
  return merged;
}

wrapKernel(
  "Slice",
  ({ inputs, attrs }) => {
    const x = inputs.x as tf.TensorInfo;
    const { begin, size } = attrs as unknown as { begin: number[]; size: number[] };
    if (x.dtype !== "float32" || x.shape.length === 0) return true;
    const [, sizes] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size) as [number[], number[]];
    return sizes.reduce((a, b) => a * b, 1) < LARGE;
  },
  ({ inputs, attrs }) => {
    const x = inputs.x as tf.TensorInfo;
    const given = attrs as unknown as { begin: number[]; size: number[] };
    const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, given.begin, given.size) as [
      number[],
      number[],
    ];
    tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
    const axes = mergeSlice(x.shape, begin, size);
    const last = axes.at(-1)!;
    const { lanes } = lanesOf(last.from, last.begin, last.size);
    const runs = axes.map((axis, i) =>
      i === axes.length - 1 ? { from: axis.from / lanes, begin: axis.begin / lanes, size: axis.size / lanes } : axis
    );
    const elements = runs.reduce((product, axis) => product * axis.size, 1);
    let stride = 1;
    const steps = runs.toReversed().map((axis) => {
      const step = `at += (rest % ${axis.size} + ${axis.begin}) * ${stride}; rest = rest / ${axis.size};`;
      stride *= axis.from;
      return step;
    });
    return runShader(
      flatShader({
        key: `slice/${JSON.stringify([runs, lanes])}`,
        inputs: ["x"],
        vectorInputs: [lanes],
        vectorOutput: lanes,
        outputShape: size,
        invocations: elements,
        body: `
  var rest = index;
  var at = 0;
  ${steps.join("\n  ")}
  result[index] = x[at];`,
      }),
      [x],
    );
  },
);

// The stock kernel calls the stock slice, not the one in force.
wrapKernel("SplitV", ({ inputs }) => sizeOf(inputs.x as tf.TensorInfo) < LARGE, ({ inputs, attrs, backend }) => {
  const x = inputs.x as tf.TensorInfo;
  const { numOrSizeSplits, axis } = attrs as unknown as { numOrSizeSplits: number | number[]; axis: number };
  const along = tf.util.parseAxisParam(axis, x.shape)[0]!;
  const begin = x.shape.map(() => 0);
  return tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along).map((part) => {
    const size = x.shape.with(along, part);
    const slice = tf.getKernel("Slice", "webgpu")!.kernelFunc;
    const piece = slice({ inputs: { x }, backend, attrs: { begin: [...begin], size } });
    begin[along]! += part;
    return piece as tf.TensorInfo;
  });
});

/** The tensors that are joined and hold anything. */
function partsOf({ inputs }: KernelArguments): tf.TensorInfo[] {
  return (Object.values(inputs) as tf.TensorInfo[]).filter((part) => sizeOf(part) > 0);
}

wrapKernel(
  "Concat",
  (args) => {
    const parts = partsOf(args);
    return parts.length < 2 || parts.length > MOST_PARTS || parts.some(({ dtype }) => dtype !== "float32") ||
      parts.reduce((sum, part) => sum + sizeOf(part), 0) < LARGE;
  },
  (args) => {
    const parts = partsOf(args);
    const axis = tf.util.parseAxisParam((args.attrs as unknown as { axis: number }).axis, parts[0]!.shape)[0]!;
    const widths = parts.map(({ shape }) => shape.slice(axis).reduce((product, size) => product * size, 1));
    const { lanes } = lanesOf(...widths);
    const row = widths.reduce((sum, width) => sum + width / lanes, 0);
    const outputShape = tf.backend_util.computeOutShape(parts.map(({ shape }) => shape), axis);
    const elements = outputShape.reduce((product, size) => product * size, 1) / lanes;
    let start = 0;
    const branches = widths.map((width, i) => {
      const [begin, runs] = [start, width / lanes];
      start += runs;
      return `if (column < ${start}) { result[index] = part${i}[(index / ${row}) * ${runs} + column - ${begin}]; }`;
    });
    return runShader(
      flatShader({
        key: `concat/${JSON.stringify([elements, widths, lanes])}`,
        inputs: parts.map((_, i) => `part${i}`),
        vectorInputs: parts.map(() => lanes),
        vectorOutput: lanes,
        outputShape,
        invocations: elements,
        body: `
  let column = index % ${row};
  ${branches.join("\n  else ")}`,
      }),
      parts,
    );
  },
);
