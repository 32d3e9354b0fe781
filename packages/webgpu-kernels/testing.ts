/**
 * Runs one test body on every backend present, and keeps TensorFlow.js' own kernels at hand to compare with. Needs Deno.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { failOnDeviceErrors } from "./_device_errors.ts";
import { requestAdapter } from "./_webgpu_backend.ts";
import { type BackendName, selectBackend } from "./backend.ts";
import { assertDeviceHealthy } from "./guard/device_guard.ts";

export { type RewriteShader, withRewrittenShaders } from "./_rewrite_shaders.ts";
export { type ConvolutionKernelName, type KernelFunction, stockKernel } from "./conv3d/_stock_kernels.ts";

/** What a test body of {@linkcode testOnBackends} is told. */
export interface BackendTestContext {
  /** The active backend. */
  readonly backend: BackendName;
  /** Relative tolerance that float32 arithmetic on this backend warrants. */
  readonly tolerance: number;
}

/** Options of {@linkcode testOnBackends}. */
export interface BackendTestOptions {
  /** Whether the test makes devices report errors on purpose. Default false: an error that a device reports fails the test. */
  readonly asksForErrors?: boolean;
}

/**
 * Registers one `Deno.test` per backend. Where WebGPU is absent its test says so loudly and is ignored; under
 * `MED3D_REQUIRE_WEBGPU=1` it fails instead. A test also fails when a device reported an error meanwhile, noticed by the body or not.
 *
 * @param name The test's name; the backend is added to it.
 * @param body The test. Tensors that it leaves behind are disposed of.
 * @param options Whether errors of a device are what the test asks for.
 */
export function testOnBackends(
  name: string,
  body: (context: BackendTestContext) => Promise<void> | void,
  options: BackendTestOptions = {},
): void {
  const { asksForErrors = false } = options;
  for (const backend of ["cpu", "webgpu"] as const) {
    const skipped = backend === "webgpu" && !webgpuPresent && Deno.env.get("MED3D_REQUIRE_WEBGPU") !== "1";
    if (skipped) console.warn(`SKIPPED, no WebGPU adapter: ${name}`);
    Deno.test({
      name: `${name} [${backend}]`,
      ignore: skipped,
      sanitizeOps: false, // TensorFlow.js and the device work on between tests
      sanitizeResources: false,
      fn: async () => {
        await selectBackend({ backend });
        tf.engine().startScope();
        try {
          await failOnDeviceErrors(asksForErrors, async () => {
            await body({ backend, tolerance: backend === "cpu" ? 1e-5 : 1e-4 });
            await assertDeviceHealthy();
          });
        } finally {
          tf.engine().endScope();
        }
      },
    });
  }
}

const webgpuPresent = await requestAdapter() !== undefined;
