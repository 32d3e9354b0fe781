import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' gradients, which the core alone lacks
import "@tensorflow/tfjs-backend-cpu";

/** A backend that med3d computes on. */
export type BackendName = "webgpu" | "cpu";

/** What was chosen to compute on, and why. */
export interface BackendChoice {
  /** The TensorFlow.js backend that is now active. */
  readonly name: BackendName;
  /** The adapter's own description, or "TensorFlow.js cpu backend". */
  readonly device: string;
  /** Whether WebGPU runs on the processor (llvmpipe, SwiftShader) rather than on a GPU. */
  readonly isFallbackAdapter: boolean;
  /** One line for the user when the choice needs saying, else an empty string. */
  readonly notice: string;
}

/** Options of {@linkcode selectBackend}. */
export interface BackendOptions {
  /** `auto` takes WebGPU where there is an adapter, else cpu. Default: `MED3D_BACKEND`, else `auto`. */
  readonly backend?: BackendName | "auto";
}

/**
 * Chooses and starts the TensorFlow.js backend.
 *
 * @throws Error when WebGPU is asked for by name and no adapter is present.
 */
export async function selectBackend(options: BackendOptions = {}): Promise<BackendChoice> {
  const wanted = options.backend ?? "auto";
  tf.env().set("IS_NODE", false); // silences the advice to install tfjs-node
  if (wanted !== "cpu") {
    const scope = globalThis as { window?: unknown };
    scope.window ??= globalThis; // tfjs looks for WebGPU only where there is a window
    const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
    const adapter = await navigator.gpu?.requestAdapter();
    if (adapter) {
      if (!tf.engine().registryFactory["webgpu"] || tf.getBackend() !== "webgpu") {
        const device = await adapter.requestDevice();
        tf.removeBackend("webgpu");
        // deno-lint-ignore no-explicit-any -- tfjs ships older WebGPU types than Deno
        tf.registerBackend("webgpu", () => new WebGPUBackend(device as any, adapter.info as any));
      }
      tf.env().set("WEBGPU_CPU_FORWARD", false);
      await tf.setBackend("webgpu");
      return {
        name: "webgpu",
        device: adapter.info.description || adapter.info.vendor,
        isFallbackAdapter: adapter.info.isFallbackAdapter ?? false,
        notice: "",
      };
    }
    if (wanted === "webgpu") throw new Error("Cannot start WebGPU: no adapter was found. Install mesa-vulkan-drivers.");
  }
  await tf.setBackend("cpu");
  return { name: "cpu", device: "TensorFlow.js cpu backend", isFallbackAdapter: false, notice: "" };
}
