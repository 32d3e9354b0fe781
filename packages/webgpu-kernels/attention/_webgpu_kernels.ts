import * as tf from "@tensorflow/tfjs-core";
import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { runShader, type ShaderProgram } from "../program.ts";
import {
  ATTENTION,
  ATTENTION_BIAS_GRADIENT,
  ATTENTION_GRADIENT,
  type AttentionAttributes,
  attentionSizes,
  BIASED_ATTENTION,
} from "./_names.ts";
import { attentionShader } from "./_shader_parts.ts";
import {
  biasGradientShader,
  forwardShader,
  keyValueGradientShader,
  queryGradientShader,
  statsShader,
} from "./_shaders.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];

interface Store {
  makeTensorInfo(shape: readonly number[], dtype: "int32", values: Int32Array): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}

/** Registers a kernel whose shaders read tensors by name, and the seed where there is one. */
function register(
  kernelName: string,
  body: (
    run: (program: ShaderProgram, more?: Readonly<Record<string, tf.TensorInfo>>) => tf.TensorInfo,
    shader: ReturnType<typeof attentionShader>,
    store: Store,
  ) => tf.TensorInfo | tf.TensorInfo[],
): void {
  tf.registerKernel({
    kernelName,
    backendName: "webgpu",
    kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
      const tensors = inputs as unknown as Readonly<Record<string, tf.TensorInfo>>;
      const attributes = attrs as unknown as AttentionAttributes;
      const store = backend as unknown as Store;
      const shader = attentionShader(
        attentionSizes(tensors.query!.shape, tensors.key!.shape, tensors.bias?.shape),
        attributes,
        backend instanceof GuardedWebGPUBackend && backend.isFallbackAdapter ? "processor" : "gpu",
      );
      const seed = store.makeTensorInfo([1], "int32", Int32Array.of(attributes.seed | 0));
      const result = body(
        (program, more = {}) =>
          runShader(program, program.inputs.map((name) => ({ ...tensors, ...more, seed })[name]!)),
        shader,
        store,
      );
      store.disposeData(seed.dataId);
      return result;
    },
  });
}

for (const name of [ATTENTION, BIASED_ATTENTION]) register(name, (run, shader) => run(forwardShader(shader)));

register(ATTENTION_GRADIENT, (run, shader, store) => {
  const stats = run(statsShader(shader));
  const query = run(queryGradientShader(shader), { stats });
  const both = run(keyValueGradientShader(shader), { stats });
  const shape = both.shape.slice(1);
  const slice = tf.getKernel("Slice", "webgpu")!.kernelFunc;
  const [key, value] = [0, 1].map((which) => {
    const part = slice({
      inputs: { x: both },
      backend: store,
      attrs: { begin: [which, 0, 0, 0], size: [1, ...shape] },
    }) as tf.TensorInfo;
    return { ...part, shape };
  });
  for (const { dataId } of [stats, both]) store.disposeData(dataId);
  return [query, key!, value!];
});

register(ATTENTION_BIAS_GRADIENT, (run, shader, store) => {
  const stats = run(statsShader(shader));
  const gradient = run(biasGradientShader(shader), { stats });
  store.disposeData(stats.dataId);
  return gradient;
});
