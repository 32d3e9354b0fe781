/**
 * Own WebGPU kernels Cumsum and Cumprod at any rank. The stock ones throw from rank 5 on, and are wrong at any rank: they take the distance
 * of a step from an inexact power of two, and reuse the shader of one length for another. On every backend the gradient of Cumsum, which
 * TensorFlow.js leaves transposed unless the axis is the last.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { flatShader } from "../_flat_shader.ts";
import { runShader, type ShaderProgram } from "../program.ts";
import { type KernelArguments, runInSteps, wrapKernel } from "../_kernel_wrapping.ts";
import { aroundAxis } from "./_merge_axes.ts";

interface CumulativeAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/** One step: to every cell comes the one `distance` before it along the axis, or that one takes its place. */
interface ScanStep {
  readonly operator: "+" | "*";
  readonly distance: number;
  readonly reverse: boolean;
  readonly replace: boolean;
}

function scanShader(
  x: tf.TensorInfo,
  axis: number,
  { operator, distance, reverse, replace }: ScanStep,
): ShaderProgram {
  const [, length, inner] = aroundAxis(x.shape, axis);
  const size = tf.util.sizeFromShape(x.shape);
  const type = x.dtype === "int32" ? "i32" : "f32";
  const neutral = `${type}(${operator === "+" ? 0 : 1})`;
  const [reaches, from] = reverse
    ? [`place < ${length - distance}`, `index + ${distance * inner}`]
    : [`place >= ${distance}`, `index - ${distance * inner}`];
  return flatShader({
    key: `scan/${JSON.stringify([size, length, inner, type, operator, distance, reverse, replace])}`,
    inputs: ["x"],
    outputShape: x.shape,
    outputType: type === "i32" ? "int32" : "float32",
    invocations: size,
    body: `
  let place = (index / ${inner}) % ${length};
  var value = ${replace ? neutral : "x[index]"};
  if (${reaches}) { value = ${replace ? `x[${from}]` : `value ${operator} x[${from}]`}; }
  result[index] = value;`,
  });
}

/** Adds or multiplies up along an axis, doubling the distance in every step. */
function scan(operator: "+" | "*", { inputs, backend, attrs }: KernelArguments): tf.TensorInfo {
  const x = inputs.x as tf.TensorInfo;
  const { axis, exclusive, reverse } = attrs as unknown as CumulativeAttributes;
  const along = tf.util.parseAxisParam(axis, x.shape)[0]!;
  const steps: ScanStep[] = exclusive ? [{ operator, distance: 1, reverse, replace: true }] : [];
  for (let distance = 1; distance < x.shape[along]!; distance *= 2) {
    steps.push({ operator, distance, reverse, replace: false });
  }
  return runInSteps(
    x,
    backend,
    steps.map((step) => (current) => runShader(scanShader(current, along, step), [current])),
  );
}

for (const [kernelName, operator] of [["Cumsum", "+"], ["Cumprod", "*"]] as const) {
  wrapKernel(
    kernelName,
    ({ inputs }) => tf.util.sizeFromShape((inputs.x as tf.TensorInfo).shape) === 0,
    (args) => scan(operator, args),
  );
}

tf.unregisterGradient("Cumsum");
tf.registerGradient({
  kernelName: "Cumsum",
  gradFunc: (dy, _saved, attrs) => {
    const { axis, exclusive, reverse } = attrs as unknown as CumulativeAttributes;
    return { x: () => tf.cumsum(dy as tf.Tensor, axis, exclusive, !reverse) };
  },
});
