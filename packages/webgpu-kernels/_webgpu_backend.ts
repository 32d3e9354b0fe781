import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu"; // registers the stock kernels
import { GuardedWebGPUBackend, isSoftware } from "./guard/_guarded_backend.ts";
import { GpuError } from "./guard/gpu_error.ts";

/** Limits that TensorFlow.js needs beyond WebGPU's defaults; the stock backend leaves storage buffers per stage at 8. */
export const RAISED_LIMITS = [
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
] as const;

const WANTED_FEATURES = ["timestamp-query", "shader-f16", "bgra8unorm-storage"] as const;

/** Looks for a WebGPU adapter, the fast one where there are two. */
export async function requestAdapter(): Promise<GPUAdapter | undefined> {
  const gpu = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  return await gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? undefined;
}

/**
 * Dispatches that go out together. On two llvmpipe cores a training step of 293 dispatches took 0.38 s at the stock 15 and at 64, 0.32 s at 256 and
 * above. A GPU would stand idle while as many are written down.
 */
export const DISPATCHES_PER_SUBMIT = { software: 256, gpu: 64 } as const;

async function createBackend(): Promise<GuardedWebGPUBackend> {
  const adapter = await requestAdapter();
  if (!adapter) throw new GpuError("lost", "Cannot start WebGPU: no adapter was found.");
  const device = await adapter.requestDevice({
    requiredFeatures: WANTED_FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(RAISED_LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  const kind = isSoftware(adapter.info) ? "software" : "gpu";
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", DISPATCHES_PER_SUBMIT[kind]);
  // deno-lint-ignore no-explicit-any -- TensorFlow.js ships other WebGPU types than Deno
  return insideWindow(() => new GuardedWebGPUBackend(device as any, adapter.info as any));
}

/** TensorFlow.js believes in WebGPU only where there is a `window`; lends it one. */
export function insideWindow<T>(body: () => T): T {
  const scope = globalThis as { window?: unknown };
  if (scope.window !== undefined) return body();
  scope.window = globalThis;
  try {
    return body();
  } finally {
    delete scope.window;
  }
}

// Chosen unasked only where the stock backend would have been, in browsers; elsewhere `tf.setBackend("webgpu")` starts it.
const PRIORITY = "webgpu" in tf.engine().registryFactory ? 3 : 0;

/** Puts the guarded backend in place of what is registered. */
function registerGuardedBackend(): void {
  if ("webgpu" in tf.engine().registryFactory) tf.removeBackend("webgpu");
  tf.registerBackend("webgpu", createBackend, PRIORITY);
}

/** Starts over with a new device where the present one has failed. Tensors on the failed device are gone. */
export function replaceFailedBackend(): void {
  const present = tf.engine().registry["webgpu"]; // tf.findBackend would start it
  if (present instanceof GuardedWebGPUBackend && present.guard.failure) registerGuardedBackend();
}

// Small tensors would be handed to CPU kernels: two roundings for one operation, and a missing kernel would go unnoticed.
tf.env().set("WEBGPU_CPU_FORWARD", false);
if (!tf.engine().registry["webgpu"]) registerGuardedBackend(); // one that runs already keeps its tensors
