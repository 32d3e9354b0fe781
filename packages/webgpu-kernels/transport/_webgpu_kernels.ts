import * as tf from "@tensorflow/tfjs-core";
import type { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { runShader } from "../program.ts";
import { adjointIterationsPerDispatch, adjointShader } from "./_adjoint_shader.ts";
import { ADJOINT_KERNEL, type AdjointAttributes, SINKHORN_KERNEL, type SinkhornAttributes } from "./_kernel_names.ts";
import type { SinkhornShaderOptions } from "./_sinkhorn_options.ts";
import { columnsShader, rowsShader } from "./_split_shaders.ts";
import {
  iterationsPerDispatch,
  MAX_ADJOINT_SIZE,
  MAX_TRANSPORT_SIZE,
  passesPerDispatch,
  type TileLayout,
  tileLayout,
} from "./_tile_layout.ts";
import { TILE_ADJOINT_BYTES, tileAdjointShader } from "./_tile_adjoint_shader.ts";
import { tileShader } from "./_tile_shader.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];

interface SinkhornInputs {
  readonly cost: tf.TensorInfo;
  readonly logs: tf.TensorInfo;
  readonly state: tf.TensorInfo;
  readonly backend: unknown;
}

function dispose(backend: unknown, { dataId }: tf.TensorInfo): void {
  (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
}

/** Lengths of the dispatches that `total` iterations are cut into: equal but for the last, so that few pipelines are built. */
function portions(total: number, most: number): number[] {
  return Array.from({ length: Math.ceil(total / most) }, (_, index) => Math.min(most, total - index * most));
}

function checkSize(action: string, rows: number, columns: number, most: number): void {
  if (Math.max(rows, columns) <= most) return;
  throw new RangeError(
    `Cannot ${action} on WebGPU: the problem is too large: got ${rows} × ${columns}, expected at most ${most} rows and columns. ` +
      `Compose it of operations, as @med3d/pot-align does, or take the cpu backend.`,
  );
}

/** The layout of a problem in one workgroup on the device of a backend, if it fits there beside other `bytes` of workgroup memory. */
function layoutOn(backend: unknown, rows: number, columns: number, bytes: number): TileLayout | undefined {
  const { isFallbackAdapter, device } = backend as GuardedWebGPUBackend;
  return tileLayout(rows, columns, {
    kind: isFallbackAdapter ? "software" : "gpu",
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize - bytes,
  });
}

/** Runs {@linkcode tileShader} as often as a device that bounds loops may need; where the first time does all, the others return at once. */
function solveInTiles(inputs: SinkhornInputs, options: SinkhornShaderOptions, layout: TileLayout): tf.TensorInfo {
  const { cost, logs, state, backend } = inputs;
  const iterations = Math.min(options.iterations, iterationsPerDispatch(layout));
  const shader = tileShader(options, layout, iterations);
  let current = state;
  const dispatches = Math.ceil(options.iterations / passesPerDispatch(layout, iterations));
  for (let dispatch = 0; dispatch < dispatches; dispatch++) {
    const next = runShader(shader, [cost, logs, current, state]);
    if (current !== state) dispose(backend, current);
    current = next;
  }
  return current;
}

/** Two dispatches per iteration, over many workgroups; the same three tensors are written over and over. */
function solveSplit({ cost, logs, state, backend }: SinkhornInputs, options: SinkhornShaderOptions): tf.TensorInfo {
  const [first, second] = [rowsShader(options), columnsShader(options)];
  let work: tf.TensorInfo | undefined;
  const [states, current] = [[] as tf.TensorInfo[], { at: state }];
  for (let iteration = 0; iteration < options.iterations; iteration++) {
    work = runShader(first, [cost, logs, current.at], work);
    current.at = runShader(second, [cost, logs, current.at, work], states[iteration % 2]);
    states[iteration % 2] = current.at;
  }
  for (const info of [work!, ...states]) if (info !== current.at) dispose(backend, info);
  return current.at;
}

tf.registerKernel({
  kernelName: SINKHORN_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { variant, ...settings } = attrs as unknown as SinkhornAttributes;
    const { cost, logs, state } = inputs as { cost: tf.TensorInfo; logs: tf.TensorInfo; state: tf.TensorInfo };
    const [problems, rows, columns] = cost.shape as [number, number, number];
    checkSize("iterate", rows, columns, MAX_TRANSPORT_SIZE);
    const options = { problems, rows, columns, ...settings };
    const layout = variant === "split" ? undefined : layoutOn(backend, rows, columns, 0);
    if (variant === "tile" && !layout) {
      throw new RangeError(
        `Cannot solve optimal transport in one workgroup: the problem is too large: got ${rows} × ${columns}, expected about ` +
          `256 × 256 at most. Leave out \`variant\`.`,
      );
    }
    const given = { cost, logs, state, backend };
    return layout ? solveInTiles(given, options, layout) : solveSplit(given, options);
  },
});

tf.registerKernel({
  kernelName: ADJOINT_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { iterations, damping } = attrs as unknown as AdjointAttributes;
    const { plan, right, free } = inputs as { plan: tf.TensorInfo; right: tf.TensorInfo; free: tf.TensorInfo };
    const [problems, rows, columns] = plan.shape as [number, number, number];
    checkSize("solve the adjoint system", rows, columns, MAX_ADJOINT_SIZE);
    const layout = layoutOn(backend, rows, columns, TILE_ADJOINT_BYTES);
    const most = Math.min(iterations, rows + columns + 1);
    if (layout && most <= 2 * iterationsPerDispatch(layout)) { // no absorptions here, which the other half is for
      const shader = tileAdjointShader({ problems, rows, columns, iterations: most, damping }, layout);
      return runShader(shader, [plan, right, free]);
    }
    let vectors: tf.TensorInfo | undefined;
    for (
      const portion of portions(most, adjointIterationsPerDispatch(rows, columns))
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
