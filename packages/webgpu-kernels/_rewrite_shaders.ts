import * as tf from "@tensorflow/tfjs-core";

/**
 * Gives a shader another source.
 *
 * @param key What the backend tells shaders apart by; those of this package begin with `med3d/`.
 * @param code WGSL.
 * @returns Other WGSL, or the same where the shader is to stay as it is.
 */
export type RewriteShader = (key: string, code: string) => string;

/** What of the backends' methods is stood in front of. */
interface Backend {
  runWebGPUProgram?(program: Program, ...rest: unknown[]): unknown;
  runInPlace?(program: { readonly key: string; readonly code: string }, ...rest: unknown[]): void;
}

interface Program {
  readonly shaderKey: string;
  getUserCode(): string;
}

let runs = 0;

/**
 * Runs `body` with shaders of the active WebGPU backend rewritten, to see whether a test notices. For tests: it stands in front of the backend's methods and
 * steps aside when `body` is done. Rewritten shaders get pipelines of their own, so that none is found in a cache afterwards.
 *
 * @param rewrite Is asked before every dispatch.
 * @param body Has to await what it computes.
 * @returns What `body` gave, and how many dispatches had a rewritten shader.
 * @throws Error when the active backend is not `webgpu`.
 */
export async function withRewrittenShaders<T>(
  rewrite: RewriteShader,
  body: () => Promise<T>,
): Promise<{ result: T; rewritten: number }> {
  if (tf.getBackend() !== "webgpu") {
    throw new Error(`Cannot rewrite shaders: the backend has none: got "${tf.getBackend()}", expected "webgpu".`);
  }
  const backend = tf.backend() as unknown as Backend;
  const run = runs++;
  let rewritten = 0;
  const ask = (key: string, code: string): string | undefined => {
    const other = rewrite(key, code);
    if (other === code) return undefined;
    rewritten++;
    return other;
  };
  const { runWebGPUProgram, runInPlace } = backend;
  backend.runWebGPUProgram = (program, ...rest) => {
    const code = ask(program.shaderKey, program.getUserCode());
    const shaderKey = `${program.shaderKey}/rewritten${run}`;
    const other = code === undefined
      ? program
      : Object.assign(Object.create(program), { shaderKey, getUserCode: () => code });
    return runWebGPUProgram!.call(backend, other, ...rest);
  };
  backend.runInPlace = (program, ...rest) => {
    const code = ask(program.key, program.code);
    const other = code === undefined ? program : { ...program, key: `${program.key}/rewritten${run}`, code };
    runInPlace!.call(backend, other, ...rest);
  };
  try {
    return { result: await body(), rewritten };
  } finally {
    delete backend.runWebGPUProgram; // the prototype's are there again
    delete backend.runInPlace;
  }
}
