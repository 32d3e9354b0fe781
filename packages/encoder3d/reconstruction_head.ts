import type * as tf from "@tensorflow/tfjs-core";
import { Conv3d, type Module, type Parameters, type Triple } from "@med3d/nn";
import type { Random } from "random";
import { type Cost, type Costed, costOfConvolution } from "./_cost.ts";

/** Options of {@linkcode ReconstructionHead}. */
export interface ReconstructionHeadOptions {
  /** Source of the initial values: He's normal distribution, zero bias. */
  readonly random: Random;
}

/** Maps decoded features to the voxels of the volume by a 1×1×1 convolution. Parameters `weight` and `bias`. */
export class ReconstructionHead implements Module, Costed {
  /** `weight`, then `bias`. */
  readonly parameters: Parameters;
  readonly #conv: Conv3d;

  /**
   * Makes the head.
   *
   * @param inChannels Those of the decoder's output.
   * @param outChannels Those of the volume.
   * @throws RangeError when a number of channels is not a positive integer.
   */
  constructor(inChannels: number, outChannels: number, options: ReconstructionHeadOptions) {
    this.#conv = new Conv3d(inChannels, outChannels, { kernelSize: 1, initialisation: "he", random: options.random });
    this.parameters = this.#conv.parameters;
  }

  /**
   * Maps features to voxels.
   *
   * @param features `[batch, depth, height, width, inChannels]` float32; stays the caller's.
   * @returns `[batch, depth, height, width, outChannels]`; the caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the features have another rank or number of channels.
   */
  apply(features: tf.Tensor5D): tf.Tensor5D {
    return this.#conv.apply(features);
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    return costOfConvolution(this.#conv, inputSize);
  }
}
