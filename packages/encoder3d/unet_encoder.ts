import * as tf from "@tensorflow/tfjs-core";
import type { Module, Parameters, Triple } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import { checkEncodable, refuseSingleCell } from "./_check_volume.ts";
import { addCosts, type Cost, type Costed, dividedBy, NO_COST } from "./_cost.ts";
import type { Encoder3D } from "./contract.ts";
import type { ResolvedUNetOptions } from "./unet_options.ts";

/** A network of one path that halves the grid from stage to stage. */
export interface Stage extends Module, Costed {
  /** Maps a batch of volumes. */
  apply(x: tf.Tensor5D): tf.Tensor5D;
}

/** What the encoders of the two U-Nets have in common: an optional stem and a chain of stages whose outputs are the pyramid. */
export abstract class UNetEncoder implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Channels of each level, finest first. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level, finest first. */
  readonly strides: readonly Triple[];
  /** Cells of each level's kernels; {@linkcode UNetDecoder} takes them over. */
  readonly kernelSizes: readonly Triple[];
  /** Trainable parameters under nnU-Net's names, without the prefix `encoder.`. */
  abstract readonly parameters: Parameters;
  /** What the volume passes before the first stage. */
  protected abstract readonly stem: Stage | undefined;
  /** One stage per level. */
  protected abstract readonly stages: readonly Stage[];
  readonly #recompute: readonly boolean[];

  /** Takes over the options that make up the contract. */
  constructor({ inChannels, features, totalStrides, kernelSizes, recompute }: ResolvedUNetOptions) {
    this.inChannels = inChannels;
    this.channels = features;
    this.strides = totalStrides;
    this.kernelSizes = kernelSizes;
    this.#recompute = recompute;
  }

  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, depth, height, width, inChannels]` float32; stays the caller's. Depth, height and width are multiples of the
   * coarsest stride.
   * @returns One `[batch, d, h, w, channels[level]]` tensor per level; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit, or the coarsest grid would hold a single cell, which instance norm erases.
   */
  encode(volume: tf.Tensor5D): tf.Tensor5D[] {
    const coarsest = this.strides.at(-1)!;
    refuseSingleCell(checkEncodable(volume.shape, { inChannels: this.inChannels, coarsest }), coarsest);
    return tf.tidy(() => {
      let x = volume;
      return this.stages.map((stage, level) =>
        x = this.#apply(level === 0 && this.stem ? [this.stem, stage] : [stage], level, x)
      );
    });
  }

  #apply(parts: readonly Stage[], level: number, x: tf.Tensor5D): tf.Tensor5D {
    const apply = (x: tf.Tensor5D): tf.Tensor5D => parts.reduce((y, part) => part.apply(y), x);
    if (!this.#recompute[level]) return apply(x);
    const variables = parts.flatMap(({ parameters }) => [...parameters.values()]);
    return recompute({ inputs: [x], variables }, apply);
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const costs = [this.stem?.cost(inputSize) ?? NO_COST];
    this.stages.forEach((stage, level) => {
      costs.push(stage.cost(dividedBy(inputSize, this.strides[level - 1] ?? [1, 1, 1])));
    });
    return addCosts(costs);
  }
}
