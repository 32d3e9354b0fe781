/** What of a tensor is used. */
export interface OnnxTensor {
  /** In C order. */
  readonly data: unknown;
  /** Shape. */
  readonly dims: readonly number[];
}

/** What of a session is used: a model that has been loaded. */
export interface OnnxSession {
  /** Names of the inputs. */
  readonly inputNames: readonly string[];
  /** Names of the outputs. */
  readonly outputNames: readonly string[];
  /** Types and shapes of the inputs, in their order, where the runtime tells; a text stands for a size that is left open. */
  readonly inputMetadata?: readonly {
    readonly type?: string;
    readonly shape?: readonly (number | string)[];
  }[];
  /** Runs the model. */
  run(inputs: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  /** Frees the model's memory. */
  release(): Promise<void>;
}

/** What of onnxruntime is used: `onnxruntime-node` and `onnxruntime-web` have this shape. */
export interface OnnxRuntime {
  /** Makes tensors. */
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OnnxTensor;
  /** Loads models. */
  readonly InferenceSession: { create(path: string, options?: object): Promise<OnnxSession> };
}

/** Loaded by name at run time: 300 MB that nobody but users of ONNX weights need must not stand in the lock file. */
const PACKAGE: string = "npm:onnxruntime-node@1.30.0";

/**
 * Loads onnxruntime-node: the npm package alone, never weights.
 *
 * @throws Error when it cannot be had.
 */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    return await import(PACKAGE);
  } catch (cause) {
    throw new Error(
      `Cannot load onnxruntime: the package is not there: got ${(cause as Error).message}, expected ${PACKAGE}. ` +
        `Run "deno cache ${PACKAGE}" once where the npm registry can be reached, or pass a runtime of your own.`,
      { cause },
    );
  }
}
