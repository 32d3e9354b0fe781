import { fusedInstanceNorm } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { checkPositiveInteger, checkVolume } from "./_check.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode InstanceNorm3d} and {@linkcode LayerNorm}. */
export interface NormOptions {
  /** Added to the variance. Default 1e-5, as PyTorch. */
  readonly epsilon?: number;
  /** Whether a learned scale and shift follow. Default true. */
  readonly affine?: boolean;
}

/** Options of {@linkcode InstanceNorm3d.apply}. */
export interface InstanceNormApplyOptions {
  /** Slope of a leaky ReLU that follows, in the same passes over memory, from 0 to 1. Default 1: none follows. */
  readonly leakySlope?: number;
}

/**
 * Normalises every channel of every volume over its voxels, then scales and shifts it by channel. As `torch.nn.InstanceNorm3d` with
 * `affine=True`: biased variance, no running statistics. Parameters `weight` (ones) and `bias` (zeros), `[channels]`.
 */
export class InstanceNorm3d implements Module {
  /** Channels of input and output. */
  readonly channels: number;
  /** `weight`, then `bias`; none without the affine part. */
  readonly parameters: Parameters;
  readonly #epsilon: number;

  /**
   * Makes the layer.
   *
   * @throws RangeError when the number of channels is not a positive integer, or epsilon not positive.
   */
  constructor(channels: number, options: NormOptions = {}) {
    const { epsilon = 1e-5, affine = true } = options;
    checkPositiveInteger("make an InstanceNorm3d", "the number of channels", channels);
    this.channels = channels;
    this.#epsilon = checkEpsilon("make an InstanceNorm3d", epsilon);
    this.parameters = affine ? createScaleAndShift(channels) : new Map();
  }

  /**
   * Normalises a batch of volumes.
   *
   * @param x `[batch, depth, height, width, channels]` float32; stays the caller's.
   * @returns Same shape; the caller disposes. Gradients flow to input and parameters.
   * @throws RangeError when the input has another rank or number of channels, no voxels, or the slope is outside [0, 1].
   */
  apply(x: tf.Tensor5D, options: InstanceNormApplyOptions = {}): tf.Tensor5D {
    const { leakySlope = 1 } = options;
    checkVolume("apply an InstanceNorm3d", x.shape, this.channels);
    return tf.tidy(() => {
      const scale = this.parameters.get("weight") ?? tf.ones([this.channels]);
      const offset = this.parameters.get("bias") ?? tf.zeros([this.channels]);
      return fusedInstanceNorm(x, scale as tf.Tensor1D, offset as tf.Tensor1D, { epsilon: this.#epsilon, leakySlope });
    });
  }
}

/** Makes `weight` (ones) and `bias` (zeros). */
export function createScaleAndShift(width: number): Parameters {
  return new Map([
    ["weight", createParameter(new Float32Array(width).fill(1), [width])],
    ["bias", createParameter(new Float32Array(width), [width])],
  ]);
}

/** Refuses an epsilon that is not positive. */
export function checkEpsilon(action: string, epsilon: number): number {
  if (!(epsilon > 0)) {
    throw new RangeError(`Cannot ${action}: epsilon is wrong: got ${epsilon}, expected a positive number.`);
  }
  return epsilon;
}
