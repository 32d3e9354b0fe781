/**
 * Mends the WebGPU kernels that reduce integers and truth values over axes that are not the last: the stock ones transpose first, by a shader that the device
 * refuses for integers.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { callKernel, disposeTensors, type KernelArguments, viewAs, wrapKernel } from "../_kernel_wrapping.ts";

/** Kernels, and under which name they are told the axes. */
const REDUCTIONS = {
  All: "axis",
  Any: "axis",
  ArgMax: "axis",
  ArgMin: "axis",
  Max: "reductionIndices",
  Mean: "axis",
  Min: "axis",
  Prod: "axis",
  Sum: "axis",
} as const;

for (const [kernelName, attribute] of Object.entries(REDUCTIONS)) {
  const axesOf = ({ inputs, attrs }: KernelArguments): number[] => {
    const axis = (attrs as unknown as Record<string, number | number[]>)[attribute]!;
    return tf.util.parseAxisParam(axis, (inputs.x as tf.TensorInfo).shape);
  };
  wrapKernel(
    kernelName,
    (args) => {
      const { dtype, shape } = args.inputs.x as tf.TensorInfo;
      return dtype === "float32" || tf.backend_util.axesAreInnerMostDims(axesOf(args), shape.length);
    },
    (args, stock) => {
      const { inputs, attrs, backend } = args;
      const x = inputs.x as tf.TensorInfo;
      const axes = axesOf(args);
      const rank = x.shape.length;
      const perm = [...x.shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
      const moved = callKernel("Transpose", { x }, { backend, attrs: { perm } });
      const last = tf.backend_util.getInnerMostAxes(axes.length, rank);
      const given = { ...attrs, [attribute]: Array.isArray(attrs![attribute]) ? last : last[0]!, keepDims: false };
      const result = stock({ inputs: { x: moved }, backend, attrs: given }) as tf.TensorInfo;
      disposeTensors(backend, moved);
      const { keepDims } = attrs as unknown as { keepDims?: boolean };
      return keepDims ? viewAs(result, x.shape.map((size, axis) => axes.includes(axis) ? 1 : size)) : result;
    },
  );
}
