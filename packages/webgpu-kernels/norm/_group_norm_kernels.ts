import * as tf from "@tensorflow/tfjs-core";
import { runShader } from "../program.ts";
import { addPartsShader } from "./_add_parts.ts";
import { groupInputGradientShader, groupMeansShader, groupMomentsShader } from "./_group_norm_shaders.ts";
import {
  gradientSumsShader,
  momentsShader,
  normaliseShader,
  partialGradientSumsShader,
  partialMomentsShader,
} from "./_instance_norm_shaders.ts";
import { GROUP_NORM, GROUP_NORM_GRADIENT, type GroupNormAttributes, instanceSizes } from "./_names.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Inputs = Readonly<Record<"x" | "dy" | "scale" | "offset" | "stats", tf.TensorInfo>>;

interface CpuBackendLike {
  readonly data: { get(dataId: object): { values: Float32Array } };
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

function dispose(backend: unknown, tensors: readonly tf.TensorInfo[]): void {
  for (const { dataId } of tensors) (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
}

tf.registerKernel({
  kernelName: GROUP_NORM,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { x, scale, offset } = inputs as unknown as Inputs;
    const attributes = attrs as unknown as GroupNormAttributes;
    const sizes = instanceSizes(x.shape);
    const partial = runShader(partialMomentsShader(sizes), [x]);
    const moments = runShader(momentsShader(sizes), [partial]);
    const stats = runShader(groupMomentsShader(sizes, attributes), [moments]);
    dispose(backend, [partial, moments]);
    return [runShader(normaliseShader(sizes, x.shape, attributes), [x, stats, scale, offset]), stats];
  },
});

tf.registerKernel({
  kernelName: GROUP_NORM_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { x, dy, scale, offset, stats } = inputs as unknown as Inputs;
    const attributes = attrs as unknown as GroupNormAttributes;
    const sizes = instanceSizes(x.shape);
    const shared = [x, dy, stats, scale, offset];
    const partial = runShader(partialGradientSumsShader(sizes, attributes), shared);
    const sums = runShader(gradientSumsShader(sizes), [partial]);
    const means = runShader(groupMeansShader(sizes, attributes), [sums, scale]);
    const dx = runShader(groupInputGradientShader(sizes, x.shape, attributes), [...shared, means]);
    const [dOffset, dScale] = ([0, 1] as const).map((which) =>
      runShader(addPartsShader(which, sizes.batch, sizes.channels), [sums])
    );
    dispose(backend, [partial, sums, means]);
    return [dx, dScale!, dOffset!];
  },
});

/** Calls back with the first index and the first channel of every group of every volume, and its place among all groups. */
function forEachGroup(
  { batch, cells, channels }: ReturnType<typeof instanceSizes>,
  groups: number,
  body: (first: number, channel: number) => void,
): void {
  for (let volume = 0; volume < batch; volume++) {
    for (let group = 0; group < groups; group++) {
      const channel = group * channels / groups;
      body(volume * cells * channels + channel, channel);
    }
  }
}

tf.registerKernel({
  kernelName: GROUP_NORM,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { epsilon, slope, groups } = attrs as unknown as GroupNormAttributes;
    const values = (name: keyof Inputs): Float32Array => cpu.data.get(inputs[name]!.dataId).values;
    const [x, scale, offset] = [values("x"), values("scale"), values("offset")];
    const sizes = instanceSizes(inputs.x!.shape);
    const { batch, cells, channels } = sizes;
    const width = channels / groups;
    const y = new Float32Array(x.length);
    const stats = new Float32Array(2 * batch * channels);
    forEachGroup(sizes, groups, (first, channel) => {
      const volume = Math.floor(first / (cells * channels));
      let [sum, squares] = [0, 0];
      const each = (visit: (at: number, own: number) => void): void => {
        for (let cell = 0; cell < cells; cell++) {
          for (let own = 0; own < width; own++) visit(first + cell * channels + own, channel + own);
        }
      };
      each((at) => sum += x[at]!);
      const mean = sum / (cells * width);
      each((at) => squares += (x[at]! - mean) ** 2);
      const root = 1 / Math.sqrt(squares / (cells * width) + epsilon);
      each((at, own) => {
        const value = (x[at]! - mean) * root * scale[own]! + offset[own]!;
        y[at] = value > 0 ? value : value * slope;
      });
      for (let own = channel; own < channel + width; own++) {
        stats[volume * channels + own] = mean;
        stats[(batch + volume) * channels + own] = root;
      }
    });
    return [
      cpu.makeTensorInfo(inputs.x!.shape, "float32", y),
      cpu.makeTensorInfo([2, batch, channels], "float32", stats),
    ];
  },
});

tf.registerKernel({
  kernelName: GROUP_NORM_GRADIENT,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { slope, groups } = attrs as unknown as GroupNormAttributes;
    const values = (name: keyof Inputs): Float32Array => cpu.data.get(inputs[name]!.dataId).values;
    const [x, dy, scale, offset] = [values("x"), values("dy"), values("scale"), values("offset")];
    const stats = values("stats");
    const sizes = instanceSizes(inputs.x!.shape);
    const { batch, cells, channels } = sizes;
    const width = channels / groups;
    const dx = new Float32Array(x.length);
    const [dScale, dOffset] = [new Float64Array(channels), new Float64Array(channels)];
    forEachGroup(sizes, groups, (first, channel) => {
      const volume = Math.floor(first / (cells * channels));
      const [mean, root] = [stats[volume * channels + channel]!, stats[(batch + volume) * channels + channel]!];
      const each = (visit: (at: number, own: number, normalised: number, gradient: number) => void): void => {
        for (let cell = 0; cell < cells; cell++) {
          for (let own = channel; own < channel + width; own++) {
            const at = first + cell * channels + own - channel;
            const normalised = (x[at]! - mean) * root;
            visit(at, own, normalised, normalised * scale[own]! + offset[own]! > 0 ? dy[at]! : dy[at]! * slope);
          }
        }
      };
      let [sum, moment] = [0, 0];
      each((_at, own, normalised, gradient) => {
        dOffset[own]! += gradient;
        dScale[own]! += gradient * normalised;
        sum += gradient * scale[own]!;
        moment += gradient * scale[own]! * normalised;
      });
      const count = cells * width;
      each((at, own, normalised, gradient) => {
        dx[at] = root * (gradient * scale[own]! - (sum + normalised * moment) / count);
      });
    });
    return [
      cpu.makeTensorInfo(inputs.x!.shape, "float32", dx),
      ...[dScale, dOffset].map((sums) => cpu.makeTensorInfo([channels], "float32", Float32Array.from(sums))),
    ];
  },
});
