import * as tf from "@tensorflow/tfjs-core";

/** What a kernel of the cpu backend computes on. */
export interface CpuInputs {
  /** The numbers of each input, by name. */
  readonly arrays: Readonly<Record<string, Float32Array>>;
  /** The shape of each input, by name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** The type of each input, by name. */
  readonly types: Readonly<Record<string, tf.DataType>>;
}

/** A result: shape and numbers, float32. */
export type CpuResult = readonly [shape: readonly number[], values: Float32Array];

interface CpuStore {
  readonly data: { get(dataId: object): { values: Float32Array } };
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

/** Registers a kernel of the cpu backend that computes on plain arrays; with one result the kernel gives a tensor, else several. */
export function registerOnCpu<Attributes>(
  kernelName: string,
  body: (inputs: CpuInputs, attributes: Attributes) => CpuResult[],
): void {
  tf.registerKernel({
    kernelName,
    backendName: "cpu",
    kernelFunc: ({ inputs, attrs, backend }) => {
      const store = backend as unknown as CpuStore;
      const tensors = Object.entries(inputs as Record<string, tf.TensorInfo>);
      const arrays = Object.fromEntries(tensors.map(([name, { dataId }]) => [name, store.data.get(dataId).values]));
      const shapes = Object.fromEntries(tensors.map(([name, { shape }]) => [name, shape]));
      const types = Object.fromEntries(tensors.map(([name, { dtype }]) => [name, dtype]));
      const results = body({ arrays, shapes, types }, attrs as unknown as Attributes)
        .map(([shape, values]) => store.makeTensorInfo(shape, "float32", values));
      return results.length === 1 ? results[0]! : results;
    },
  });
}
