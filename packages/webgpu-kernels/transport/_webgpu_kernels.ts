import * as tf from "@tensorflow/tfjs-core";
import { runShader } from "../program.ts";
import { adjointIterationsPerDispatch, adjointShader } from "./_adjoint_shader.ts";
import { ADJOINT_KERNEL, type AdjointAttributes, SINKHORN_KERNEL, type SinkhornAttributes } from "./_kernel_names.ts";
import { sinkhornIterationsPerDispatch, sinkhornShader } from "./_sinkhorn_shader.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];

function dispose(backend: unknown, { dataId }: tf.TensorInfo): void {
  (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
}

/** Lengths of the dispatches that `total` iterations are cut into: equal but for the last, so that few pipelines are built. */
function portions(total: number, most: number): number[] {
  return Array.from({ length: Math.ceil(total / most) }, (_, index) => Math.min(most, total - index * most));
}

tf.registerKernel({
  kernelName: SINKHORN_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { iterations, ...settings } = attrs as unknown as SinkhornAttributes;
    const { cost, logs, state } = inputs as { cost: tf.TensorInfo; logs: tf.TensorInfo; state: tf.TensorInfo };
    const [problems, rows, columns] = cost.shape as [number, number, number];
    let current = state;
    for (const portion of portions(iterations, sinkhornIterationsPerDispatch(rows, columns))) {
      const shader = sinkhornShader({ problems, rows, columns, iterations: portion, ...settings });
      const next = runShader(shader, [cost, logs, current]);
      if (current !== state) dispose(backend, current);
      current = next;
    }
    return current;
  },
});

tf.registerKernel({
  kernelName: ADJOINT_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { iterations, damping } = attrs as unknown as AdjointAttributes;
    const { plan, right, free } = inputs as { plan: tf.TensorInfo; right: tf.TensorInfo; free: tf.TensorInfo };
    const [problems, rows, columns] = plan.shape as [number, number, number];
    let vectors: tf.TensorInfo | undefined;
    for (
      const portion of portions(Math.min(iterations, rows + columns + 1), adjointIterationsPerDispatch(rows, columns))
    ) {
      const phase = vectors ? "resume" : "start";
      const shader = adjointShader({ problems, rows, columns, iterations: portion, damping, phase });
      const next = runShader(shader, [plan, right, vectors ?? free]);
      if (vectors) dispose(backend, vectors);
      vectors = next;
    }
    const solution = tf.getKernel("Slice", "webgpu")!.kernelFunc({
      inputs: { x: vectors! },
      backend,
      attrs: { begin: [0, 0], size: [problems, rows + columns + 1] },
    }) as tf.TensorInfo;
    dispose(backend, vectors!);
    return solution;
  },
});
