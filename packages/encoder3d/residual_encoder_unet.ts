import { joinParameters, type Parameters } from "@med3d/nn";
import { joinList, StackedConvs, StackedResidualBlocks } from "./_blocks.ts";
import { type Stage, UNetEncoder } from "./unet_encoder.ts";
import { resolveCounts, resolveUNetOptions, type UNetOptions } from "./unet_options.ts";

/** Options of {@linkcode ResidualEncoderUNet}. */
export interface ResidualEncoderUNetOptions extends UNetOptions {
  /** Residual blocks of each stage, or one number for all. Default 1, 3, 4, then 6, as nnU-Net's residual presets. */
  readonly blocksPerStage?: number | readonly number[];
}

/**
 * Encoder of nnU-Net's residual U-Net: a stem of one convolution, then stages of residual blocks whose skips are averaged over the stride
 * and projected where the channels change. Each block starts as its skip alone.
 *
 * Source: Isensee et al. 2024, "nnU-Net Revisited"; names, layout on disk and numerics of `ResidualEncoder` in MIC-DKFZ's
 * dynamic-network-architectures 0.4.4, against which outputs and gradients were checked.
 */
export class ResidualEncoderUNet extends UNetEncoder {
  /** Trainable parameters: `stem.convs.0.conv.weight`, `stages.<stage>.blocks.<i>.conv1.conv.weight`, … */
  override readonly parameters: Parameters;
  /** One convolution at full resolution. */
  protected override readonly stem: Stage;
  /** One stage per level. */
  protected override readonly stages: readonly Stage[];

  /**
   * Makes the encoder.
   *
   * @throws RangeError when an option is out of range or a list has not one entry per stage.
   */
  constructor(options: ResidualEncoderUNetOptions) {
    const resolved = resolveUNetOptions("make a ResidualEncoderUNet", options);
    const { features, strides, kernelSizes, convBias, inChannels } = resolved;
    const counts = resolveCounts("make a ResidualEncoderUNet", "blocksPerStage", {
      value: options.blocksPerStage ?? features.map((_, level) => [1, 3, 4][level] ?? 6),
      length: features.length,
    });
    super(resolved);
    const { random } = options;
    this.stem = new StackedConvs(inChannels, features[0]!, { count: 1, kernelSize: kernelSizes[0]!, convBias, random });
    this.stages = features.map((outChannels, level) =>
      new StackedResidualBlocks(features[Math.max(0, level - 1)]!, outChannels, {
        count: counts[level]!,
        kernelSize: kernelSizes[level]!,
        stride: strides[level]!,
        convBias,
        random,
      })
    );
    this.parameters = joinParameters({ stem: this.stem.parameters, "": joinList("stages", this.stages) });
  }
}
