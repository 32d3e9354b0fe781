import * as tf from "@tensorflow/tfjs-core";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { disposeTensors } from "../_kernel_wrapping.ts";
import { runShader } from "../program.ts";
import { addParts } from "./_add_parts.ts";
import { groupInputGradientShader, groupMeansShader, groupMomentsShader } from "./_group_norm_shaders.ts";
import {
  gradientSumsShader,
  inputGradientShader,
  momentsShader,
  normaliseShader,
  partialGradientSumsShader,
  partialMomentsShader,
} from "./_instance_norm_shaders.ts";
import {
  GROUP_NORM,
  GROUP_NORM_GRADIENT,
  type GroupNormAttributes,
  INSTANCE_NORM,
  INSTANCE_NORM_GRADIENT,
  type InstanceNormAttributes,
  type InstanceSizes,
  instanceSizes,
} from "./_names.ts";

/** Instance norm, or group norm where there are groups. */
type Attributes = InstanceNormAttributes & Partial<GroupNormAttributes>;
type KernelArguments = Parameters<tf.KernelFunc>[0];
type Inputs = Readonly<Record<"x" | "dy" | "scale" | "offset" | "stats", tf.TensorInfo>>;

const isGrouped = (attributes: Attributes): attributes is GroupNormAttributes => attributes.groups !== undefined;

function forward({ inputs, attrs, backend }: KernelArguments): tf.TensorInfo[] {
  const { x, scale, offset } = inputs as unknown as Inputs;
  const attributes = attrs as unknown as Attributes;
  const sizes = instanceSizes(x.shape);
  const partial = runShader(partialMomentsShader(sizes), [x]);
  const moments = runShader(momentsShader(sizes, isGrouped(attributes) ? undefined : attributes.epsilon), [partial]);
  disposeTensors(backend, partial);
  let stats = moments;
  if (isGrouped(attributes)) {
    stats = runShader(groupMomentsShader(sizes, attributes), [moments]);
    disposeTensors(backend, moments);
  }
  return [runShader(normaliseShader(sizes, x.shape, attributes), [x, stats, scale, offset]), stats];
}

function gradient({ inputs, attrs, backend }: KernelArguments): tf.TensorInfo[] {
  const { x, dy, scale, offset, stats } = inputs as unknown as Inputs;
  const attributes = attrs as unknown as Attributes;
  const sizes = instanceSizes(x.shape);
  const shared = [x, dy, stats, scale, offset];
  const partial = runShader(partialGradientSumsShader(sizes, attributes), shared);
  const sums = runShader(gradientSumsShader(sizes), [partial]);
  disposeTensors(backend, partial);
  const inputGradient = (): tf.TensorInfo => {
    if (!isGrouped(attributes)) return runShader(inputGradientShader(sizes, x.shape, attributes), [...shared, sums]);
    const means = runShader(groupMeansShader(sizes, attributes), [sums, scale]);
    const dx = runShader(groupInputGradientShader(sizes, x.shape, attributes), [...shared, means]);
    disposeTensors(backend, means);
    return dx;
  };
  const dx = inputGradient();
  const [dOffset, dScale] = addParts(sums, { parts: sizes.batch, width: sizes.channels }, backend);
  return [dx, dScale, dOffset];
}

/** What {@linkcode forEachGroup} tells of a group. */
interface Group {
  readonly volume: number;
  /** Its first channel. */
  readonly channel: number;
  /** Calls back with the index and the channel of each of its numbers. */
  readonly each: (visit: (at: number, channel: number) => void) => void;
}

/** Calls back with every group of every volume. */
function forEachGroup({ batch, cells, channels }: InstanceSizes, groups: number, body: (group: Group) => void): void {
  const width = channels / groups;
  for (let volume = 0; volume < batch; volume++) {
    for (let channel = 0; channel < channels; channel += width) {
      const each: Group["each"] = (visit) => {
        for (let cell = 0; cell < cells; cell++) {
          const start = (volume * cells + cell) * channels;
          for (let own = channel; own < channel + width; own++) visit(start + own, own);
        }
      };
      body({ volume, channel, each });
    }
  }
}

for (const kernelName of [INSTANCE_NORM, GROUP_NORM]) {
  tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc: forward });
  registerOnCpu<Attributes>(kernelName, ({ arrays, shapes }, { epsilon, slope, groups }) => {
    const { x, scale, offset } = arrays as Record<keyof Inputs, Float32Array>;
    const sizes = instanceSizes(shapes.x!);
    const { batch, cells, channels } = sizes;
    const width = channels / (groups ?? channels);
    const y = new Float32Array(x.length);
    const stats = new Float32Array(2 * batch * channels);
    forEachGroup(sizes, groups ?? channels, ({ volume, channel, each }) => {
      let [sum, squares] = [0, 0];
      each((at) => sum += x[at]!);
      const mean = sum / (cells * width);
      each((at) => squares += (x[at]! - mean) ** 2);
      const root = 1 / Math.sqrt(squares / (cells * width) + epsilon);
      each((at, own) => {
        const value = (x[at]! - mean) * root * scale[own]! + offset[own]!;
        y[at] = value > 0 ? value : value * slope;
      });
      stats.fill(mean, volume * channels + channel, volume * channels + channel + width);
      stats.fill(root, (batch + volume) * channels + channel, (batch + volume) * channels + channel + width);
    });
    return [[shapes.x!, y], [[2, batch, channels], stats]];
  });
}

for (const kernelName of [INSTANCE_NORM_GRADIENT, GROUP_NORM_GRADIENT]) {
  tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc: gradient });
  registerOnCpu<Attributes>(kernelName, ({ arrays, shapes }, { slope, groups }) => {
    const { x, dy, scale, offset, stats } = arrays as Record<keyof Inputs, Float32Array>;
    const sizes = instanceSizes(shapes.x!);
    const { batch, cells, channels } = sizes;
    const count = cells * channels / (groups ?? channels);
    const dx = new Float32Array(x.length);
    const [dScale, dOffset] = [new Float64Array(channels), new Float64Array(channels)];
    forEachGroup(sizes, groups ?? channels, ({ volume, channel, each }) => {
      const [mean, root] = [stats[volume * channels + channel]!, stats[(batch + volume) * channels + channel]!];
      const normalised = (at: number): number => (x[at]! - mean) * root;
      const reached = (at: number, own: number): number =>
        normalised(at) * scale[own]! + offset[own]! > 0 ? dy[at]! : dy[at]! * slope;
      let [sum, moment] = [0, 0];
      each((at, own) => {
        const through = reached(at, own);
        dOffset[own]! += through;
        dScale[own]! += through * normalised(at);
        sum += through * scale[own]!;
        moment += through * scale[own]! * normalised(at);
      });
      each((at, own) => dx[at] = root * (reached(at, own) * scale[own]! - (sum + normalised(at) * moment) / count));
    });
    return [[shapes.x!, dx], [[channels], Float32Array.from(dScale)], [[channels], Float32Array.from(dOffset)]];
  });
}
