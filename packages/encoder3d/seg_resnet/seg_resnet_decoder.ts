import * as tf from "@tensorflow/tfjs-core";
import { Conv3d, GroupNorm3d, joinParameters, type Parameters, type Triple } from "@med3d/nn";
import { resizeTrilinear } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { joinList } from "../_blocks.ts";
import { checkFeatures } from "../_check_features.ts";
import { addCosts, type Cost, type Costed, costOfConvolution, dividedBy } from "../_cost.ts";
import type { Decoder3D } from "../contract.ts";
import { resolveCounts } from "../unet_options.ts";
import { SegResNetStage } from "./_seg_resnet_block.ts";
import type { SegResNetEncoder } from "./seg_resnet_encoder.ts";

/** Options of {@linkcode SegResNetDecoder}. */
export interface SegResNetDecoderOptions {
  /** Channels of the output. Default 2, as MONAI. */
  readonly outChannels?: number;
  /** Residual blocks of each level above the deepest, deepest first, or one number for all. Default 1. */
  readonly blocksUp?: number | readonly number[];
  /** Source of the initial values: PyTorch's default distributions. */
  readonly random: Random;
}

/**
 * Decoder of MONAI's SegResNet: from the deepest level up, a 1×1×1 convolution that halves the channels, trilinear doubling, the encoder's level
 * added, and residual blocks; at the end group norm, ReLU and a 1×1×1 convolution.
 *
 * Names, layout on disk and numerics of `SegResNet` in MONAI 1.6.1 with `upsample_mode="nontrainable"`, its default, against which outputs and
 * gradients were checked.
 */
export class SegResNetDecoder implements Decoder3D, Costed {
  /** Channels of the output. */
  readonly outChannels: number;
  /** Trainable parameters: `up_layers.<i>.<block>.norm1.weight`, …, `up_samples.<i>.0.conv.weight`, `conv_final.0.weight`, … */
  readonly parameters: Parameters;
  readonly #encoder: Pick<SegResNetEncoder, "channels" | "strides">;
  readonly #narrowing: readonly Conv3d[];
  readonly #stages: readonly SegResNetStage[];
  readonly #norm: GroupNorm3d;
  readonly #head: Conv3d;

  /**
   * Makes the decoder of an encoder.
   *
   * @param encoder Only its channels, strides and groups are read.
   * @throws RangeError when an option is out of range.
   */
  constructor(
    encoder: Pick<SegResNetEncoder, "channels" | "strides" | "groups">,
    options: SegResNetDecoderOptions,
  ) {
    const { outChannels = 2, blocksUp = 1, random } = options;
    const { channels, groups } = encoder;
    const targets = channels.slice(0, -1).reverse(); // what each stage rises to
    const counts = resolveCounts("make a SegResNetDecoder", "blocksUp", { value: blocksUp, length: targets.length });
    this.#encoder = encoder;
    this.outChannels = outChannels;
    this.#narrowing = targets.map((to) => new Conv3d(2 * to, to, { kernelSize: 1, bias: false, random }));
    this.#stages = targets.map((to, i) => new SegResNetStage(to, { count: counts[i]!, first: 0, groups, random }));
    this.#norm = new GroupNorm3d(groups, channels[0]!);
    this.#head = new Conv3d(channels[0]!, outChannels, { kernelSize: 1, random });
    const samples = new Map(this.#narrowing.map((conv, i) => [`up_samples.${i}.0.conv`, conv.parameters]));
    this.parameters = joinParameters(
      new Map([
        ["", joinList("up_layers", this.#stages)],
        ...samples,
        ["conv_final.0", this.#norm.parameters],
        ["conv_final.2.conv", this.#head.parameters],
      ]),
    );
  }

  /**
   * Computes a dense map on the volume's grid.
   *
   * @param features One `[batch, d, h, w, channels[level]]` float32 tensor per level, finest first; stay the caller's.
   * @returns `[batch, depth, height, width, outChannels]`; the caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the levels are not those of the encoder.
   */
  decode(features: readonly tf.Tensor5D[]): tf.Tensor5D {
    checkFeatures(features, this.#encoder);
    return tf.tidy(() => {
      let x = features.at(-1)!;
      this.#stages.forEach((stage, i) => {
        const skip = features[features.length - 2 - i]!;
        const [, depth, height, width] = skip.shape;
        const risen = resizeTrilinear(this.#narrowing[i]!.apply(x), [depth, height, width]);
        x = stage.apply(tf.add(risen, skip) as tf.Tensor5D);
      });
      return this.#head.apply(this.#norm.apply(x, { leakySlope: 0 }));
    });
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels; of the interpolation nothing is counted. */
  cost(inputSize: Triple): Cost {
    const sizes = this.#encoder.strides.map((stride) => dividedBy(inputSize, stride)).reverse(); // deepest first
    const costs = this.#stages.flatMap((stage, i) => [
      costOfConvolution(this.#narrowing[i]!, sizes[i]!),
      stage.cost(sizes[i + 1]!),
    ]);
    return addCosts([...costs, costOfConvolution(this.#head, inputSize)]);
  }
}
