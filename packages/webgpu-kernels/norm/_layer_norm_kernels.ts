import * as tf from "@tensorflow/tfjs-core";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { disposeTensors, viewAs } from "../_kernel_wrapping.ts";
import { runShader } from "../program.ts";
import { addParts } from "./_add_parts.ts";
import {
  gradientSumsShader as addRowPartsShader,
  momentsShader as joinMomentsShader,
  partialMomentsShader,
} from "./_instance_norm_shaders.ts";
import {
  columnSumsShader,
  inputGradientShader,
  momentsShader,
  normaliseShader,
  rowPartsOf,
  rowSumsShader,
  type Size,
} from "./_layer_norm_shaders.ts";
import { type InstanceSizes, LAYER_NORM, LAYER_NORM_GRADIENT, type LayerNormAttributes } from "./_names.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Inputs = Readonly<Record<"x" | "dy" | "scale" | "offset" | "stats", tf.TensorInfo>>;

function sizeOf(shape: readonly number[]): Size {
  const width = shape.at(-1)!;
  return { width, rows: tf.util.sizeFromShape([...shape]) / width };
}

/** Long rows seen as volumes of one channel, whose cells instance norm's shaders deal out to many invocations. */
function asVolumes({ rows, width }: Size): InstanceSizes {
  return { batch: rows, cells: width, channels: 1 };
}

/** Mean and reciprocal standard deviation of every row, `[2, rows]`. */
function momentsOf(x: tf.TensorInfo, { epsilon }: LayerNormAttributes, backend: unknown): tf.TensorInfo {
  const size = sizeOf(x.shape);
  if (rowPartsOf(size) === 1) return runShader(momentsShader(size, epsilon), [x]);
  const partial = runShader(partialMomentsShader(asVolumes(size)), [x]);
  const stats = runShader(joinMomentsShader(asVolumes(size), epsilon), [partial]);
  disposeTensors(backend, partial);
  return viewAs(stats, [2, size.rows]);
}

/** Per row the mean of dy·scale, and of that times the normalised value, `[2, rows]`. */
function rowSumsOf({ x, dy, stats, scale }: Inputs, backend: unknown): tf.TensorInfo {
  const size = sizeOf(x.shape);
  const parts = runShader(rowSumsShader(size), [x, dy, stats, scale]);
  if (rowPartsOf(size) === 1) return parts;
  const sums = runShader(addRowPartsShader(asVolumes(size)), [parts]);
  disposeTensors(backend, parts);
  return sums;
}

tf.registerKernel({
  kernelName: LAYER_NORM,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const { x, scale, offset } = inputs as unknown as Inputs;
    const stats = momentsOf(x, attrs as unknown as LayerNormAttributes, backend);
    return [runShader(normaliseShader(sizeOf(x.shape), x.shape), [x, stats, scale, offset]), stats];
  },
});

tf.registerKernel({
  kernelName: LAYER_NORM_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, backend }: KernelArguments) => {
    const { x, dy, scale, stats } = inputs as unknown as Inputs;
    const size = sizeOf(x.shape);
    const sums = rowSumsOf(inputs as unknown as Inputs, backend);
    const dx = runShader(inputGradientShader(size, x.shape), [x, dy, stats, scale, sums]);
    disposeTensors(backend, sums);
    const parts = runShader(columnSumsShader(size), [x, dy, stats]);
    const [dOffset, dScale] = addParts(parts, { parts: parts.shape[1]!, width: size.width }, backend);
    return [dx, dScale, dOffset];
  },
});

registerOnCpu<LayerNormAttributes>(LAYER_NORM, ({ arrays, shapes }, { epsilon }) => {
  const { x, scale, offset } = arrays as Record<keyof Inputs, Float32Array>;
  const { rows, width } = sizeOf(shapes.x!);
  const y = new Float32Array(x.length);
  const stats = new Float32Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    const cells = x.subarray(row * width, (row + 1) * width);
    let [sum, squares] = [0, 0];
    for (const value of cells) sum += value;
    const mean = sum / width;
    for (const value of cells) squares += (value - mean) ** 2;
    const root = 1 / Math.sqrt(squares / width + epsilon);
    for (let i = 0; i < width; i++) y[row * width + i] = (cells[i]! - mean) * root * scale[i]! + offset[i]!;
    stats[row] = mean;
    stats[rows + row] = root;
  }
  return [[shapes.x!, y], [[2, rows], stats]];
});

registerOnCpu(LAYER_NORM_GRADIENT, ({ arrays, shapes }) => {
  const { x, dy, scale, stats } = arrays as Record<keyof Inputs, Float32Array>;
  const { rows, width } = sizeOf(shapes.x!);
  const dx = new Float32Array(x.length);
  const [dScale, dOffset] = [new Float64Array(width), new Float64Array(width)];
  for (let row = 0; row < rows; row++) {
    const [mean, root] = [stats[row]!, stats[rows + row]!];
    let [sum, moment] = [0, 0];
    for (let i = 0, at = row * width; i < width; i++, at++) {
      const normalised = (x[at]! - mean) * root;
      sum += dy[at]! * scale[i]!;
      moment += dy[at]! * scale[i]! * normalised;
      dOffset[i]! += dy[at]!;
      dScale[i]! += dy[at]! * normalised;
    }
    for (let i = 0, at = row * width; i < width; i++, at++) {
      dx[at] = root * (dy[at]! * scale[i]! - (sum + (x[at]! - mean) * root * moment) / width);
    }
  }
  return [[shapes.x!, dx], [[width], Float32Array.from(dScale)], [[width], Float32Array.from(dOffset)]];
});
