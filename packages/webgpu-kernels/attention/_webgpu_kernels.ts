import * as tf from "@tensorflow/tfjs-core";
import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { callKernel } from "../_kernel_wrapping.ts";
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
import { biasGradientShader, keyValueGradientShader, queryGradientShader, type RowRange } from "./_gradient_shaders.ts";
import { forwardShader, statsShader } from "./_softmax_shaders.ts";

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

/** Turns that a gradient's loop may take; llvmpipe silently ends them at 65,535. */
const MOST_TURNS = 30_000;

/** Adds up what the ranges of `total` rows give. */
function addRanges(total: number, store: Store, run: (range: RowRange) => tf.TensorInfo): tf.TensorInfo {
  const ranges = Array.from({ length: Math.ceil(total / MOST_TURNS) }, (_, i) => ({
    first: i * MOST_TURNS,
    end: Math.min(total, (i + 1) * MOST_TURNS),
  }));
  const parts = ranges.map(run);
  if (parts.length === 1) return parts[0]!;
  const sum = callKernel("AddN", parts, { backend: store });
  for (const { dataId } of parts) store.disposeData(dataId);
  return sum;
}

register(ATTENTION_GRADIENT, (run, shader, store) => {
  const stats = run(statsShader(shader));
  const query = addRanges(shader.keys, store, (keys) => run(queryGradientShader(shader, keys), { stats }));
  const both = addRanges(shader.queries, store, (queries) => run(keyValueGradientShader(shader, queries), { stats }));
  const shape = both.shape.slice(1);
  const [key, value] = [0, 1].map((which) => {
    const attrs = { begin: [which, 0, 0, 0], size: [1, ...shape] };
    return { ...callKernel("Slice", { x: both }, { backend: store, attrs }), shape };
  });
  for (const { dataId } of [stats, both]) store.disposeData(dataId);
  return [query, key!, value!];
});

register(ATTENTION_BIAS_GRADIENT, (run, shader, store) => {
  const stats = run(statsShader(shader));
  const repeats = shader.groups / shader.biasGroups;
  const gradient = addRanges(repeats, store, (range) => run(biasGradientShader(shader, range), { stats }));
  store.disposeData(stats.dataId);
  return gradient;
});
