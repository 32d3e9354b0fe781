import * as tf from "@tensorflow/tfjs-core";
import { runShader } from "../program.ts";
import { deviceKind } from "./_device_kind.ts";
import { type Epilogue, NO_EPILOGUE } from "./_epilogue.ts";
import { filterGradientShaders } from "./_filter_gradient_shader.ts";
import { type GatherDirection, gatherShaders } from "./_gather_shader.ts";
import type { ConvolutionGeometry } from "./_geometry.ts";
import { tiledFilterGradientShaders } from "./_tiled_filter_gradient_shader.ts";
import { tiledGatherShaders } from "./_tiled_gather_shader.ts";
import { chooseVariant } from "./variant.ts";

/** What of a TensorFlow.js backend is used here. */
interface TensorStore {
  disposeData(dataId: object): boolean;
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

/** A convolution, or its gradient with respect to the input. */
export interface Gather {
  readonly geometry: ConvolutionGeometry;
  readonly direction: GatherDirection;
  /** The input, or the output's gradient. */
  readonly source: tf.TensorInfo;
  readonly filter: tf.TensorInfo;
  /** `[target channels]`, added to the sums. */
  readonly bias?: tf.TensorInfo | undefined;
  /** Applied behind the bias; only where {@linkcode takesActivation} says so. Default none. */
  readonly activation?: Epilogue["activation"];
}

/** Whether the shaders of this sum can apply an activation: not where sums so long meet that they are cut into parts. */
export function takesActivation(backend: object, geometry: ConvolutionGeometry, direction: GatherDirection): boolean {
  return chooseVariant(geometry, direction, deviceKind(backend)) === "tiled" ||
    gatherShaders(geometry, direction).length === 1;
}

/** Runs a convolution, or its gradient with respect to the input, on WebGPU. */
export function runGather(
  backend: object,
  { geometry, direction, source, filter, bias, activation = NO_EPILOGUE.activation }: Gather,
): tf.TensorInfo {
  const epilogue: Epilogue = { bias: bias !== undefined, activation };
  const inputs = bias ? [source, filter, bias] : [source, filter];
  if (chooseVariant(geometry, direction, deviceKind(backend)) === "tiled") {
    const [first, ...others] = tiledGatherShaders(geometry, direction, epilogue);
    const output = runShader(first!, inputs);
    for (const shader of others) runShader(shader, inputs, output);
    return output;
  }
  const parts = gatherShaders(geometry, direction, { epilogue }).map((shader) =>
    runShader(shader, inputs.slice(0, shader.inputs.length))
  );
  if (parts.length === 1) return parts[0]!;
  const add = tf.getKernel("AddN", "webgpu")!.kernelFunc;
  const sum = add({ inputs: parts as unknown as tf.NamedTensorInfoMap, backend }) as tf.TensorInfo;
  for (const { dataId } of parts) (backend as TensorStore).disposeData(dataId);
  return sum;
}

/** Runs a convolution's gradient with respect to the filter on WebGPU. */
export function runFilterGradient(
  backend: object,
  { geometry, x, dy }: {
    readonly geometry: ConvolutionGeometry;
    readonly x: tf.TensorInfo;
    readonly dy: tf.TensorInfo;
  },
): tf.TensorInfo {
  const { batch, inChannels, outChannels, axes } = geometry;
  const store = backend as TensorStore;
  if (batch === 0) {
    const shape = [...axes.map(({ kernel }) => kernel), inChannels, outChannels];
    return store.makeTensorInfo(shape, "float32", new Float32Array(tf.util.sizeFromShape(shape)));
  }
  const device = deviceKind(backend);
  const { partial, total } = chooseVariant(geometry, "filterGradient", device) === "tiled"
    ? tiledFilterGradientShaders(geometry)
    : filterGradientShaders(geometry, { device });
  const parts = runShader(partial, [x, dy]);
  if (!total) return parts;
  const gradient = runShader(total, [parts]);
  store.disposeData(parts.dataId);
  return gradient;
}

/** Own shaders are for float32; integers go the stock way. */
export function areFloat(...tensors: readonly tf.TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === "float32");
}

/** Refuses an output's gradient that does not fit. */
export function checkOutputGradient(shape: readonly number[], { batch, outChannels, axes }: ConvolutionGeometry): void {
  const expected = [batch, ...axes.map(({ output }) => output), outChannels];
  if (expected.some((size, axis) => size !== shape[axis])) {
    throw new RangeError(
      `Cannot take the gradient of a 3D convolution: the output's gradient does not fit: got [${shape}], expected [${expected}]. ` +
        `Check the output shape given to conv3dTranspose against its stride and padding.`,
    );
  }
}
