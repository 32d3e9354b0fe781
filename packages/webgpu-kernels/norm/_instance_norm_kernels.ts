import * as tf from "@tensorflow/tfjs-core";
import { runShader } from "../program.ts";
import { addPartsShader } from "./_add_parts.ts";
import {
  gradientSumsShader,
  inputGradientShader,
  momentsShader,
  normaliseShader,
  partialGradientSumsShader,
  partialMomentsShader,
} from "./_instance_norm_shaders.ts";
import { INSTANCE_NORM, INSTANCE_NORM_GRADIENT, type InstanceNormAttributes, instanceSizes } from "./_names.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Inputs = Readonly<Record<"x" | "dy" | "scale" | "offset" | "stats", tf.TensorInfo>>;

interface CpuBackendLike {
  readonly data: { get(dataId: object): { values: Float32Array } };
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

function dispose(backend: unknown, { dataId }: tf.TensorInfo): void {
  (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
}

tf.registerKernel({
  kernelName: INSTANCE_NORM,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { x, scale, offset } = inputs as unknown as Inputs;
    const attributes = attrs as unknown as InstanceNormAttributes;
    const sizes = instanceSizes(x.shape);
    const partial = runShader(partialMomentsShader(sizes), [x]);
    const stats = runShader(momentsShader(sizes, attributes.epsilon), [partial]);
    dispose(backend, partial);
    return [runShader(normaliseShader(sizes, x.shape, attributes), [x, stats, scale, offset]), stats];
  },
});

tf.registerKernel({
  kernelName: INSTANCE_NORM_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { x, dy, scale, offset, stats } = inputs as unknown as Inputs;
    const attributes = attrs as unknown as InstanceNormAttributes;
    const sizes = instanceSizes(x.shape);
    const shared = [x, dy, stats, scale, offset];
    const partial = runShader(partialGradientSumsShader(sizes, attributes), shared);
    const sums = runShader(gradientSumsShader(sizes), [partial]);
    dispose(backend, partial);
    const dx = runShader(inputGradientShader(sizes, x.shape, attributes), [...shared, sums]);
    const [dOffset, dScale] = ([0, 1] as const).map((which) =>
      runShader(addPartsShader(which, sizes.batch, sizes.channels), [sums])
    );
    dispose(backend, sums);
    return [dx, dScale!, dOffset!];
  },
});

/** Calls back with the offsets of every channel of every volume: the first cell's, and that of its figures. */
function forEachChannel(
  { batch, cells, channels }: ReturnType<typeof instanceSizes>,
  body: (first: number, channel: number, figure: number) => void,
): void {
  for (let volume = 0; volume < batch; volume++) {
    for (let channel = 0; channel < channels; channel++) {
      body(volume * cells * channels + channel, channel, volume * channels + channel);
    }
  }
}

tf.registerKernel({
  kernelName: INSTANCE_NORM,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { epsilon, slope } = attrs as unknown as InstanceNormAttributes;
    const [x, scale, offset] = [inputs.x!, inputs.scale!, inputs.offset!].map(({ dataId }) =>
      cpu.data.get(dataId).values
    ) as [Float32Array, Float32Array, Float32Array];
    const sizes = instanceSizes(inputs.x!.shape);
    const { batch, cells, channels } = sizes;
    const y = new Float32Array(x.length);
    const stats = new Float32Array(2 * batch * channels);
    forEachChannel(sizes, (first, channel, figure) => {
      const end = first + cells * channels;
      let [sum, squares] = [0, 0];
      for (let i = first; i < end; i += channels) sum += x[i]!;
      const mean = sum / cells;
      for (let i = first; i < end; i += channels) squares += (x[i]! - mean) ** 2;
      const root = 1 / Math.sqrt(squares / cells + epsilon);
      for (let i = first; i < end; i += channels) {
        const value = (x[i]! - mean) * root * scale[channel]! + offset[channel]!;
        y[i] = value > 0 ? value : value * slope;
      }
      stats[figure] = mean;
      stats[batch * channels + figure] = root;
    });
    return [
      cpu.makeTensorInfo(inputs.x!.shape, "float32", y),
      cpu.makeTensorInfo([2, batch, channels], "float32", stats),
    ];
  },
});

tf.registerKernel({
  kernelName: INSTANCE_NORM_GRADIENT,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { slope } = attrs as unknown as InstanceNormAttributes;
    const values = (name: keyof Inputs): Float32Array => cpu.data.get(inputs[name]!.dataId).values;
    const [x, dy, scale, offset, stats] = [
      values("x"),
      values("dy"),
      values("scale"),
      values("offset"),
      values("stats"),
    ];
    const sizes = instanceSizes(inputs.x!.shape);
    const { batch, cells, channels } = sizes;
    const dx = new Float32Array(x.length);
    const [dScale, dOffset] = [new Float64Array(channels), new Float64Array(channels)];
    forEachChannel(sizes, (first, channel, figure) => {
      const end = first + cells * channels;
      const [mean, root, factor, shift] = [
        stats[figure]!,
        stats[batch * channels + figure]!,
        scale[channel]!,
        offset[channel]!,
      ];
      const gradient = (i: number, normalised: number): number =>
        normalised * factor + shift > 0 ? dy[i]! : dy[i]! * slope;
      let [sum, moment] = [0, 0];
      for (let i = first; i < end; i += channels) {
        const normalised = (x[i]! - mean) * root;
        const reached = gradient(i, normalised);
        sum += reached;
        moment += reached * normalised;
      }
      for (let i = first; i < end; i += channels) {
        const normalised = (x[i]! - mean) * root;
        dx[i] = factor * root * (gradient(i, normalised) - (sum + normalised * moment) / cells);
      }
      dOffset[channel]! += sum;
      dScale[channel]! += moment;
    });
    return [
      cpu.makeTensorInfo(inputs.x!.shape, "float32", dx),
      ...[dScale, dOffset].map((sums) => cpu.makeTensorInfo([channels], "float32", Float32Array.from(sums))),
    ];
  },
});
