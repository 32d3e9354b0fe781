import { joinParameters, type Parameters } from "@med3d/nn";
import { StackedConvs } from "./_blocks.ts";
import { type Stage, UNetEncoder } from "./unet_encoder.ts";
import { resolveCounts, resolveUNetOptions, type UNetOptions } from "./unet_options.ts";

/** Options of {@linkcode PlainUNet}. */
export interface PlainUNetOptions extends UNetOptions {
  /** Convolutions of each stage, or one number for all. Default 2. */
  readonly convsPerStage?: number | readonly number[];
}

/**
 * Encoder of nnU-Net's plain U-Net: stages of convolution, instance norm (ε 1e-5) and leaky ReLU (0.01); the first convolution of a stage
 * is strided.
 *
 * Source: Isensee et al. 2021, nnU-Net; names, layout on disk and numerics of `PlainConvEncoder` in MIC-DKFZ's
 * dynamic-network-architectures 0.4.4, against which outputs and gradients were checked.
 */
export class PlainUNet extends UNetEncoder {
  /** Trainable parameters: `stages.<stage>.0.convs.<i>.conv.weight`, … */
  override readonly parameters: Parameters;
  /** None. */
  protected override readonly stem: undefined;
  /** One stage per level. */
  protected override readonly stages: readonly Stage[];

  /**
   * Makes the encoder.
   *
   * @throws RangeError when an option is out of range or a list has not one entry per stage.
   */
  constructor(options: PlainUNetOptions) {
    const resolved = resolveUNetOptions("make a PlainUNet", options);
    const { features, strides, kernelSizes, convBias, inChannels } = resolved;
    const counts = resolveCounts("make a PlainUNet", "convsPerStage", {
      value: options.convsPerStage ?? 2,
      length: features.length,
    });
    super(resolved);
    this.stages = features.map((outChannels, level) =>
      new StackedConvs(features[level - 1] ?? inChannels, outChannels, {
        count: counts[level]!,
        kernelSize: kernelSizes[level]!,
        stride: strides[level]!,
        convBias,
        random: options.random,
      })
    );
    this.parameters = joinParameters(new Map(this.stages.map((stage, i) => [`stages.${i}.0`, stage.parameters])));
  }
}
