import { fusedGroupNorm } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { checkPositiveInteger, checkVolume } from "./_check.ts";
import { checkEpsilon, createScaleAndShift, type InstanceNormApplyOptions } from "./instance_norm3d.ts";
import type { Module, Parameters } from "./parameters.ts";

/** Options of {@linkcode GroupNorm3d}. */
export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5, as PyTorch. */
  readonly epsilon?: number;
}

/**
 * Normalises every group of neighbouring channels of every volume over its voxels, then scales and shifts it by channel. As
 * `torch.nn.GroupNorm` (Wu & He 2018). Parameters `weight` (ones) and `bias` (zeros), `[channels]`.
 */
export class GroupNorm3d implements Module {
  /** Groups that the channels are dealt out to. */
  readonly groups: number;
  /** Channels of input and output. */
  readonly channels: number;
  /** `weight`, then `bias`. */
  readonly parameters: Parameters;
  readonly #epsilon: number;

  /**
   * Makes the layer.
   *
   * @throws RangeError when a number is not a positive integer, the groups do not divide the channels, or epsilon is not positive.
   */
  constructor(groups: number, channels: number, options: GroupNormOptions = {}) {
    const { epsilon = 1e-5 } = options;
    checkPositiveInteger("make a GroupNorm3d", "the number of groups", groups);
    checkPositiveInteger("make a GroupNorm3d", "the number of channels", channels);
    if (channels % groups !== 0) {
      throw new RangeError(
        `Cannot make a GroupNorm3d: the groups do not divide the channels: got ${groups} groups of ${channels} channels, ` +
          `expected a divisor.`,
      );
    }
    this.groups = groups;
    this.channels = channels;
    this.#epsilon = checkEpsilon("make a GroupNorm3d", epsilon);
    this.parameters = createScaleAndShift(channels);
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
    checkVolume("apply a GroupNorm3d", x.shape, this.channels);
    const [scale, offset] = [this.parameters.get("weight")!, this.parameters.get("bias")!];
    return tf.tidy(() =>
      fusedGroupNorm(x, scale as tf.Tensor as tf.Tensor1D, offset as tf.Tensor as tf.Tensor1D, {
        groups: this.groups,
        epsilon: this.#epsilon,
        leakySlope,
      })
    );
  }
}
