/**
 * Mends the WebGPU kernel Transpose where the stock one is refused or inexact: integers and truth values (refused from rank 3 on, and with them `tf.all` and
 * `tf.any` over axes that are not the last; rounded to 24 bits in matrices), and matrices of more than 1,048,560 rows or columns.
 *
 * Takes effect on import.
 *
 * @module
 */
import type * as tf from "@tensorflow/tfjs-core";
import { callKernel, disposeTensors, type KernelArguments, viewAs, wrapKernel } from "../_kernel_wrapping.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader, type ShaderProgram } from "../program.ts";

/** Rows or columns that the stock kernel for matrices admits: tiles of 16, dealt out to at most 65,535 workgroups along an axis. */
const MOST_ROWS = 16 * 65_535;

const isLongMatrix = ({ shape }: tf.TensorInfo): boolean => shape.length === 2 && Math.max(...shape) > MOST_ROWS;

const inputX = ({ inputs }: KernelArguments): tf.TensorInfo => inputs.x as tf.TensorInfo;

function integerShader(shape: readonly number[], perm: readonly number[]): ShaderProgram {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const outputShape = perm.map((axis) => shape[axis]!);
  const size = shape.reduce((product, n) => product * n, 1);
  const steps = perm.toReversed().map((axis) =>
    `at += (rest % ${shape[axis]}) * ${strides[axis]}; rest = rest / ${shape[axis]};`
  );
  return flatShader({
    key: `transposeIntegers/${JSON.stringify([shape, perm])}`,
    inputs: ["x"],
    outputShape,
    outputType: "int32",
    invocations: size,
    body: `
  var rest = index;
  var at = 0;
  ${steps.join("\n  ")}
  result[index] = x[at];`,
  });
}

wrapKernel(
  "Transpose",
  (args) => inputX(args).shape.includes(0) || inputX(args).dtype === "float32" && !isLongMatrix(inputX(args)),
  ({ inputs, attrs, backend }, stock) => {
    const x = inputs.x as tf.TensorInfo;
    const { perm } = attrs as unknown as { perm: number[] };
    if (x.dtype === "float32") { // as one of three axes a matrix goes by a kernel that counts cells, not tiles
      const view = { x: viewAs(x, [1, ...x.shape]) };
      const moved = stock({ inputs: view, backend, attrs: { perm: [0, ...perm.map((axis) => axis + 1)] } });
      return viewAs(moved as tf.TensorInfo, perm.map((axis) => x.shape[axis]!));
    }
    const moved = runShader(integerShader(x.shape, perm), [x]);
    if (x.dtype !== "bool") return moved;
    const truths = callKernel("Cast", { x: moved }, { backend, attrs: { dtype: "bool" } });
    disposeTensors(backend, moved);
    return truths;
  },
);
