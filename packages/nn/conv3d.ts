import * as tf from "@tensorflow/tfjs-core";
import { fusedConv3d } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { checkPositiveInteger, checkVolume } from "./_check.ts";
import { toTriple, type Triple, type TripleLike } from "./_triple.ts";
import { drawConvolution } from "./_draw_convolution.ts";
import { CONV3D_LAYOUT } from "./layout.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode Conv3d}. */
export interface Conv3dOptions {
  /** Cells of the kernel along depth, height and width; a number stands for all three. */
  readonly kernelSize: TripleLike;
  /** Steps of the kernel. Default 1. */
  readonly stride?: TripleLike;
  /** Cells from one tap of the kernel to the next. Default 1; more only at stride 1. */
  readonly dilation?: TripleLike;
  /** Zeros added before and after each axis, as in PyTorch. Default `⌊kernelSize / 2⌋ · dilation`. */
  readonly padding?: TripleLike;
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean;
  /**
   * Distribution of the initial values, with a fan of in·kd·kh·kw. `"pytorch"`: U(−1/√fan, 1/√fan) for kernel and bias, PyTorch's default.
   * `"he"`: kernel N(0, 2/((1 + 0.01²)·fan)), bias 0, as nnU-Net has it. Default `"pytorch"`.
   */
  readonly initialisation?: "pytorch" | "he";
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * 3D convolution with PyTorch's arithmetic: symmetric zero padding, output size `⌊(n + 2p − d·(k − 1) − 1) / s⌋ + 1`. Groups are not
 * offered. Parameters `weight` and `bias`; the weight is `[kd, kh, kw, in, out]` in memory and `[out, in, kd, kh, kw]` on disk.
 */
export class Conv3d implements Module {
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Cells of the kernel, `[depth, height, width]`. */
  readonly kernelSize: Triple;
  /** Steps of the kernel, `[depth, height, width]`. */
  readonly stride: Triple;
  /** Cells from one tap to the next, `[depth, height, width]`. */
  readonly dilation: Triple;
  /** Zeros on either side, `[depth, height, width]`. */
  readonly padding: Triple;
  /** `weight`, then `bias` where there is one. */
  readonly parameters: Parameters;
  readonly #weight: tf.Variable;
  readonly #bias: tf.Variable | undefined;

  /**
   * Makes the layer.
   *
   * @throws RangeError when a number of channels, kernel size, stride, dilation or padding is not an integer of the right sign, or
   * dilation and stride are both above 1.
   */
  constructor(inChannels: number, outChannels: number, options: Conv3dOptions) {
    const action = "make a Conv3d";
    checkPositiveInteger(action, "the number of input channels", inChannels);
    checkPositiveInteger(action, "the number of output channels", outChannels);
    const { bias = true, initialisation = "pytorch", random } = options;
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = toTriple(action, "kernelSize", options.kernelSize, 1);
    this.stride = toTriple(action, "stride", options.stride ?? 1, 1);
    const [kd, kh, kw] = this.kernelSize;
    this.dilation = toTriple(action, "dilation", options.dilation ?? 1, 1);
    const [dd, dh, dw] = this.dilation;
    if (this.stride.some((step) => step > 1) && this.dilation.some((step) => step > 1)) {
      throw new RangeError(
        `Cannot ${action}: dilation and stride are both above 1: got [${this.dilation}] and [${this.stride}], expected one of them at 1.`,
      );
    }
    this.padding = toTriple(action, "padding", options.padding ?? [(kd >> 1) * dd, (kh >> 1) * dh, (kw >> 1) * dw], 0);
    const fanIn = inChannels * kd * kh * kw;
    const initial = drawConvolution({
      weights: fanIn * outChannels,
      biases: outChannels,
      fanIn,
      initialisation,
      random,
    });
    this.#weight = createParameter(initial.weight, [kd, kh, kw, inChannels, outChannels], CONV3D_LAYOUT);
    const parameters = new Map([["weight", this.#weight]]);
    if (bias) {
      this.#bias = createParameter(initial.bias, [outChannels]);
      parameters.set("bias", this.#bias);
    }
    this.parameters = parameters;
  }

  /** Size of the output grid for an input grid, both `[depth, height, width]`. */
  outputSize(inputSize: Triple): Triple {
    const size = (axis: 0 | 1 | 2): number =>
      Math.floor((inputSize[axis] + 2 * this.padding[axis] - this.#reach(axis)) / this.stride[axis]) + 1;
    return [size(0), size(1), size(2)];
  }

  /** Cells from the first tap to the last, both counted. */
  #reach(axis: 0 | 1 | 2): number {
    return (this.kernelSize[axis] - 1) * this.dilation[axis] + 1;
  }

  /**
   * Convolves a batch of volumes.
   *
   * @param x `[batch, depth, height, width, in]` float32; stays the caller's.
   * @returns `[batch, d, h, w, out]`; the caller disposes. Gradients flow to input and parameters.
   * @throws RangeError when the input has another rank or number of channels, or is smaller than the kernel.
   */
  apply(x: tf.Tensor5D): tf.Tensor5D {
    checkVolume("apply a Conv3d", x.shape, this.inChannels);
    const inputSize: Triple = [x.shape[1], x.shape[2], x.shape[3]];
    const outputSize = this.outputSize(inputSize);
    if (outputSize.some((n) => n < 1)) {
      throw new RangeError(
        `Cannot apply a Conv3d: the volume is smaller than the kernel: got [${inputSize}] voxels, expected at least ` +
          `[${([0, 1, 2] as const).map((axis) => this.#reach(axis) - 2 * this.padding[axis])}].`,
      );
    }
    return tf.tidy(() => this.#convolve(x, inputSize, outputSize));
  }

  /** Without copying the volume where TensorFlow.js can be told of the padding. */
  #convolve(x: tf.Tensor5D, inputSize: Triple, outputSize: Triple): tf.Tensor5D {
    const weight = this.#weight as tf.Tensor5D;
    const options = { strides: this.stride, dilations: this.dilation, ...this.#bias && { bias: this.#bias } };
    const [depth, height, width] = this.padding;
    if (depth === height && height === width) return fusedConv3d(x, weight, { ...options, pad: depth });
    const same = [0, 1, 2].every((axis) => this.#isTensorFlowSame(axis as 0 | 1 | 2, inputSize, outputSize));
    const padded = same ? x : this.#pad(x, inputSize, outputSize);
    return fusedConv3d(padded, weight, { ...options, pad: same ? "same" : "valid" });
  }

  /** Whether TensorFlow's "same" rule, which pads the smaller half in front, puts the windows where PyTorch does. */
  #isTensorFlowSame(axis: 0 | 1 | 2, inputSize: Triple, outputSize: Triple): boolean {
    const [n, k, s, p] = [inputSize[axis], this.#reach(axis), this.stride[axis], this.padding[axis]];
    const out = Math.ceil(n / s);
    return out === outputSize[axis] && Math.floor(((out - 1) * s + k - n) / 2) === p;
  }

  /** Adds the zeros that the windows reach: all in front, behind only as many as are read. */
  #pad(x: tf.Tensor5D, inputSize: Triple, outputSize: Triple): tf.Tensor5D {
    const around = ([0, 1, 2] as const).map((axis): [number, number] => {
      const reach = (outputSize[axis] - 1) * this.stride[axis] + this.#reach(axis);
      return [this.padding[axis], Math.max(0, reach - inputSize[axis] - this.padding[axis])];
    });
    if (around.every(([front, back]) => front === 0 && back === 0)) return x;
    // At rank 4: stock TensorFlow.js pads rank 5 wrongly on WebGPU. Channels lie innermost, so they go along with the width.
    const [batch, d, h, w, channels] = x.shape;
    const [alongDepth, alongHeight, [left, right]] = around as [[number, number], [number, number], [number, number]];
    const padded = tf.pad<tf.Tensor4D>(tf.reshape(x, [batch, d, h, w * channels]), [
      [0, 0],
      alongDepth,
      alongHeight,
      [left * channels, right * channels],
    ]);
    return tf.reshape(padded, [batch, padded.shape[1], padded.shape[2], -1, channels]);
  }
}
