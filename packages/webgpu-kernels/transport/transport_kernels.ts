import * as tf from "@tensorflow/tfjs-core";
import { runShader } from "../program.ts";
import { solveAdjoint } from "./_adjoint.ts";
import { iteratePotentials, type PotentialState } from "./_iterate.ts";
import {
  adjointIterations,
  adjointShader,
  MAX_ADJOINT_SIZE,
  MAX_SINKHORN_SIZE,
  sinkhornIterationsPerDispatch,
  sinkhornShader,
} from "./_shaders.ts";

/** Name of the Sinkhorn kernel in TensorFlow.js' registry. */
export const SINKHORN_KERNEL = "Med3dSinkhorn";
/** Name of the adjoint kernel in TensorFlow.js' registry. */
export const SINKHORN_ADJOINT_KERNEL = "Med3dSinkhornAdjoint";

/** Whether the active backend has the fused kernels for a problem of this size. */
export function hasTransportKernels(rows: number, columns: number): boolean {
  const backend = tf.getBackend();
  if (tf.getKernel(SINKHORN_KERNEL, backend) === undefined) return false;
  return backend === "cpu" || Math.max(rows, columns) <= Math.min(MAX_SINKHORN_SIZE, MAX_ADJOINT_SIZE);
}

/**
 * Runs log-domain Sinkhorn iterations in one dispatch (or a few, where the device bounds loops).
 *
 * No gradient is registered: the caller differentiates implicitly with {@linkcode transportAdjoint}.
 *
 * @param cost `[rows, columns]` float32, cost / ε.
 * @param logs `[rows + columns + 1]` float32: log a, log b, log mass. The mass is read for partial transport only.
 * @param state `[rows + columns + 2]` float32 potentials f, g, k to start from and one number that is ignored.
 * @param options `partial` caps potentials at 0 and moves the given mass; `iterations` are all done.
 * @returns Potentials in the form of `state`, last the greatest change in the last iteration; the caller disposes.
 */
export function transportPotentials(
  cost: tf.Tensor2D,
  logs: tf.Tensor1D,
  state: tf.Tensor1D,
  options: { readonly partial: boolean; readonly iterations: number },
): tf.Tensor1D {
  return tf.engine().runKernel(SINKHORN_KERNEL, { cost, logs, state }, { ...options }) as tf.Tensor1D;
}

/**
 * Solves the adjoint system of a transport problem by conjugate gradients: see the derivation in `_adjoint.ts`.
 *
 * @param plan `[rows, columns]` float32.
 * @param gradient `[rows, columns]` float32, gradient of the loss with respect to log plan.
 * @param free `[rows + columns + 1]` float32: 1 where a potential is free, 0 where it is held.
 * @param options Most iterations of conjugate gradients.
 * @returns `[rows + columns + 1]`: x, y, κ; the caller disposes.
 */
export function transportAdjoint(
  plan: tf.Tensor2D,
  gradient: tf.Tensor2D,
  free: tf.Tensor1D,
  options: { readonly iterations: number },
): tf.Tensor1D {
  return tf.engine().runKernel(SINKHORN_ADJOINT_KERNEL, { plan, gradient, free }, { ...options }) as tf.Tensor1D;
}

interface CpuBackendLike {
  readonly data: { get(dataId: object): { values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

type KernelArguments = Parameters<tf.KernelFunc>[0];

tf.registerKernel({
  kernelName: SINKHORN_KERNEL,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { cost, logs, state } = inputs as { cost: tf.TensorInfo; logs: tf.TensorInfo; state: tf.TensorInfo };
    const { partial, iterations } = attrs as unknown as { partial: boolean; iterations: number };
    const cpu = backend as unknown as CpuBackendLike;
    const [rows, columns] = cost.shape as [number, number];
    const values = (tensor: tf.TensorInfo): Float32Array => cpu.data.get(tensor.dataId).values;
    const logValues = values(logs);
    const start = values(state);
    const potentials: PotentialState = {
      f: Float64Array.from(start.subarray(0, rows)),
      g: Float64Array.from(start.subarray(rows, rows + columns)),
      k: start[rows + columns]!,
    };
    const { change } = iteratePotentials(
      {
        rows,
        columns,
        cost: values(cost),
        logA: logValues.subarray(0, rows),
        logB: logValues.subarray(rows, rows + columns),
        kind: partial ? "partial" : "balanced",
        mass: Math.exp(logValues[rows + columns]!),
        damping: 1,
      },
      potentials,
      { iterations, tolerance: -1 }, // the change is never below: all iterations are done, as on WebGPU
    );
    const out = Float32Array.from([...potentials.f, ...potentials.g, potentials.k, change]);
    return cpu.makeTensorInfo([out.length], "float32", out);
  },
});

tf.registerKernel({
  kernelName: SINKHORN_ADJOINT_KERNEL,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { plan, gradient, free } = inputs as { plan: tf.TensorInfo; gradient: tf.TensorInfo; free: tf.TensorInfo };
    const cpu = backend as unknown as CpuBackendLike;
    const [rows, columns] = plan.shape as [number, number];
    const values = (tensor: tf.TensorInfo): Float32Array => cpu.data.get(tensor.dataId).values;
    const freedom = values(free);
    const solution = solveAdjoint({
      rows,
      columns,
      plan: values(plan),
      gradient: values(gradient),
      freeRows: freedom.subarray(0, rows),
      freeColumns: freedom.subarray(rows, rows + columns),
      freeMass: freedom[rows + columns]!,
    }, (attrs as unknown as { iterations: number }).iterations);
    return cpu.makeTensorInfo([solution.length], "float32", Float32Array.from(solution));
  },
});

tf.registerKernel({
  kernelName: SINKHORN_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { cost, logs, state } = inputs as { cost: tf.TensorInfo; logs: tf.TensorInfo; state: tf.TensorInfo };
    const { partial, iterations } = attrs as unknown as { partial: boolean; iterations: number };
    const { disposeData } = backend as unknown as { disposeData(dataId: object): boolean };
    const [rows, columns] = cost.shape as [number, number];
    const most = sinkhornIterationsPerDispatch(rows, columns);
    let current = state;
    for (let left = iterations; left > 0; left -= most) {
      const next = runShader(
        sinkhornShader(rows, columns, { partial, iterations: Math.min(left, most) }),
        [cost, logs, current],
      );
      if (current !== state) disposeData.call(backend, current.dataId);
      current = next;
    }
    return current;
  },
});

tf.registerKernel({
  kernelName: SINKHORN_ADJOINT_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { plan, gradient, free } = inputs as { plan: tf.TensorInfo; gradient: tf.TensorInfo; free: tf.TensorInfo };
    const [rows, columns] = plan.shape as [number, number];
    const iterations = adjointIterations(rows, columns, (attrs as unknown as { iterations: number }).iterations);
    const vectors = runShader(adjointShader(rows, columns, iterations), [plan, gradient, free]);
    const size = rows + columns + 1;
    const slice = tf.getKernel("Slice", "webgpu")!;
    const first = slice.kernelFunc({
      inputs: { x: vectors },
      backend,
      attrs: { begin: [0, 0], size: [1, size] },
    }) as tf.TensorInfo;
    (backend as unknown as { disposeData(dataId: object): boolean }).disposeData(vectors.dataId);
    return { dataId: first.dataId, shape: [size], dtype: "float32" };
  },
});
