import * as tf from "@tensorflow/tfjs-core";
import { disposeTensors, viewAs, wrapKernel } from "../_kernel_wrapping.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader, type ShaderProgram } from "../program.ts";
import { axes3D, type PoolAttributes, type PoolAxis } from "./_pool_axes.ts";

/** Cells that one invocation may walk; llvmpipe silently ends loops after 65,535 turns. */
const MOST_CELLS = 30_000;

/** A pooling of `[batch, depth, height, width, channels]`. */
export interface Pooling {
  readonly axes: readonly [PoolAxis, PoolAxis, PoolAxis];
  readonly batch: number;
  readonly channels: number;
}

/** Works out the pooling of a tensor. */
export function poolingOf(shape: readonly number[], attributes: PoolAttributes): Pooling {
  return { axes: axes3D(shape, attributes), batch: shape[0]!, channels: shape[4]! };
}

/** Whether windows, or the windows that a cell lies in, are more than one invocation may walk. */
export function isLarge({ axes }: Pooling): boolean {
  return axes.reduce((cells, { filter }) => cells * filter, 1) > MOST_CELLS;
}

/** One axis of a pooling, the tensor seen as `[outer, axis, inner]`. */
export interface PoolStep {
  readonly axis: PoolAxis;
  readonly outer: number;
  readonly inner: number;
}

/** A pooling as three along one axis each, width first: maxima of maxima, and means of means since what lies inside is a box. */
export function stepsOf({ axes, batch, channels }: Pooling): PoolStep[] {
  const sizes = axes.map(({ input }) => input);
  return [2, 1, 0].map((i) => {
    const axis = axes[i]!;
    const step = {
      axis,
      outer: sizes.slice(0, i).reduce((product, size) => product * size, batch),
      inner: sizes.slice(i + 1).reduce((product, size) => product * size, channels),
    };
    sizes[i] = axis.output;
    return step;
  });
}

/** What each number of the result is made of, as WGSL. */
const KINDS = {
  maximum: { start: "x[first]", add: "value = max(value, x[at]);", end: "value" },
  mean: { start: "0.0", add: "value += x[at];", end: "value / f32(end - start)" },
} as const;

/** Maxima or means along one axis. */
function stepShader(kind: keyof typeof KINDS, { axis, outer, inner }: PoolStep): ShaderProgram {
  const { input, output, filter, stride, before } = axis;
  const elements = outer * output * inner;
  const { start, add, end } = KINDS[kind];
  return flatShader({
    key: `pool/${kind}/${JSON.stringify([axis, outer, inner])}`,
    inputs: ["x"],
    outputShape: [outer, output, inner],
    invocations: elements,
    body: `
  let window = (index / ${inner}) % ${output} * ${stride} - ${before};
  let start = max(window, 0);
  let end = min(window + ${filter}, ${input});
  let row = index / ${inner * output} * ${input};
  let first = (row + start) * ${inner} + index % ${inner};
  var value = ${start};
  for (var i = start; i < end; i++) {
    let at = (row + i) * ${inner} + index % ${inner};
    ${add}
  }
  result[index] = ${end};`,
  });
}

/** The gradient of a mean over whole windows along one axis, as TensorFlow.js' kernel has it. */
function meanGradientShader({ axis, outer, inner }: PoolStep): ShaderProgram {
  const { input, output, filter, stride, before } = axis;
  const elements = outer * input * inner;
  return flatShader({
    key: `pool/meanGradient/${JSON.stringify([axis, outer, inner])}`,
    inputs: ["dy"],
    outputShape: [outer, input, inner],
    invocations: elements,
    body: `
  let reach = (index / ${inner}) % ${input} + ${before};
  let row = index / ${inner * input} * ${output};
  var sum = 0.0;
  for (var window = max((reach - ${filter} + ${stride}) / ${stride}, 0); window <= min(reach / ${stride}, ${
      output - 1
    }); window++) {
    sum += dy[(row + window) * ${inner} + index % ${inner}];
  }
  result[index] = sum / ${filter}.0;`,
  });
}

/** Maxima or means along one axis. */
export function poolAlong(kind: keyof typeof KINDS, x: tf.TensorInfo, step: PoolStep): tf.TensorInfo {
  return runShader(stepShader(kind, step), [x]);
}

for (const [kernelName, kind] of [["MaxPool3D", "maximum"], ["AvgPool3D", "mean"]] as const) {
  wrapKernel(
    kernelName,
    ({ inputs, attrs }) => !isLarge(poolingOf(inputs.x!.shape, attrs as unknown as PoolAttributes)),
    ({ inputs, attrs, backend }) => {
      const pooling = poolingOf(inputs.x!.shape, attrs as unknown as PoolAttributes);
      let current = inputs.x as tf.TensorInfo;
      for (const step of stepsOf(pooling)) {
        const next = poolAlong(kind, current, step);
        if (current !== inputs.x) disposeTensors(backend, current);
        current = next;
      }
      const outputs = pooling.axes.map(({ output }) => output);
      return viewAs(current, [pooling.batch, ...outputs, pooling.channels]);
    },
  );
}

wrapKernel(
  "AvgPool3DGrad",
  ({ inputs, attrs }) => !isLarge(poolingOf(inputs.input!.shape, attrs as unknown as PoolAttributes)),
  ({ inputs, attrs, backend }) => {
    const { shape } = inputs.input as tf.TensorInfo;
    let current = inputs.dy as tf.TensorInfo;
    for (const step of stepsOf(poolingOf(shape, attrs as unknown as PoolAttributes)).toReversed()) {
      const next = runShader(meanGradientShader(step), [current]);
      if (current !== inputs.dy) disposeTensors(backend, current);
      current = next;
    }
    return viewAs(current, shape);
  },
);
