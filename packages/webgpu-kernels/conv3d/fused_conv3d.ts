import * as tf from "@tensorflow/tfjs-core";
import { fusedGelu } from "../activation/fused_gelu.ts";
import type { Activation } from "./_epilogue.ts";
import { type ConvolutionAttributes, convolutionGeometry } from "./_geometry.ts";
import "./conv3d_kernels.ts";
import { areFloat, checkOutputGradient, runGather, takesActivation } from "./_run_convolution.ts";

/** Options of {@linkcode fusedConv3d}. */
export interface FusedConv3dOptions {
  /** Steps of the kernel, `[depth, height, width]`. Default 1. */
  readonly strides?: number | readonly [number, number, number];
  /** TensorFlow's "same" or "valid", or as many zeros on either side of every axis. Default "valid". */
  readonly pad?: "same" | "valid" | number;
  /** Cells from one tap to the next. Default 1. */
  readonly dilations?: number | readonly [number, number, number];
  /** `[out]` float32, added to every position. Default none. */
  readonly bias?: tf.Tensor;
  /** What is applied behind the bias. Default `"linear"`, nothing. */
  readonly activation?: "linear" | "leakyRelu" | "gelu";
  /** Slope of the leaky ReLU below 0, from 0 (a ReLU) to 1. Default 0.01. */
  readonly leakyReluAlpha?: number;
}

/** Options of {@linkcode fusedConv3dTranspose}. */
export type FusedConv3dTransposeOptions = Pick<FusedConv3dOptions, "strides" | "pad" | "bias">;

const CONVOLUTION = "Med3dFusedConv3D";
const TRANSPOSED = "Med3dFusedConv3DTranspose";

interface FusedAttributes extends ConvolutionAttributes {
  readonly activation: Activation;
}

interface TransposedAttributes extends ConvolutionAttributes {
  readonly outputShape: readonly number[];
}

/**
 * Convolves a batch of volumes, adds a bias and applies an activation, in one dispatch on WebGPU where `tf.conv3d`, `tf.add` and the activation
 * take one each. On other backends, and for integers, it is composed of these.
 *
 * On the gradient tape a GELU is a dispatch of its own, since its gradient needs what goes into it.
 *
 * @param x `[batch, depth, height, width, in]`; stays the caller's.
 * @param filter `[kd, kh, kw, in, out]`; stays the caller's.
 * @param options Steps, padding, dilation, bias and activation.
 * @returns `[batch, d, h, w, out]`; the caller disposes. Gradients flow to input, filter and bias.
 * @throws RangeError when the bias is not `[out]`, the slope is not from 0 to 1, or the kernel is larger than the padded input.
 */
export function fusedConv3d(x: tf.Tensor5D, filter: tf.Tensor5D, options: FusedConv3dOptions = {}): tf.Tensor5D {
  const { strides = 1, pad = "valid", dilations = 1, bias, activation = "linear", leakyReluAlpha = 0.01 } = options;
  checkBias("convolve", bias, filter.shape[4]);
  if (!(leakyReluAlpha >= 0 && leakyReluAlpha <= 1)) {
    throw new RangeError(
      `Cannot convolve: the slope of the leaky ReLU is out of range: got ${leakyReluAlpha}, expected 0 to 1.`,
    );
  }
  const attributes: ConvolutionAttributes = { strides: mutable(strides), pad, dilations: mutable(dilations) };
  if (!hasFusedKernels(x, filter)) {
    return tf.tidy(() => {
      const sums = tf.conv3d(x, filter, attributes.strides, pad as "valid", "NDHWC", attributes.dilations);
      return activate(bias ? tf.add(sums, bias) : sums, activation, leakyReluAlpha);
    });
  }
  const standsAlone = activation === "gelu" && isTaped() || activation !== "linear" &&
      !takesActivation(tf.backend(), convolutionGeometry(x.shape, filter.shape, attributes), "forward");
  if (standsAlone) {
    return tf.tidy(() =>
      activate(run(x, filter, bias, { ...attributes, activation: { kind: "linear" } }), activation, leakyReluAlpha)
    );
  }
  const applied: Activation = activation === "leakyRelu"
    ? { kind: "leakyRelu", alpha: leakyReluAlpha }
    : { kind: activation };
  return run(x, filter, bias, { ...attributes, activation: applied });
}

/**
 * Applies the transpose of a convolution to a batch of volumes and adds a bias, in one dispatch on WebGPU. On other
 * backends, and for integers, it is composed of `tf.conv3dTranspose` and `tf.add`.
 *
 * @param x `[batch, d, h, w, in]` float32; stays the caller's.
 * @param filter `[kd, kh, kw, out, in]` float32; stays the caller's.
 * @param outputShape `[batch, depth, height, width, out]`, which the convolution with these steps and padding takes to the shape of `x`.
 * @param options Steps, padding and bias (`[out]`).
 * @returns Of `outputShape`, float32; the caller disposes. Gradients flow to input, filter and bias.
 * @throws RangeError when the bias is not `[out]`, or the shapes do not fit.
 */
export function fusedConv3dTranspose(
  x: tf.Tensor5D,
  filter: tf.Tensor5D,
  outputShape: readonly [number, number, number, number, number],
  options: FusedConv3dTransposeOptions = {},
): tf.Tensor5D {
  const { strides = 1, pad = "valid", bias } = options;
  checkBias("apply a transposed convolution", bias, filter.shape[3]);
  const attributes: TransposedAttributes = { strides: mutable(strides), pad, outputShape };
  if (!hasFusedKernels(x, filter)) {
    return tf.tidy(() => {
      const sums = tf.conv3dTranspose(x, filter, [...outputShape], attributes.strides, pad as "valid");
      return bias ? tf.add(sums, bias) : sums;
    });
  }
  const inputs = bias ? { x, filter, bias } : { x, filter };
  return tf.engine().runKernel(TRANSPOSED, inputs, { ...attributes } as unknown as tf.NamedAttrMap) as tf.Tensor5D;
}

function run(
  x: tf.Tensor5D,
  filter: tf.Tensor5D,
  bias: tf.Tensor | undefined,
  attributes: FusedAttributes,
): tf.Tensor5D {
  const inputs = bias ? { x, filter, bias } : { x, filter };
  return tf.engine().runKernel(CONVOLUTION, inputs, { ...attributes } as unknown as tf.NamedAttrMap) as tf.Tensor5D;
}

/** Own shaders are for float32 on WebGPU; anything else is composed of TensorFlow.js' operations. */
function hasFusedKernels(...tensors: readonly tf.Tensor[]): boolean {
  return tf.getBackend() === "webgpu" && areFloat(...tensors);
}

function activate<T extends tf.Tensor>(
  y: T,
  activation: NonNullable<FusedConv3dOptions["activation"]>,
  alpha: number,
): T {
  if (activation === "leakyRelu") return tf.leakyRelu(y, alpha);
  return activation === "gelu" ? fusedGelu(y) : y;
}

/** Whether a gradient may be asked for later. */
function isTaped(): boolean {
  const { state } = tf.engine() as unknown as { readonly state: { readonly activeTape?: readonly unknown[] | null } };
  return Boolean(state.activeTape);
}

function mutable(value: number | readonly [number, number, number]): number | [number, number, number] {
  return typeof value === "number" ? value : [...value];
}

function checkBias(action: string, bias: tf.Tensor | undefined, channels: number): void {
  if (bias && (bias.rank !== 1 || bias.size !== channels)) {
    throw new RangeError(
      `Cannot ${action}: the bias has the wrong shape: got [${bias.shape}], expected [${channels}], one number for each output channel.`,
    );
  }
}

/** The gradient behind the activation, from the one in front of it and what was put out. */
function throughActivation(dy: tf.Tensor, y: tf.Tensor, activation: Activation): tf.Tensor {
  if (activation.kind !== "leakyRelu") return dy; // on the tape a GELU stands alone
  return tf.tidy(() => tf.where(tf.greater(y, 0), dy, tf.mul(dy, activation.alpha)));
}

tf.registerGradient({
  kernelName: CONVOLUTION,
  inputsToSave: ["x", "filter"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attrs) => {
    const [x, filter, y] = saved as [tf.Tensor5D, tf.Tensor5D, tf.Tensor5D];
    const { strides, pad, dilations, activation } = attrs as unknown as FusedAttributes;
    const dz = throughActivation(dy as tf.Tensor, y, activation);
    const gradients = tf.getGradient("Conv3D")!.gradFunc(dz, [x, filter], { strides, pad, dilations } as never);
    return { ...gradients, bias: () => sumOverPositions(dz) };
  },
});

tf.registerGradient({
  kernelName: TRANSPOSED,
  inputsToSave: ["x", "filter"],
  gradFunc: (dy, saved, attrs) => {
    const { strides, pad } = attrs as unknown as TransposedAttributes;
    const { dy: input, filter } = tf.getGradient("Conv3DBackpropInputV2")!
      .gradFunc(dy, saved, { strides, pad } as never);
    return { x: input!, filter: filter!, bias: () => sumOverPositions(dy as tf.Tensor) };
  },
});

function sumOverPositions(gradient: tf.Tensor): tf.Tensor {
  return tf.sum(gradient, [0, 1, 2, 3]);
}

type Inputs = Record<"x" | "filter", tf.TensorInfo> & { readonly bias?: tf.TensorInfo };

tf.registerKernel({
  kernelName: CONVOLUTION,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, filter, bias } = inputs as unknown as Inputs;
    const { activation, ...attributes } = attrs as unknown as FusedAttributes;
    const geometry = convolutionGeometry(x.shape, filter.shape, attributes);
    return runGather(backend, { geometry, direction: "forward", source: x, filter, bias, activation });
  },
});

tf.registerKernel({
  kernelName: TRANSPOSED,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, filter, bias } = inputs as unknown as Inputs;
    const { outputShape, ...attributes } = attrs as unknown as TransposedAttributes;
    const geometry = convolutionGeometry(outputShape, filter.shape, attributes);
    checkOutputGradient(x.shape, geometry);
    return runGather(backend, { geometry, direction: "inputGradient", source: x, filter, bias });
  },
});
