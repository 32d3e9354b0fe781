import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' own gradients

/** Which TensorFlow.js computes: with our kernels, as it comes, on the processor, in WebAssembly. */
export const TENSORFLOW_SIDES = ["ours", "stock", "cpu", "wasm"] as const;

/** One of {@linkcode TENSORFLOW_SIDES}. */
export type TensorflowSide = (typeof TENSORFLOW_SIDES)[number];

/** Loaded by name at run time, so that what only benches need is neither in the lock file nor downloaded by who uses the packages. */
export const WASM: string = "npm:@tensorflow/tfjs-backend-wasm@4.22.0";

/** A side that has been started. */
export interface StartedSide {
  /** What computes, in words. */
  readonly device: string;
  /** Fails when the device reported an error. Stock TensorFlow.js has no such thing. */
  readonly check: () => Promise<void>;
}

/** Starts a side, which then has the process to itself. */
export async function startTensorflow(side: TensorflowSide): Promise<StartedSide> {
  const check = async (): Promise<void> => {};
  switch (side) {
    case "ours": {
      const { assertDeviceHealthy, selectBackend } = await import("@med3d/webgpu-kernels");
      const { device } = await selectBackend({ backend: "webgpu" });
      return { device, check: assertDeviceHealthy };
    }
    case "stock": {
      const adapter = await navigator.gpu?.requestAdapter();
      if (!adapter) throw new Error("no WebGPU adapter");
      Object.assign(globalThis, { window: globalThis }); // TensorFlow.js looks for WebGPU only where there is a window
      await import("@tensorflow/tfjs-backend-webgpu");
      await tf.setBackend("webgpu");
      return { device: adapter.info.description, check };
    }
    case "cpu":
      await import("@tensorflow/tfjs-backend-cpu");
      await tf.setBackend("cpu");
      return { device: "TensorFlow.js cpu backend", check };
    case "wasm":
      await import(WASM);
      await tf.setBackend("wasm");
      return { device: "TensorFlow.js wasm backend", check };
  }
}

/**
 * Milliseconds that the kernels of `run` take: the device's own time on WebGPU (timestamp queries), wall-clock time elsewhere. What `run`
 * leaves behind is disposed of.
 */
export async function kernelTime(run: () => void, { check }: StartedSide): Promise<number> {
  const started = performance.now();
  const { kernelMs } = await tf.time(() => tf.tidy(run));
  await check();
  return typeof kernelMs === "number" && kernelMs > 0 ? kernelMs : performance.now() - started;
}
