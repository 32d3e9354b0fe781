import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu"; // registers the stock kernels, which are wrapped

/** What a kernel is called with. */
export type KernelArguments = Parameters<tf.KernelFunc>[0];

/** Rank up to which the stock kernels are right. */
export const SOUND_RANK = 4;

/** Replaces a WebGPU kernel by one that calls the stock one where `isSound` says so. */
export function wrapKernel(
  kernelName: string,
  isSound: (args: KernelArguments) => boolean,
  wrapper: (args: KernelArguments, stock: tf.KernelFunc) => tf.TensorInfo | tf.TensorInfo[],
): void {
  const stock = tf.getKernel(kernelName, "webgpu")!.kernelFunc;
  tf.unregisterKernel(kernelName, "webgpu");
  tf.registerKernel({
    kernelName,
    backendName: "webgpu",
    kernelFunc: (args) => isSound(args) ? stock(args) : wrapper(args, stock),
  });
}

/** Calls the WebGPU kernel that is in force under a name, outside the tape. */
export function callKernel(
  kernelName: string,
  inputs: Readonly<Record<string, tf.TensorInfo>> | readonly tf.TensorInfo[],
  { backend, attrs = {} }: { readonly backend: unknown; readonly attrs?: Readonly<Record<string, unknown>> },
): tf.TensorInfo {
  return tf.getKernel(kernelName, "webgpu")!.kernelFunc({
    inputs: inputs as unknown as tf.NamedTensorInfoMap,
    backend: backend as object,
    attrs: attrs as unknown as tf.NamedAttrMap,
  }) as tf.TensorInfo;
}

/** Frees tensors that no tape knows. */
export function disposeTensors(backend: unknown, ...tensors: readonly tf.TensorInfo[]): void {
  for (const { dataId } of tensors) (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
}

/** The same data seen in another shape; holds no reference of its own. */
export function viewAs({ dataId, dtype }: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  return { dataId, dtype, shape: [...shape] };
}

/** Runs one step after the other, each on what the one before gave, which is disposed of. Without a step `x` gets another reference. */
export function runInSteps(
  x: tf.TensorInfo,
  backend: unknown,
  steps: readonly ((x: tf.TensorInfo) => tf.TensorInfo)[],
): tf.TensorInfo {
  const store = backend as { disposeData(dataId: object): boolean; incRef(dataId: object): void };
  store.incRef(x.dataId);
  return steps.reduce((current, step) => {
    const next = step(current);
    store.disposeData(current.dataId);
    return next;
  }, x);
}
