import * as tf from "@tensorflow/tfjs-core";
import { fusedConv3dTranspose } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { checkPositiveInteger, checkVolume } from "./_check.ts";
import { toTriple, type Triple, type TripleLike } from "./_triple.ts";
import { drawConvolution } from "./_draw_convolution.ts";
import { CONV3D_LAYOUT } from "./layout.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode ConvTranspose3d}. */
export interface ConvTranspose3dOptions {
  /** Cells of the kernel along depth, height and width; a number stands for all three. */
  readonly kernelSize: TripleLike;
  /** Output cells per input cell. Default: the kernel size, so that the outputs tile the grid without overlap. */
  readonly stride?: TripleLike;
  /** Cells cut from either side of each axis, as in PyTorch. Default 0. */
  readonly padding?: TripleLike;
  /** Cells added behind each axis, less than the stride, as in PyTorch. Default 0. */
  readonly outputPadding?: TripleLike;
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean;
  /**
   * Distribution of the initial values, with a fan of out·kd·kh·kw. `"pytorch"`: U(−1/√fan, 1/√fan) for kernel and bias, PyTorch's default.
   * `"he"`: kernel N(0, 2/((1 + 0.01²)·fan)), bias 0, as nnU-Net has it. Default `"pytorch"`.
   */
  readonly initialisation?: "pytorch" | "he";
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * Transposed 3D convolution with PyTorch's arithmetic: output size `(n − 1)·s − 2p + k + outputPadding`. Dilation and groups are not
 * offered. Parameters `weight` and `bias`; the weight is `[kd, kh, kw, out, in]` in memory and `[in, out, kd, kh, kw]` on disk.
 */
export class ConvTranspose3d implements Module {
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Cells of the kernel, `[depth, height, width]`. */
  readonly kernelSize: Triple;
  /** Output cells per input cell, `[depth, height, width]`. */
  readonly stride: Triple;
  /** Cells cut from either side, `[depth, height, width]`. */
  readonly padding: Triple;
  /** Cells added behind, `[depth, height, width]`. */
  readonly outputPadding: Triple;
  /** `weight`, then `bias` where there is one. */
  readonly parameters: Parameters;
  readonly #weight: tf.Variable;
  readonly #bias: tf.Variable | undefined;

  /**
   * Makes the layer.
   *
   * @throws RangeError when a number of channels, kernel size, stride or padding is not an integer of the right sign, or the output
   * padding is not less than the stride.
   */
  constructor(inChannels: number, outChannels: number, options: ConvTranspose3dOptions) {
    const action = "make a ConvTranspose3d";
    checkPositiveInteger(action, "the number of input channels", inChannels);
    checkPositiveInteger(action, "the number of output channels", outChannels);
    const { bias = true, initialisation = "pytorch", random } = options;
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = toTriple(action, "kernelSize", options.kernelSize, 1);
    this.stride = toTriple(action, "stride", options.stride ?? this.kernelSize, 1);
    this.padding = toTriple(action, "padding", options.padding ?? 0, 0);
    this.outputPadding = toTriple(action, "outputPadding", options.outputPadding ?? 0, 0);
    if (([0, 1, 2] as const).some((axis) => this.outputPadding[axis] >= this.stride[axis])) {
      throw new RangeError(
        `Cannot ${action}: outputPadding is too large: got [${this.outputPadding}], expected less than the stride [${this.stride}].`,
      );
    }
    const [kd, kh, kw] = this.kernelSize;
    const fan = outChannels * kd * kh * kw;
    const initial = drawConvolution({
      weights: fan * inChannels,
      biases: outChannels,
      fanIn: fan,
      initialisation,
      random,
    });
    this.#weight = createParameter(initial.weight, [kd, kh, kw, outChannels, inChannels], CONV3D_LAYOUT);
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
      (inputSize[axis] - 1) * this.stride[axis] - 2 * this.padding[axis] + this.kernelSize[axis] +
      this.outputPadding[axis];
    return [size(0), size(1), size(2)];
  }

  /**
   * Applies the transposed convolution to a batch of volumes.
   *
   * @param x `[batch, depth, height, width, in]` float32; stays the caller's.
   * @returns `[batch, d, h, w, out]`; the caller disposes. Gradients flow to input and parameters.
   * @throws RangeError when the input has another rank or number of channels, or the padding leaves nothing.
   */
  apply(x: tf.Tensor5D): tf.Tensor5D {
    checkVolume("apply a ConvTranspose3d", x.shape, this.inChannels);
    const [batch] = x.shape;
    const [d, h, w] = this.outputSize([x.shape[1], x.shape[2], x.shape[3]]);
    if (d < 1 || h < 1 || w < 1) {
      throw new RangeError(
        `Cannot apply a ConvTranspose3d: the padding leaves no output: got size [${d},${h},${w}], expected positive sizes.`,
      );
    }
    const [pd, ph, pw] = this.padding;
    return tf.tidy(() => {
      const full = fusedConv3dTranspose(
        x,
        this.#weight as tf.Tensor5D,
        [batch, d + 2 * pd, h + 2 * ph, w + 2 * pw, this.outChannels],
        { strides: this.stride, ...this.#bias && { bias: this.#bias } },
      );
      return pd + ph + pw === 0 ? full : this.#cut(full, [d, h, w]);
    });
  }

  /** Cuts the padding off. At rank 4: stock TensorFlow.js has a wrong gradient of rank-5 slices on WebGPU. */
  #cut(full: tf.Tensor5D, [d, h, w]: Triple): tf.Tensor5D {
    const [pd, ph, pw] = this.padding;
    const [batch, fullDepth, fullHeight, fullWidth, channels] = full.shape;
    const merged = tf.reshape(full, [batch, fullDepth, fullHeight, fullWidth * channels]);
    const part = tf.slice(merged, [0, pd, ph, pw * channels], [batch, d, h, w * channels]);
    return tf.reshape(part, [batch, d, h, w, channels]);
  }
}
