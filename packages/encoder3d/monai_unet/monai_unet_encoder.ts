import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, type Parameters, type Triple, type TripleLike } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { checkEncodable, refuseSingleCell } from "../_check_volume.ts";
import { addCosts, type Cost, type Costed, dividedBy, multipliedBy } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { checkCounts, resolveCounts, resolveStages, resolveTriples } from "../unet_options.ts";
import { Convolution, ResidualUnit } from "./_monai_blocks.ts";
import { levelPrefix } from "./_names.ts";

/** Options of {@linkcode MonaiUNetEncoder}. */
export interface MonaiUNetOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /** Channels of each level, finest first, at least two: MONAI's `channels`. Default `[16, 32, 64, 128, 256]`. */
  readonly features?: readonly number[];
  /** Step of each level but the deepest, which has none; `[depth, height, width]` or one number. Default 2. */
  readonly strides?: readonly TripleLike[];
  /** Cells of the kernels on the way down, odd: MONAI's `kernel_size`. Default 3. */
  readonly kernelSize?: TripleLike;
  /** Convolutions of each residual unit: MONAI's `num_res_units`; 0 makes plain convolutions, one per level. Default 0, as MONAI. */
  readonly residualUnits?: number;
  /** Whether convolutions have biases. Default true. */
  readonly bias?: boolean;
  /**
   * Levels that keep nothing but their input for the gradients and are computed again on the way back: all (true), none (false), or a list of
   * their indices. Less memory for more time, the same numbers. Default false.
   */
  readonly recompute?: boolean | readonly number[];
  /** Source of the initial values: PyTorch's default distributions. */
  readonly random: Random;
}

/**
 * Encoder of MONAI's UNet: each level is a strided convolution with instance norm (without scale and shift) and PReLU, or a residual unit of
 * several; the deepest level keeps the grid of the one above. The finest level is half the volume's resolution with a stride of 2.
 *
 * Source: Kerfoot et al. 2018, "Left-ventricle quantification using residual U-Net"; names, layout on disk and numerics of `UNet` in MONAI 1.6.1
 * with its default norm, activation and order, without dropout, against which outputs and gradients were checked.
 */
export class MonaiUNetEncoder implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Channels of each level, finest first. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level, finest first; those of the two deepest are equal. */
  readonly strides: readonly Triple[];
  /** Cells of the kernels. {@linkcode MonaiUNetDecoder} takes these three over. */
  readonly kernelSize: Triple;
  /** Convolutions of each residual unit, or 0. */
  readonly residualUnits: number;
  /** Whether convolutions have biases. */
  readonly bias: boolean;
  /** Trainable parameters: `model.0.conv.weight`, `model.1.submodule.0.conv.weight`, … */
  readonly parameters: Parameters;
  readonly #levels: readonly (Convolution | ResidualUnit)[];
  readonly #recompute: readonly boolean[];

  /**
   * Makes the encoder.
   *
   * @throws RangeError when an option is out of range, or there are fewer than two levels.
   */
  constructor(options: MonaiUNetOptions) {
    const action = "make a MonaiUNetEncoder";
    const { inChannels = 1, features = [16, 32, 64, 128, 256], residualUnits = 0, bias = true, random } = options;
    checkCounts(action, "inChannels", [inChannels]);
    const count = features.length;
    this.channels = resolveCounts(action, "features", { value: features, length: Math.max(2, count) });
    const given = options.strides ?? features.slice(1).map(() => 2);
    const steps = resolveTriples(action, "strides", { values: given, length: count - 1 });
    [this.kernelSize] = resolveTriples(action, "kernelSize", { values: [options.kernelSize ?? 3], length: 1 }) as [
      Triple,
    ];
    if (this.kernelSize.some((size) => size % 2 === 0)) {
      throw new RangeError(`Cannot ${action}: kernelSize is even: got [${this.kernelSize}], expected odd numbers.`);
    }
    if (!Number.isSafeInteger(residualUnits) || residualUnits < 0) {
      throw new RangeError(`Cannot ${action}: residualUnits is wrong: got ${residualUnits}, expected 0, 1, 2, ….`);
    }
    this.inChannels = inChannels;
    this.residualUnits = residualUnits;
    this.bias = bias;
    this.#recompute = resolveStages(action, "recompute", { value: options.recompute ?? false, length: count });
    let total: Triple = [1, 1, 1];
    const strides = [...steps, [1, 1, 1] as const];
    this.strides = strides.map((stride) => total = multipliedBy(total, stride));
    this.#levels = features.map((channels, level) => {
      const from = features[level - 1] ?? inChannels;
      const shared = { kernelSize: this.kernelSize, stride: strides[level]!, bias, random };
      return residualUnits === 0
        ? new Convolution(from, channels, shared)
        : new ResidualUnit(from, channels, { ...shared, count: residualUnits });
    });
    this.parameters = joinParameters(
      new Map(this.#levels.map(({ parameters }, level) => {
        const prefix = levelPrefix(level);
        return [level === count - 1 ? prefix.slice(0, -1) : `${prefix}0`, parameters];
      })),
    );
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
      return this.#levels.map((level, i) => {
        const apply = (x: tf.Tensor5D): tf.Tensor5D => level.apply(x);
        const variables = level.parameters.values();
        return x = this.#recompute[i] ? recompute({ inputs: [x], variables }, apply) : apply(x);
      });
    });
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    return addCosts(this.#levels.map((level, i) => level.cost(dividedBy(inputSize, this.strides[i - 1] ?? [1, 1, 1]))));
  }
}
