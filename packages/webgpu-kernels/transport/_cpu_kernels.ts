import * as tf from "@tensorflow/tfjs-core";
import { ADJOINT_KERNEL, type AdjointAttributes, SINKHORN_KERNEL, type SinkhornAttributes } from "./_kernel_names.ts";
import { iteratePotentials, type PotentialState } from "./iterate_potentials.ts";
import { solveAdjoint } from "./solve_adjoint.ts";

/** What of TensorFlow.js' cpu backend is used here. */
interface CpuBackendLike {
  readonly data: { get(dataId: object): { values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

type KernelArguments = Parameters<tf.KernelFunc>[0];

tf.registerKernel({
  kernelName: SINKHORN_KERNEL,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { kind, iterations, tolerance, damping } = attrs as unknown as SinkhornAttributes;
    const [problems, rows, columns] = inputs["cost"]!.shape as [number, number, number];
    const [cost, logs, start] = ["cost", "logs", "state"].map((name) => cpu.data.get(inputs[name]!.dataId).values);
    const out = new Float32Array(problems * (rows + columns + 3));
    for (let problem = 0; problem < problems; problem++) {
      const log = logs!.subarray(problem * (rows + columns + 1));
      const from = start!.subarray(problem * (rows + columns + 3));
      const state: PotentialState = {
        f: Float64Array.from(from.subarray(0, rows)),
        g: Float64Array.from(from.subarray(rows, rows + columns)),
        k: from[rows + columns]!,
      };
      const { iterations: done, change } = iteratePotentials(
        {
          rows,
          columns,
          cost: cost!.subarray(problem * rows * columns, (problem + 1) * rows * columns),
          logA: log.subarray(0, rows),
          logB: log.subarray(rows, rows + columns),
          logMass: log[rows + columns]!,
          kind,
          damping,
        },
        state,
        { iterations, tolerance },
      );
      out.set(
        [...state.f, ...state.g, state.k, change, from[rows + columns + 2]! + done],
        problem * (rows + columns + 3),
      );
    }
    return cpu.makeTensorInfo([problems, rows + columns + 3], "float32", out);
  },
});

tf.registerKernel({
  kernelName: ADJOINT_KERNEL,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { iterations, damping } = attrs as unknown as AdjointAttributes;
    const [problems, rows, columns] = inputs["plan"]!.shape as [number, number, number];
    const [plan, right, free] = ["plan", "right", "free"].map((name) => cpu.data.get(inputs[name]!.dataId).values);
    const size = rows + columns + 1;
    const out = new Float32Array(problems * size);
    for (let problem = 0; problem < problems; problem++) {
      const solution = solveAdjoint({
        rows,
        columns,
        plan: plan!.subarray(problem * rows * columns, (problem + 1) * rows * columns),
        right: right!.subarray(problem * size, (problem + 1) * size),
        free: free!.subarray(problem * size, (problem + 1) * size),
        damping,
      }, { iterations });
      out.set(solution, problem * size);
    }
    return cpu.makeTensorInfo([problems, size], "float32", out);
  },
});
