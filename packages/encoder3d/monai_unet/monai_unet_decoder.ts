import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, type Parameters, type Triple, type TripleLike } from "@med3d/nn";
import type { Random } from "random";
import { checkFeatures } from "../_check_features.ts";
import { addCosts, type Cost, type Costed, dividedBy } from "../_cost.ts";
import type { Decoder3D } from "../contract.ts";
import { checkCounts, resolveTriples } from "../unet_options.ts";
import { ResidualUnit, TransposedConvolution } from "./_monai_blocks.ts";
import { levelPrefix } from "./_names.ts";
import type { MonaiUNetEncoder } from "./monai_unet_encoder.ts";

/** Options of {@linkcode MonaiUNetDecoder}. */
export interface MonaiUNetDecoderOptions {
  /** Channels of the output. Default 2. */
  readonly outChannels?: number;
  /** Cells of the transposed convolutions' kernels, odd: MONAI's `up_kernel_size`. Default 3. */
  readonly upKernelSize?: TripleLike;
  /** Source of the initial values: PyTorch's default distributions. */
  readonly random: Random;
}

interface UpStage {
  readonly rise: TransposedConvolution;
  readonly unit: ResidualUnit | undefined;
}

/**
 * Decoder of MONAI's UNet: from the deepest level up, the encoder's level is joined in front of what comes from below and a transposed convolution
 * raises both to the grid above, followed by a residual unit where the encoder has them. The last one reaches the volume's grid; neither norm nor
 * activation follow there.
 *
 * Names, layout on disk and numerics of `UNet` in MONAI 1.6.1, against which outputs and gradients were checked.
 */
export class MonaiUNetDecoder implements Decoder3D, Costed {
  /** Channels of the output. */
  readonly outChannels: number;
  /** Trainable parameters: `model.2.conv.weight`, `model.1.submodule.2.conv.weight`, …, with residual units `model.2.0.conv.weight`, … */
  readonly parameters: Parameters;
  readonly #encoder: Pick<MonaiUNetEncoder, "channels" | "strides">;
  /** Finest first; entry i joins level i and rises from it. */
  readonly #stages: readonly UpStage[];

  /**
   * Makes the decoder of an encoder.
   *
   * @param encoder Only its channels, strides, kernel size, residual units and bias are read.
   * @throws RangeError when an option is out of range.
   */
  constructor(
    encoder: Pick<MonaiUNetEncoder, "channels" | "strides" | "kernelSize" | "residualUnits" | "bias">,
    options: MonaiUNetDecoderOptions,
  ) {
    const action = "make a MonaiUNetDecoder";
    const { outChannels = 2, random } = options;
    const { channels, strides, kernelSize, residualUnits, bias } = encoder;
    checkCounts(action, "outChannels", [outChannels]);
    const [upKernelSize] = resolveTriples(action, "upKernelSize", {
      values: [options.upKernelSize ?? 3],
      length: 1,
    }) as [
      Triple,
    ];
    if (upKernelSize.some((size) => size % 2 === 0)) {
      throw new RangeError(`Cannot ${action}: upKernelSize is even: got [${upKernelSize}], expected odd numbers.`);
    }
    this.#encoder = encoder;
    this.outChannels = outChannels;
    this.#stages = channels.slice(0, -1).map((skip, level): UpStage => {
      const below = level === channels.length - 2 ? channels[level + 1]! : skip;
      const to = channels[level - 1] ?? outChannels;
      const stride = dividedBy(strides[level]!, strides[level - 1] ?? [1, 1, 1]);
      const top = level === 0;
      const shared = { bias, random };
      return {
        rise: new TransposedConvolution(skip + below, to, {
          ...shared,
          kernelSize: upKernelSize,
          stride,
          bare: top && residualUnits === 0,
        }),
        unit: residualUnits === 0
          ? undefined
          : new ResidualUnit(to, to, { ...shared, kernelSize, stride: [1, 1, 1], count: 1, lastBare: top }),
      };
    });
    this.parameters = joinParameters(
      new Map(this.#stages.flatMap(({ rise, unit }, level): [string, Parameters][] => {
        const prefix = `${levelPrefix(level)}2`;
        return unit
          ? [[`${prefix}.0`, rise.parameters], [`${prefix}.1`, unit.parameters]]
          : [[prefix, rise.parameters]];
      })),
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
    return tf.tidy(() =>
      this.#stages.reduceRight((below, { rise, unit }, level) => {
        const risen = rise.apply(tf.concat([features[level]!, below], 4));
        return unit ? unit.apply(risen) : risen;
      }, features.at(-1)!)
    );
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const { strides } = this.#encoder;
    return addCosts(this.#stages.flatMap(({ rise, unit }, level) => {
      const risen = rise.cost(dividedBy(inputSize, strides[level]!));
      return unit ? [risen, unit.cost(dividedBy(inputSize, strides[level - 1] ?? [1, 1, 1]))] : [risen];
    }));
  }
}
