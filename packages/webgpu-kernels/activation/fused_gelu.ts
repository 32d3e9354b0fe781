import * as tf from "@tensorflow/tfjs-core";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { runShader } from "../program.ts";
import { normalDistribution, normalDistributionFunction } from "./_normal_distribution.ts";

const GELU = "Med3dGelu";
const GELU_GRADIENT = "Med3dGeluGradient";

const DENSITY = 1 / Math.sqrt(2 * Math.PI);

/**
 * Computes the Gaussian error linear unit x·Φ(x) (Hendrycks & Gimpel 2016), the exact form, in one dispatch on WebGPU and one for the gradient.
 * Runs on the webgpu and cpu backends.
 *
 * @param x Any shape, float32; stays the caller's.
 * @returns Same shape; the caller disposes. Gradients flow, once: the gradient itself has none.
 * @throws RangeError when the input is not float32.
 */
export function fusedGelu<T extends tf.Tensor>(x: T): T {
  if (x.dtype !== "float32") {
    throw new RangeError(`Cannot apply a GELU: the input has the wrong type: got ${x.dtype}, expected float32.`);
  }
  return tf.engine().runKernel(GELU, { x }, {}) as T;
}

tf.registerGradient({
  kernelName: GELU,
  inputsToSave: ["x"],
  gradFunc: (dy, saved) => ({
    x: () => tf.engine().runKernel(GELU_GRADIENT, { x: saved[0]!, dy: dy as tf.Tensor }, {}) as tf.Tensor,
  }),
});

/** Runs a shader on each element; pipelines fit every size. */
function runElementwise(name: string, inputs: Readonly<Record<string, tf.TensorInfo>>, value: string): tf.TensorInfo {
  const { shape } = inputs.x!;
  const size = tf.util.sizeFromShape(shape);
  const lanes = size % 4 === 0 ? 4 : 1;
  const type = lanes === 4 ? "vec4<f32>" : "f32" as const;
  const names = Object.keys(inputs);
  return runShader(
    {
      key: `gelu/${name}/${lanes}`,
      inputs: names,
      vectorInputs: names.map(() => lanes),
      vectorOutput: lanes,
      outputShape: shape,
      workgroupSize: [64, 1, 1],
      workgroups: [Math.ceil(size / lanes / 64), 1, 1],
      code: `${normalDistributionFunction(type)}
fn main(index : i32) {
  if (index >= i32(arrayLength(&result))) { return; }
  let here = x[index];
  result[index] = ${value};
}`,
    },
    names.map((input) => inputs[input]!),
  );
}

tf.registerKernel({
  kernelName: GELU,
  backendName: "webgpu",
  kernelFunc: ({ inputs }) =>
    runElementwise("value", { x: inputs.x as tf.TensorInfo }, "here * normalDistribution(here)"),
});

tf.registerKernel({
  kernelName: GELU_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs }) =>
    runElementwise(
      "gradient",
      { x: inputs.x as tf.TensorInfo, dy: inputs.dy as tf.TensorInfo },
      `dy[index] * (normalDistribution(here) + here * ${DENSITY} * exp(here * here * -0.5))`,
    ),
});

for (
  const [kernelName, value] of [
    [GELU, (x: number) => x * normalDistribution(x)],
    [GELU_GRADIENT, (x: number) => normalDistribution(x) + x * DENSITY * Math.exp(-x * x / 2)],
  ] as const
) {
  registerOnCpu(
    kernelName,
    ({ arrays: { x, dy }, shapes }) => [[shapes.x!, x!.map((number, i) => (dy?.[i] ?? 1) * value(number))]],
  );
}
