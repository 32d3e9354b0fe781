import * as tf from "@tensorflow/tfjs-core";
import { Conv3d, joinParameters, type Parameters, type Triple } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { joinList } from "../_blocks.ts";
import { checkEncodable } from "../_check_volume.ts";
import { addCosts, type Cost, type Costed, costOfConvolution, dividedBy } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { checkCounts, resolveCounts, resolveStages } from "../unet_options.ts";
import { SegResNetStage } from "./_seg_resnet_block.ts";

/** Options of {@linkcode SegResNetEncoder}. */
export interface SegResNetOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /** Channels of the first level; each further one has twice as many. Default 8, as MONAI. */
  readonly initFilters?: number;
  /** Residual blocks of each level; their number sets the number of levels. Default `[1, 2, 2, 4]`. */
  readonly blocksDown?: readonly number[];
  /** Groups of the group norms; divides `initFilters`. Default 8. */
  readonly groups?: number;
  /**
   * Levels that keep nothing but their input for the gradients and are computed again on the way back: all (true), none (false), or a list of
   * their indices. Less memory for more time, the same numbers. Default false.
   */
  readonly recompute?: boolean | readonly number[];
  /** Source of the initial values: PyTorch's default distributions. */
  readonly random: Random;
}

/**
 * Encoder of MONAI's SegResNet: a convolution, then levels of residual blocks with group norm (ε 1e-5) and ReLU before each convolution; each level
 * but the first begins with a convolution of stride 2. The pyramid holds the levels' outputs at strides 1, 2, 4, …
 *
 * Source: Myronenko 2018, "3D MRI brain tumor segmentation using autoencoder regularization"; names, layout on disk and numerics of `SegResNet` in
 * MONAI 1.6.1 without dropout, against which outputs and gradients were checked.
 */
export class SegResNetEncoder implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Channels of each level, finest first. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level, finest first. */
  readonly strides: readonly Triple[];
  /** Groups of the group norms; {@linkcode SegResNetDecoder} takes them over. */
  readonly groups: number;
  /** Trainable parameters: `convInit.conv.weight`, `down_layers.<level>.<i>.norm1.weight`, … */
  readonly parameters: Parameters;
  readonly #start: Conv3d;
  readonly #levels: readonly SegResNetStage[];
  readonly #recompute: readonly boolean[];

  /**
   * Makes the encoder.
   *
   * @throws RangeError when an option is out of range, or the groups do not divide the channels.
   */
  constructor(options: SegResNetOptions) {
    const action = "make a SegResNetEncoder";
    const { inChannels = 1, initFilters = 8, groups = 8, random } = options;
    checkCounts(action, "inChannels and initFilters", [inChannels, initFilters]);
    const given = options.blocksDown ?? [1, 2, 2, 4];
    const counts = resolveCounts(action, "blocksDown", { value: given, length: given.length });
    checkCounts(action, "blocksDown", counts);
    this.inChannels = inChannels;
    this.groups = groups;
    this.channels = counts.map((_, level) => initFilters * 2 ** level);
    this.strides = counts.map((_, level): Triple => [2 ** level, 2 ** level, 2 ** level]);
    this.#recompute = resolveStages(action, "recompute", { value: options.recompute ?? false, length: counts.length });
    const unbiased = { kernelSize: 3, bias: false, random };
    this.#start = new Conv3d(inChannels, initFilters, unbiased);
    this.#levels = counts.map((count, level) => {
      const channels = this.channels[level]!;
      const down = level === 0 ? {} : { down: new Conv3d(channels / 2, channels, { ...unbiased, stride: 2 }) };
      return new SegResNetStage(channels, { count, first: 1, groups, random, ...down });
    });
    this.parameters = joinParameters({
      "convInit.conv": this.#start.parameters,
      "": joinList("down_layers", this.#levels),
    });
  }

  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, depth, height, width, inChannels]` float32; stays the caller's. Depth, height and width are multiples of the
   * coarsest stride.
   * @returns One `[batch, d, h, w, channels[level]]` tensor per level; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit.
   */
  encode(volume: tf.Tensor5D): tf.Tensor5D[] {
    checkEncodable(volume.shape, { inChannels: this.inChannels, coarsest: this.strides.at(-1)! });
    return tf.tidy(() => {
      let x = volume;
      return this.#levels.map((_, level) => x = this.#applyLevel(level, x));
    });
  }

  #applyLevel(level: number, x: tf.Tensor5D): tf.Tensor5D {
    const parts = level === 0 ? [this.#start, this.#levels[0]!] : [this.#levels[level]!];
    const apply = (x: tf.Tensor5D): tf.Tensor5D => tf.tidy(() => parts.reduce((y, part) => part.apply(y), x));
    if (!this.#recompute[level]) return apply(x);
    const variables = parts.flatMap(({ parameters }) => [...parameters.values()]);
    return recompute({ inputs: [x], variables }, apply);
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const costs = this.#levels.map((part, level) =>
      part.cost(dividedBy(inputSize, this.strides[Math.max(0, level - 1)]!))
    );
    return addCosts([costOfConvolution(this.#start, inputSize), ...costs]);
  }
}
