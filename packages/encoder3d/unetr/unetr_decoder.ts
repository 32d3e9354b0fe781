import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, type Parameters, type Triple } from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, dividedBy } from "../_cost.ts";
import type { Decoder3D, Encoder3D } from "../contract.ts";
import { UnetrUpBlock } from "./_unetr_blocks.ts";

/** Options of {@linkcode UnetrDecoder}. */
export interface UnetrDecoderOptions {
  /** Source of the initial values: PyTorch's. */
  readonly random: Random;
}

/** What {@linkcode UnetrDecoder} reads of an encoder. */
export interface UnetrDecodable extends Pick<Encoder3D, "channels" | "strides"> {
  /** Whether blocks of convolutions have a skip. Default true. */
  readonly residualBlocks?: boolean;
  /** Whether instance norms scale and shift. Default false. */
  readonly normAffine?: boolean;
}

/**
 * Decoder of UNETR and Swin UNETR, and of any encoder whose levels double from full resolution: from the deepest level up, a transposed 2³
 * convolution, concatenation with the encoder's level, and two convolutions.
 *
 * Names, layout on disk and numerics of the decoders in MONAI 1.6's `UNETR` and `SwinUNETR`, against which outputs and gradients were
 * checked. MONAI's output layer is a `ReconstructionHead` under the prefix `out.conv.conv`.
 */
export class UnetrDecoder implements Decoder3D, Costed {
  /** Channels of the output, those of the finest level. */
  readonly outChannels: number;
  /** Trainable parameters: `decoder5.transp_conv.conv.weight`, `decoder5.conv_block.conv1.conv.weight`, …, deepest first. */
  readonly parameters: Parameters;
  readonly #channels: readonly number[];
  readonly #coarsest: Triple;
  readonly #blocks: readonly UnetrUpBlock[];

  /**
   * Makes the decoder of an encoder.
   *
   * @throws RangeError when the encoder has no or more than five steps from level to level, or its strides are not 1, 2, 4, ….
   */
  constructor(encoder: UnetrDecodable, options: UnetrDecoderOptions) {
    const { channels, strides, residualBlocks = true, normAffine = false } = encoder;
    const doubling = strides.every((stride, level) => stride.every((n) => n === 2 ** level));
    if (!doubling || strides.length < 2 || strides.length > 6) {
      throw new RangeError(
        `Cannot make a UnetrDecoder: the encoder's levels do not fit: got strides ${
          JSON.stringify(strides)
        }, expected 1, 2, 4, … along each axis, of two to six levels. Use UNetDecoder.`,
      );
    }
    this.outChannels = channels[0]!;
    this.#channels = channels;
    this.#coarsest = strides.at(-1)!;
    const block = { residual: residualBlocks, normAffine, random: options.random };
    this.#blocks = channels.slice(1).map((_, i) => {
      const level = channels.length - 2 - i;
      return new UnetrUpBlock(channels[level + 1]!, channels[level]!, block);
    });
    this.parameters = joinParameters(new Map(this.#blocks.map(({ parameters }, i) => [`decoder${5 - i}`, parameters])));
  }

  /**
   * Computes a dense map on the volume's grid.
   *
   * @param features One `[batch, d, h, w, channels[level]]` float32 tensor per level, finest first; stay the caller's.
   * @returns `[batch, depth, height, width, outChannels]`; the caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the levels are not those of the encoder.
   */
  decode(features: readonly tf.Tensor5D[]): tf.Tensor5D {
    const fits = features.length === this.#channels.length &&
      features.every(({ shape }, level) =>
        shape.length === 5 && shape[4] === this.#channels[level] && shape[0] === features[0]!.shape[0] &&
        [1, 2, 3].every((axis) => shape[axis]! * 2 ** level === features[0]!.shape[axis])
      );
    if (!fits) {
      throw new RangeError(
        `Cannot decode: the levels do not fit the encoder: got ${
          features.map(({ shape }) => `[${shape}]`).join(", ")
        }, expected ${this.#channels.join(", ")} channels on grids that halve from level to level.`,
      );
    }
    return tf.tidy(() =>
      this.#blocks.reduce((x, block, i) => block.apply(x, features[features.length - 2 - i]!), features.at(-1)!)
    );
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const [d, h, w] = dividedBy(inputSize, this.#coarsest);
    return addCosts(this.#blocks.map((block, i) => block.cost([d * 2 ** i, h * 2 ** i, w * 2 ** i])));
  }
}
