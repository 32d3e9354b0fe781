import * as tf from "@tensorflow/tfjs-core";
import { runShader } from "../program.ts";
import { addPartsShader } from "./_add_parts.ts";
import {
  columnSumsShader,
  inputGradientShader,
  momentsShader,
  normaliseShader,
  rowSumsShader,
  type Size,
} from "./_layer_norm_shaders.ts";
import { LAYER_NORM, LAYER_NORM_GRADIENT, type LayerNormAttributes } from "./_names.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Inputs = Readonly<Record<"x" | "dy" | "scale" | "offset" | "stats", tf.TensorInfo>>;

interface CpuBackendLike {
  readonly data: { get(dataId: object): { values: Float32Array } };
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

function sizeOf({ shape }: tf.TensorInfo): Size {
  const width = shape.at(-1)!;
  return { width, rows: tf.util.sizeFromShape(shape) / width };
}

tf.registerKernel({
  kernelName: LAYER_NORM,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs }: KernelArguments) => {
    const { x, scale, offset } = inputs as unknown as Inputs;
    const size = sizeOf(x);
    const stats = runShader(momentsShader(size, (attrs as unknown as LayerNormAttributes).epsilon), [x]);
    return [runShader(normaliseShader(size, x.shape), [x, stats, scale, offset]), stats];
  },
});

tf.registerKernel({
  kernelName: LAYER_NORM_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, backend }: KernelArguments) => {
    const { x, dy, scale, stats } = inputs as unknown as Inputs;
    const size = sizeOf(x);
    const sums = runShader(rowSumsShader(size), [x, dy, stats, scale]);
    const dx = runShader(inputGradientShader(size, x.shape), [x, dy, stats, scale, sums]);
    const parts = runShader(columnSumsShader(size), [x, dy, stats]);
    const [dOffset, dScale] = ([0, 1] as const).map((which) =>
      runShader(addPartsShader(which, parts.shape[1]!, size.width), [parts])
    );
    for (const { dataId } of [sums, parts]) (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
    return [dx, dScale!, dOffset!];
  },
});

tf.registerKernel({
  kernelName: LAYER_NORM,
  backendName: "cpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const { epsilon } = attrs as unknown as LayerNormAttributes;
    const values = (name: keyof Inputs): Float32Array => cpu.data.get(inputs[name]!.dataId).values;
    const [x, scale, offset] = [values("x"), values("scale"), values("offset")];
    const { rows, width } = sizeOf(inputs.x!);
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
    return [cpu.makeTensorInfo(inputs.x!.shape, "float32", y), cpu.makeTensorInfo([2, rows], "float32", stats)];
  },
});

tf.registerKernel({
  kernelName: LAYER_NORM_GRADIENT,
  backendName: "cpu",
  kernelFunc: ({ inputs, backend }: KernelArguments) => {
    const cpu = backend as unknown as CpuBackendLike;
    const values = (name: keyof Inputs): Float32Array => cpu.data.get(inputs[name]!.dataId).values;
    const [x, dy, scale, stats] = [values("x"), values("dy"), values("scale"), values("stats")];
    const { rows, width } = sizeOf(inputs.x!);
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
    return [
      cpu.makeTensorInfo(inputs.x!.shape, "float32", dx),
      ...[dScale, dOffset].map((sums) => cpu.makeTensorInfo([width], "float32", Float32Array.from(sums))),
    ];
  },
});
