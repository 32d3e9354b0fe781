import * as tf from "@tensorflow/tfjs-core";
import { ConvTranspose3d, joinParameters, type Parameters, type Triple, type TripleLike } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { joinList, StackedConvs } from "./_blocks.ts";
import { checkFeatures } from "./_check_features.ts";
import { addCosts, type Cost, type Costed, costOfTransposedConvolution, dividedBy, product } from "./_cost.ts";
import type { Decoder3D, Encoder3D } from "./contract.ts";
import { resolveCounts, resolveStages, resolveTriples } from "./unet_options.ts";

/** Options of {@linkcode UNetDecoder}. */
export interface UNetDecoderOptions {
  /** Convolutions behind each upsampling, deepest first, or one number for all. Default 2. */
  readonly convsPerStage?: number | readonly number[];
  /** Cells of each level's kernels, finest first. Default: those of the encoder where it tells them, else 3. */
  readonly kernelSizes?: readonly TripleLike[];
  /**
   * Channels at full resolution, where the encoder's finest level is coarser than the volume. Default: such that this level holds about as
   * many numbers as the encoder's finest, but at least 8.
   */
  readonly fullResolutionChannels?: number;
  /** Whether convolutions have biases. Default true. */
  readonly convBias?: boolean;
  /**
   * Stages that keep nothing but their inputs for the gradients and are computed again on the way back: all (true), none (false), or a list
   * of indices, deepest first; that to full resolution, where there is one, is the last. Less memory for more time, the same numbers.
   * Default false.
   */
  readonly recompute?: boolean | readonly number[];
  /** Source of the initial values: He's normal distribution as nnU-Net, zero biases. */
  readonly random: Random;
}

/** Upsamples, joins the skip of that level where there is one, and convolves. */
interface DecoderStage {
  readonly upsample: ConvTranspose3d;
  readonly convs: StackedConvs;
}

/**
 * Decoder of nnU-Net's U-Nets for any {@linkcode Encoder3D}: from the deepest level up, a transposed convolution whose kernel equals its
 * stride, concatenation with the encoder's level, and convolutions. Where the encoder's finest level is coarser than the volume, one more
 * stage without a skip brings it to full resolution.
 *
 * Names, layout on disk and numerics of `UNetDecoder` in MIC-DKFZ's dynamic-network-architectures 0.4.4, against which outputs and
 * gradients were checked; the stage to full resolution is ours. A head maps the features to what is wanted
 * ({@linkcode ReconstructionHead}).
 */
export class UNetDecoder implements Decoder3D, Costed {
  /** Channels of the output. */
  readonly outChannels: number;
  /** Trainable parameters: `transpconvs.<stage>.weight`, `stages.<stage>.convs.<i>.conv.weight`, … and `full_resolution.*`. */
  readonly parameters: Parameters;
  readonly #channels: readonly number[];
  readonly #strides: readonly Triple[];
  readonly #stages: readonly DecoderStage[];
  readonly #fullResolution: DecoderStage | undefined;
  readonly #recompute: readonly boolean[];

  /**
   * Makes the decoder of an encoder.
   *
   * @param encoder Only its channels, strides and, where present, kernel sizes are read.
   * @throws RangeError when an option is out of range, or the stride of a level is no multiple of the finer one's.
   */
  constructor(
    encoder: Pick<Encoder3D, "channels" | "strides"> & { readonly kernelSizes?: readonly Triple[] },
    options: UNetDecoderOptions,
  ) {
    const action = "make a UNetDecoder";
    const { convsPerStage = 2, convBias = true, random } = options;
    const { channels, strides } = encoder;
    const levels = channels.length;
    this.#channels = channels;
    this.#strides = resolveTriples(action, "the encoder's strides", { values: strides, length: levels });
    const kernelSizes = resolveTriples(action, "kernelSizes", {
      values: options.kernelSizes ?? encoder.kernelSizes ?? channels.map(() => 3),
      length: levels,
    });
    const counts = resolveCounts(action, "convsPerStage", { value: convsPerStage, length: levels - 1 });

    this.#stages = counts.map((count, stage) => {
      const level = levels - 2 - stage; // the level that the stage rises to
      const [below, skip] = [channels[level + 1]!, channels[level]!];
      const stride = ratio(this.#strides[level + 1]!, this.#strides[level]!);
      return {
        upsample: new ConvTranspose3d(below, skip, {
          kernelSize: stride,
          bias: convBias,
          initialisation: "he",
          random,
        }),
        convs: new StackedConvs(2 * skip, skip, { count, kernelSize: kernelSizes[level]!, convBias, random }),
      };
    });
    const [finest, finestStride] = [channels[0]!, this.#strides[0]!];
    const parameters = new Map([
      ...joinList("stages", this.#stages.map(({ convs }) => convs)),
      ...joinList("transpconvs", this.#stages.map(({ upsample }) => upsample)),
    ]);
    this.outChannels = finest;
    if (product(finestStride) > 1) {
      const balanced = Math.max(8, Math.ceil(finest / product(finestStride)));
      this.outChannels = options.fullResolutionChannels ?? balanced;
      this.#fullResolution = {
        upsample: new ConvTranspose3d(finest, this.outChannels, {
          kernelSize: finestStride,
          bias: convBias,
          initialisation: "he",
          random,
        }),
        convs: new StackedConvs(this.outChannels, this.outChannels, {
          count: counts.at(-1) ?? 1,
          kernelSize: kernelSizes[0]!,
          convBias,
          random,
        }),
      };
    }
    const full = this.#fullResolution;
    this.#recompute = resolveStages(action, "recompute", {
      value: options.recompute ?? false,
      length: counts.length + (full ? 1 : 0),
    });
    this.parameters = joinParameters({
      "": parameters,
      "full_resolution.stage": full?.convs.parameters ?? new Map(),
      "full_resolution.transpconv": full?.upsample.parameters ?? new Map(),
    });
  }

  /**
   * Computes a dense map on the volume's grid.
   *
   * @param features One `[batch, d, h, w, channels[level]]` float32 tensor per level, finest first; stay the caller's.
   * @returns `[batch, depth, height, width, outChannels]`; the caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the levels are not those of the encoder.
   */
  decode(features: readonly tf.Tensor5D[]): tf.Tensor5D {
    return tf.tidy(() => this.decodeLevels(features)[0]!);
  }

  /**
   * Computes what every stage makes, as deep supervision asks for.
   *
   * @param features As {@linkcode UNetDecoder.decode} takes them; stay the caller's.
   * @returns `[batch, d, h, w, channels]` per stage, finest first, so that the first is what `decode` returns; their channels and strides are
   * {@linkcode UNetDecoder.levels}. The caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the levels are not those of the encoder.
   */
  decodeLevels(features: readonly tf.Tensor5D[]): tf.Tensor5D[] {
    checkFeatures(features, { channels: this.#channels, strides: this.#strides });
    return tf.tidy(() => {
      const made: tf.Tensor5D[] = [];
      this.#stages.forEach((_, stage) => {
        made.unshift(this.#apply(stage, made[0] ?? features.at(-1)!, features[features.length - 2 - stage]!));
      });
      if (this.#fullResolution) made.unshift(this.#apply(this.#stages.length, made[0] ?? features.at(-1)!));
      return made.length > 0 ? made : [tf.clone(features[0]!)];
    });
  }

  /** Channels and input voxels per cell of what {@linkcode UNetDecoder.decodeLevels} returns, finest first. */
  get levels(): readonly { readonly channels: number; readonly stride: Triple }[] {
    const own = this.#channels.map((channels, level) => ({ channels, stride: this.#strides[level]! }));
    const risen = own.length > 1 ? own.slice(0, -1) : this.#fullResolution ? [] : own;
    return this.#fullResolution ? [{ channels: this.outChannels, stride: [1, 1, 1] }, ...risen] : risen;
  }

  /** Applies a stage to what comes from below, and to the skip where there is one. */
  #apply(stage: number, below: tf.Tensor5D, ...skip: tf.Tensor5D[]): tf.Tensor5D {
    const { upsample, convs } = this.#stages[stage] ?? this.#fullResolution!;
    const apply = (x: tf.Tensor5D, ...skip: tf.Tensor5D[]): tf.Tensor5D =>
      tf.tidy(() => {
        const risen = upsample.apply(x);
        return convs.apply(skip.length > 0 ? tf.concat([risen, ...skip], 4) : risen);
      });
    if (!this.#recompute[stage]) return apply(below, ...skip);
    const variables = [upsample, convs].flatMap(({ parameters }) => [...parameters.values()]);
    return recompute({ inputs: [below, ...skip] as const, variables }, apply);
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const sizes = this.#strides.map((stride) => dividedBy(inputSize, stride)).reverse(); // deepest first
    const costs = this.#stages.flatMap(({ upsample, convs }, stage) => [
      costOfTransposedConvolution(upsample, sizes[stage]!),
      convs.cost(sizes[stage + 1]!),
    ]);
    if (this.#fullResolution) {
      costs.push(costOfTransposedConvolution(this.#fullResolution.upsample, sizes.at(-1)!));
      costs.push(this.#fullResolution.convs.cost(inputSize));
    }
    return addCosts(costs);
  }
}

function ratio(coarse: Triple, fine: Triple): Triple {
  const quotient = coarse.map((stride, axis) => stride / fine[axis]!);
  if (quotient.some((step) => !Number.isInteger(step))) {
    throw new RangeError(
      `Cannot make a UNetDecoder: a level's stride is no multiple of the finer one's: got [${coarse}] after [${fine}], ` +
        `expected whole multiples.`,
    );
  }
  return quotient as unknown as Triple;
}
