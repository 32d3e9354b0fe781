import { fusedInstanceNorm } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { checkPositiveInteger, checkVolume } from "./_check.ts";
import { leakyRelu } from "./activations.ts";
import { checkEpsilon, createScaleAndShift } from "./instance_norm3d.ts";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode BatchNorm3d}. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5, as PyTorch. */
  readonly epsilon?: number;
  /** Share of a new batch in the running statistics, above 0 and at most 1. Default 0.1, as PyTorch. */
  readonly momentum?: number;
}

/** Options of {@linkcode BatchNorm3d.apply}. */
export interface BatchNormApplyOptions {
  /** Whether the batch's own statistics norm it, rather than the running ones. Default false. */
  readonly training?: boolean;
  /** Whether the running statistics take in the batch. Default: when training. Say false where a batch is computed a second time. */
  readonly updateStatistics?: boolean;
  /** Slope of a leaky ReLU that follows, from 0 (a ReLU) to 1. Default 1: none follows. */
  readonly leakySlope?: number;
}

/**
 * Normalises every channel over all voxels of the batch, then scales and shifts it. As `torch.nn.BatchNorm3d`: evaluation norms by running mean
 * and variance; training by mean and biased variance of the batch, and moves the running ones by `momentum`, the variance unbiased.
 *
 * Parameters `weight` (ones) and `bias` (zeros), `[channels]`. The buffers `running_mean` (zeros) and `running_var` (ones), `[channels]`, and
 * `num_batches_tracked`, a scalar, belong to PyTorch's state dict but are not trained.
 */
export class BatchNorm3d implements Module {
  /** Channels of input and output. */
  readonly channels: number;
  /** `weight`, then `bias`. */
  readonly parameters: Parameters;
  /** `running_mean`, `running_var`, `num_batches_tracked`; variables that are not trainable. Whoever owns the module disposes of them. */
  readonly buffers: Parameters;
  readonly #epsilon: number;
  readonly #momentum: number;

  /**
   * Makes the layer.
   *
   * @throws RangeError when the number of channels is not a positive integer, epsilon not positive or the momentum not in (0, 1].
   */
  constructor(channels: number, options: BatchNormOptions = {}) {
    const { epsilon = 1e-5, momentum = 0.1 } = options;
    checkPositiveInteger("make a BatchNorm3d", "the number of channels", channels);
    if (!(momentum > 0 && momentum <= 1)) {
      throw new RangeError(
        `Cannot make a BatchNorm3d: the momentum is out of range: got ${momentum}, expected a number in (0, 1].`,
      );
    }
    this.channels = channels;
    this.#epsilon = checkEpsilon("make a BatchNorm3d", epsilon);
    this.#momentum = momentum;
    this.parameters = createScaleAndShift(channels);
    this.buffers = new Map([
      ["running_mean", createBuffer(new Float32Array(channels), [channels])],
      ["running_var", createBuffer(new Float32Array(channels).fill(1), [channels])],
      ["num_batches_tracked", createBuffer(new Float32Array(1), [])],
    ]);
  }

  /**
   * Normalises a batch of volumes.
   *
   * @param x `[batch, depth, height, width, channels]` float32; stays the caller's.
   * @returns Same shape; the caller disposes. Gradients flow to input and parameters, in training through the batch's statistics too.
   * @throws RangeError when the input has another rank or number of channels, or in training holds one voxel alone.
   */
  apply(x: tf.Tensor5D, options: BatchNormApplyOptions = {}): tf.Tensor5D {
    const { training = false, updateStatistics = training, leakySlope = 1 } = options;
    checkVolume("apply a BatchNorm3d", x.shape, this.channels);
    if (training && x.size === this.channels) {
      throw new RangeError(
        `Cannot apply a BatchNorm3d: one voxel has no variance to train by: got [${x.shape}], expected more than one. ` +
          `Give larger volumes, more of them, or apply it without training.`,
      );
    }
    return tf.tidy(() => {
      const scale = this.parameters.get("weight")! as tf.Tensor as tf.Tensor1D;
      const offset = this.parameters.get("bias")! as tf.Tensor as tf.Tensor1D;
      if (updateStatistics) this.#update(x);
      if (training) {
        // One volume of all voxels: its instance norm is the batch's batch norm.
        const voxels = tf.reshape(x, [1, -1, this.channels]);
        return tf.reshape(
          fusedInstanceNorm(voxels, scale, offset, { epsilon: this.#epsilon, leakySlope }),
          x.shape,
        );
      }
      const factor = tf.mul(scale, tf.rsqrt(tf.add(this.buffers.get("running_var")!, this.#epsilon)));
      const shift = tf.sub(offset, tf.mul(this.buffers.get("running_mean")!, factor));
      const y = tf.add<tf.Tensor5D>(tf.mul(x, factor), shift);
      if (leakySlope === 1) return y;
      return leakySlope === 0 ? tf.relu(y) : leakyRelu(y, leakySlope);
    });
  }

  /** Moves the running statistics towards those of a batch. */
  #update(x: tf.Tensor5D): void {
    const count = x.size / this.channels;
    // Behind a gradient of its own, which is never asked for, so that a gradient tape keeps none of the steps.
    const measure = tf.customGrad((values: tf.Tensor | tf.GradSaveFunc) => {
      const { mean, variance } = tf.moments(tf.reshape(values as tf.Tensor, [-1, this.channels]), 0);
      const unbiased = tf.mul(variance, count / Math.max(1, count - 1));
      return { value: tf.stack([mean, unbiased]), gradFunc: (dy: tf.Tensor) => tf.zeros([...x.shape], dy.dtype) };
    });
    const [mean, variance] = tf.unstack(measure(x)) as [tf.Tensor, tf.Tensor];
    for (const [name, measured] of [["running_mean", mean], ["running_var", variance]] as const) {
      const running = this.buffers.get(name)!;
      running.assign(tf.add(tf.mul(running, 1 - this.#momentum), tf.mul(measured, this.#momentum)));
    }
    const batches = this.buffers.get("num_batches_tracked")!;
    batches.assign(tf.add(batches, 1));
  }
}

function createBuffer(values: Float32Array, shape: readonly number[]): tf.Variable {
  const buffer = createParameter(values, shape);
  buffer.trainable = false;
  return buffer;
}
