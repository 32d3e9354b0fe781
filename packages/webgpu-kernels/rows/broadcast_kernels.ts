/**
 * Faster WebGPU kernels Add, Sub and Multiply where a large tensor meets one that repeats along its leading axes, as a bias or a scale by channel
 * does: the stock ones work out coordinates for every element.
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

interface Operands {
  readonly a: tf.TensorInfo;
  readonly b: tf.TensorInfo;
}

function operands({ inputs }: KernelArguments): Operands {
  return inputs as unknown as Operands;
}

/** Whether `small` repeats along the leading axes of `large`. */
function repeatsAlong(small: tf.TensorInfo, large: tf.TensorInfo): boolean {
  const first = small.shape.findIndex((size) => size !== 1);
  if (first < 0 || small.shape.length > large.shape.length) return false;
  const tail = small.shape.slice(first);
  return tail.length < large.shape.length && tail.join() === large.shape.slice(-tail.length).join();
}

for (const [kernelName, operator] of [["Add", "+"], ["Sub", "-"], ["Multiply", "*"]] as const) {
  wrapKernel(
    kernelName,
    (args) => {
      const { a, b } = operands(args);
      if (a.dtype !== "float32" || b.dtype !== "float32") return true;
      if (Math.max(sizeOf(a), sizeOf(b)) < LARGE) return true;
      return !(repeatsAlong(b, a) || repeatsAlong(a, b));
    },
    (args) => {
      const { a, b } = operands(args);
      const [large, small] = repeatsAlong(b, a) ? [a, b] : [b, a];
      const { lanes } = lanesOf(sizeOf(small));
      const elements = sizeOf(large) / lanes;
      const period = sizeOf(small) / lanes;
      const [left, right] = large === a ? ["index", `index % ${period}`] : [`index % ${period}`, "index"];
      return runShader(
        flatShader({
          key: `broadcast/${kernelName}/${JSON.stringify([elements, period, lanes, large === a])}`,
          inputs: ["a", "b"],
          vectorInputs: [lanes, lanes],
          vectorOutput: lanes,
          outputShape: large.shape,
          invocations: elements,
          body: `
  result[index] = a[${left}] ${operator} b[${right}];`,
        }),
        [a, b],
      );
    },
  );
}
