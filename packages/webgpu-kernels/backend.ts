import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' gradients, which the core alone lacks
import "@tensorflow/tfjs-backend-cpu";
import { readEnvironment } from "./_environment.ts";
import "./conv3d/conv3d_kernels.ts";
import "./gradients/missing_gradients.ts";
import "./gradients/pool_gradients.ts";
import { isSoftware } from "./guard/_guarded_backend.ts";
import "./memory/early_release.ts";
import "./memory/shape_only_gradients.ts";
import "./rank5/cumulative_kernels.ts";
import "./rank5/rank5_kernels.ts";
import "./rows/broadcast_kernels.ts";
import "./rows/copy_kernels.ts";
import "./rows/matmul_kernels.ts";
import "./rows/reduce_kernels.ts";
import { replaceFailedBackend, requestAdapter } from "./_webgpu_backend.ts";

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
  /** `auto` takes WebGPU where there is an adapter, else cpu. Default: the environment's `MED3D_BACKEND`, else `auto`. */
  readonly backend?: BackendName | "auto";
}

const CHOICES = ["auto", "webgpu", "cpu"];
const INSTALL = "On Debian install mesa-vulkan-drivers and libvulkan1 (software) or the GPU's own Vulkan driver.";

tf.env().set("IS_NODE", false); // silences the advice to install tfjs-node

/**
 * Chooses and starts the TensorFlow.js backend.
 *
 * May be called again: it switches between backends, whose tensors stay alive, and replaces a device that has failed, whose tensors are gone.
 *
 * @param options What to compute on.
 * @returns What was chosen. `notice` is to be shown to the user where it is not empty.
 * @throws RangeError when `backend` or `MED3D_BACKEND` is none of `auto`, `webgpu` and `cpu`.
 * @throws Error when WebGPU is asked for by name and no adapter is present, or the adapter gives no device.
 */
export async function selectBackend(options: BackendOptions = {}): Promise<BackendChoice> {
  const wanted = options.backend ?? (readEnvironment("MED3D_BACKEND") || "auto");
  if (!CHOICES.includes(wanted)) {
    throw new RangeError(
      `Cannot choose a backend: it is unknown: got "${wanted}", expected one of ${CHOICES.join(", ")}. ` +
        `Change the option or the environment variable MED3D_BACKEND.`,
    );
  }
  if (wanted !== "cpu") {
    const adapter = await requestAdapter();
    if (adapter) {
      replaceFailedBackend();
      if (!await tf.setBackend("webgpu")) {
        throw new Error(
          "Cannot start WebGPU: the adapter gave no device. Update its driver, or choose the cpu backend.",
        );
      }
      const { description, vendor, architecture } = adapter.info;
      const device = description || [vendor, architecture].filter(Boolean).join(" ") || "WebGPU adapter";
      return { name: "webgpu", device, isFallbackAdapter: isSoftware(adapter.info), notice: "" };
    }
    if (wanted === "webgpu") {
      throw new Error(`Cannot start WebGPU: no adapter was found: got none, expected a Vulkan device. ${INSTALL}`);
    }
  }
  await tf.setBackend("cpu");
  const notice = wanted === "auto"
    ? `No WebGPU adapter was found: computing on the slower cpu backend. ${INSTALL}`
    : "";
  return { name: "cpu", device: "TensorFlow.js cpu backend", isFallbackAdapter: false, notice };
}
