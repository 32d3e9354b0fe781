import * as tf from "@tensorflow/tfjs-core";
import { DISPATCHES_PER_SUBMIT, insideWindow, RAISED_LIMITS, requestAdapter } from "../_webgpu_backend.ts";
import { type DeviceLimits, PlanDevice } from "./_plan_device.ts";
import { type PlanEngine, type PlannedTensors, PlanningBackend } from "./_planning_backend.ts";

export type { PlannedTensors } from "./_planning_backend.ts";

/** Options of {@linkcode planMemory}. */
export interface PlanOptions {
  /** Bytes that the device may have to provide at most; more is refused. Default: no limit. */
  readonly budgetBytes?: number;
  /**
   * Bytes that a single tensor may have at most. Default: what this machine's WebGPU adapter offers, else WebGPU's default of 128 MiB, which
   * every device offers.
   */
  readonly maxTensorBytes?: number;
}

/** What a computation will need of a WebGPU device. */
export interface MemoryPlan {
  /** The most bytes in use at one time. */
  readonly peakUsedBytes: number;
  /** The most bytes that the device has to provide: with the buffers that are kept for reuse. */
  readonly peakBytes: number;
  /** The tensors that are alive when most bytes are in use, by shape, those first that take most together. */
  readonly tensorsAtPeak: readonly PlannedTensors[];
  /** The largest single tensor, undefined when there is none. */
  readonly largestTensor: PlannedTensors | undefined;
  /** Dispatches of the computation. */
  readonly dispatches: number;
}

/**
 * Finds what a computation will need of the WebGPU device before the device computes or allocates anything: runs it on the same backend, with
 * the same kernels, over a device that takes every command and does nothing. The plan therefore counts the very buffers that the
 * computation will ask for, in the same order; measured peaks were equal to the byte on U-Net steps. Takes as long as writing the commands
 * down, whatever the size. Needs no GPU, and no WebGPU adapter, but a runtime that knows WebGPU (Deno, a browser).
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { planMemory } from "@med3d/webgpu-kernels";
 *
 * const plan = await planMemory(() => {
 *   const kernel = tf.variable(tf.ones<tf.Rank.R5>([3, 3, 3, 1, 8]));
 *   const volume = tf.zeros<tf.Rank.R5>([1, 64, 64, 64, 1]);
 *   tf.variableGrads(() => tf.mean(tf.square(tf.conv3d(volume, kernel as unknown as tf.Tensor5D, 1, "same"))), [kernel]);
 * });
 * console.log(plan.peakBytes, plan.largestTensor); // [1, 64, 64, 64, 8], 8 MiB
 * ```
 *
 * @param body Makes model, optimiser and batch, and takes a step or two, as the real program does: what it makes is counted, and disposed of
 * when it is done. All values read as zero, so their course must not hang on them. Tensors and variables made outside may be used: they are
 * counted from their first use and keep their values, but must not be disposed of. Nothing else may compute meanwhile.
 * @returns Peaks and what takes them.
 * @throws GpuError of kind `limit`, naming the tensor, when one is larger than a buffer may be, or finds no room within the budget.
 * @throws RangeError when an option is not positive.
 * @throws Error when the runtime has no WebGPU.
 */
export async function planMemory(body: () => unknown, options: PlanOptions = {}): Promise<MemoryPlan> {
  const { budgetBytes = Infinity, maxTensorBytes } = options;
  for (const [name, value] of Object.entries({ budgetBytes, maxTensorBytes: maxTensorBytes ?? 1 })) {
    if (!(value > 0)) {
      throw new RangeError(`Cannot plan the memory: ${name} is wrong: got ${value}, expected a positive number.`);
    }
  }
  if (!("GPUBuffer" in globalThis)) {
    throw new Error(
      "Cannot plan the memory: the runtime knows no WebGPU: got none, expected Deno or a browser with WebGPU.",
    );
  }
  const backend = await createPlanningBackend(maxTensorBytes);
  backend.setMemoryPolicy(budgetBytes, Infinity);
  await runOn(backend, body);
  const { pool, atPeak, largest, dispatches } = backend;
  return {
    peakUsedBytes: pool.peakBytesUsed,
    peakBytes: pool.peakBytesAllocated,
    tensorsAtPeak: [...atPeak.values()].toSorted((a, b) => b.bytes - a.bytes),
    largestTensor: largest,
    dispatches,
  };
}

/** Makes the backend of a plan, as like as can be to the one that will compute. */
async function createPlanningBackend(maxTensorBytes: number | undefined): Promise<PlanningBackend> {
  const adapter = await requestAdapter();
  const limits: Partial<Record<keyof DeviceLimits, number>> = {};
  if (adapter) { for (const name of RAISED_LIMITS) limits[name] = adapter.limits[name]; }
  if (maxTensorBytes !== undefined) limits.maxStorageBufferBindingSize = limits.maxBufferSize = maxTensorBytes;
  const device = new PlanDevice({ limits, features: [] });
  const information = adapter?.info ?? { description: "", vendor: "", architecture: "" };
  return insideWindow(() => new PlanningBackend(device, information));
}

/** Runs the body with the planning backend in the place of `webgpu`, and leaves TensorFlow.js as it was. */
async function runOn(backend: PlanningBackend, body: () => unknown): Promise<void> {
  const engine = tf.engine() as unknown as PlanEngine;
  const { backendName, backendInstance } = engine;
  const registered = engine.registry["webgpu"];
  const variables = new Map(
    Object.values(engine.state.registeredVariables).map((variable) => [variable, variable.dataId]),
  );
  for (const dataId of variables.values()) backend.tensorMap.get(dataId); // before an assignment can dispose of it
  const submit = tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE");
  engine.registry["webgpu"] = engine.backendInstance = backend;
  engine.backendName = "webgpu";
  tf.env().set(
    "WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE",
    DISPATCHES_PER_SUBMIT[backend.isFallbackAdapter ? "software" : "gpu"],
  );
  tf.engine().startScope();
  try {
    const result = await body();
    if (typeof result === "object") tf.dispose(result as tf.TensorContainer);
  } finally {
    tf.engine().endScope();
    for (const variable of Object.values(engine.state.registeredVariables)) {
      const dataId = variables.get(variable);
      if (!dataId) variable.dispose();
      else if (variable.dataId !== dataId) { // an optimiser without in-place steps assigns
        engine.removeDataId(variable.dataId, backend);
        (variable as { dataId: object }).dataId = dataId;
      }
    }
    backend.returnBorrowed();
    tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", submit);
    if (registered) engine.registry["webgpu"] = registered;
    else delete engine.registry["webgpu"];
    Object.assign(engine, { backendName, backendInstance });
    backend.dispose();
  }
}
