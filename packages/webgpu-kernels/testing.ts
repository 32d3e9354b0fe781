/**
 * Runs one test body on every backend present.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { type BackendName, selectBackend } from "./backend.ts";

/** What a test body of {@linkcode testOnBackends} is told. */
export interface BackendTestContext {
  /** The active backend. */
  readonly backend: BackendName;
  /** Relative tolerance that float32 arithmetic on this backend warrants. */
  readonly tolerance: number;
}

/**
 * Registers one `Deno.test` per backend. Where WebGPU is absent its test says so loudly and is ignored; under
 * `MED3D_REQUIRE_WEBGPU=1` it fails instead.
 */
export function testOnBackends(name: string, body: (context: BackendTestContext) => Promise<void> | void): void {
  for (const backend of ["cpu", "webgpu"] as const) {
    const absent = backend === "webgpu" && !webgpuPresent;
    const required = Deno.env.get("MED3D_REQUIRE_WEBGPU") === "1";
    if (absent && !required) console.warn(`SKIPPED, no WebGPU adapter: ${name}`);
    Deno.test({
      name: `${name} [${backend}]`,
      ignore: absent && !required,
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        await selectBackend({ backend });
        tf.engine().startScope();
        try {
          await body({ backend, tolerance: backend === "cpu" ? 1e-5 : 1e-4 });
        } finally {
          tf.engine().endScope();
        }
      },
    });
  }
}

const webgpuPresent = await (async () => (await navigator.gpu?.requestAdapter()) !== null)();
