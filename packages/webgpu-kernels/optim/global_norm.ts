import * as tf from "@tensorflow/tfjs-core";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { runShader } from "../program.ts";
import { ELEMENTS_PER_WORKGROUP, flat, foldWorkgroups, portions, THREADS, workgroupsFor } from "./_table.ts";

const GLOBAL_NORM_KERNEL = "Med3dGlobalNorm";
/** Keeps shaders short. */
const MOST_TENSORS = 32;
/** Invocations of the one workgroup that adds up what the others found. */
const FINAL_THREADS = 256;

/**
 * Computes the Euclidean norm of all numbers of all tensors taken together, on WebGPU in one dispatch for as many tensors as the device
 * binds buffers for (30 on llvmpipe) and one more. Runs on the webgpu and cpu backends.
 *
 * @param tensors Any number of them, float32 of any shape; stay the caller's.
 * @returns A scalar, 0 for no tensors; the caller disposes. No gradients flow.
 * @throws RangeError when a tensor is not float32.
 */
export function globalNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  for (const { dtype, shape } of tensors) {
    if (dtype !== "float32") {
      throw new RangeError(
        `Cannot compute a global norm: a tensor has the wrong type: got [${shape}] ${dtype}, expected float32.`,
      );
    }
  }
  const filled = tensors.filter(({ size }) => size > 0);
  if (filled.length === 0) return tf.scalar(0);
  return tf.engine().runKernel(
    GLOBAL_NORM_KERNEL,
    Object.fromEntries(filled.map((tensor, i) => [`x${i}`, tensor])),
    {},
  );
}

/** Adds squares up: one number for each invocation, behind `offset` workgroups of earlier dispatches. */
function squaresShader(tensors: number): string {
  const turns = Array.from({ length: tensors }, (_, slot) => `
  if (group < table[${1 + 2 * slot}]) {
    let start = (group - ${slot === 0 ? "0" : `table[${2 * slot - 1}]`}) * ${ELEMENTS_PER_WORKGROUP};
    let end = min(start + ${ELEMENTS_PER_WORKGROUP}, table[${2 + 2 * slot}]);
    for (var i = start + i32(localIndex); i < end; i += ${THREADS}) { sum = fma(x${slot}[i], x${slot}[i], sum); }
    result[(table[0] + group) * ${THREADS} + i32(localIndex)] = sum;
    return;
  }`).join("");
  return `
fn main(index : i32) {
  let group = index / ${THREADS};
  var sum = 0.0;${turns}
}`;
}

function rootShader(partials: number): string {
  return `
var<workgroup> sums : array<f32, ${FINAL_THREADS}>;
fn main(index : i32) {
  var sum = 0.0;
  for (var i = index; i < ${partials}; i += ${FINAL_THREADS}) { sum += partial[i]; }
  sums[index] = sum;
  for (var reach = ${FINAL_THREADS / 2}; reach > 0; reach /= 2) {
    workgroupBarrier();
    if (index < reach) { sums[index] += sums[index + reach]; }
  }
  if (index == 0) { result[0] = sqrt(sums[0]); }
}`;
}

interface WebGpuBackendLike {
  readonly device: { readonly limits: { readonly maxStorageBuffersPerShaderStage: number } };
  makeTensorInfo(shape: readonly number[], dtype: string, values?: Int32Array): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}

tf.registerKernel({
  kernelName: GLOBAL_NORM_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, backend }) => {
    const webgpu = backend as unknown as WebGpuBackendLike;
    const tensors = Object.values(inputs as Record<string, tf.TensorInfo>).map(flat);
    const groups = (tensor: tf.TensorInfo): number => workgroupsFor(tensor.shape[0]!);
    const partials = tensors.reduce((sum, tensor) => sum + groups(tensor), 0) * THREADS;
    const partial = webgpu.makeTensorInfo([partials], "float32");
    const most = Math.min(MOST_TENSORS, webgpu.device.limits.maxStorageBuffersPerShaderStage - 2);
    let offset = 0;
    for (const portion of portions(tensors, most)) {
      let end = 0;
      const rows = portion.flatMap((tensor) => [end += groups(tensor), tensor.shape[0]!]);
      const table = webgpu.makeTensorInfo([1 + rows.length], "int32", Int32Array.of(offset, ...rows));
      runShader(
        {
          key: `globalNorm/squares/${portion.length}`,
          inputs: [...portion.map((_, i) => `x${i}`), "table"],
          outputShape: partial.shape,
          workgroupSize: [THREADS, 1, 1],
          workgroups: foldWorkgroups(end),
          code: squaresShader(portion.length),
        },
        [...portion, table],
        partial,
      );
      webgpu.disposeData(table.dataId);
      offset += end;
    }
    const norm = runShader(
      {
        key: `globalNorm/final/${partials}`,
        inputs: ["partial"],
        outputShape: [],
        workgroupSize: [FINAL_THREADS, 1, 1],
        workgroups: [1, 1, 1],
        code: rootShader(partials),
      },
      [partial],
    );
    webgpu.disposeData(partial.dataId);
    return norm;
  },
});

registerOnCpu(GLOBAL_NORM_KERNEL, ({ arrays }) => {
  let sum = 0;
  for (const values of Object.values(arrays)) for (const value of values) sum += value * value;
  return [[[], Float32Array.of(Math.sqrt(sum))]];
});
