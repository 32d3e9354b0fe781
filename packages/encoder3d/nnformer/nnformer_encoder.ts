import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, LayerNorm, type Module, type Parameters, type Triple } from "@med3d/nn";
import { joinList } from "../_blocks.ts";
import { checkEncodable } from "../_check_volume.ts";
import { addCosts, type Cost, type Costed, dividedBy } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { DropPathSeeds, ratesOfStages } from "./_drop_paths.ts";
import { PatchStem } from "./_patch_stem.ts";
import { DownStep } from "./_steps.ts";
import { applyBlocks, VolumeBlock } from "./_volume_block.ts";
import { type NnFormerOptions, type NnFormerSettings, resolveNnFormerOptions } from "./nnformer_options.ts";

/** What the dropped branches of a pass are drawn from. */
export interface DropPathOptions {
  /**
   * Seed of this pass in training, e.g. `${run}/${step}`: the same seed drops the same branches. Default: the next of a series that the
   * network's `random` begins, counted by `trainingPasses`.
   */
  readonly seed?: string;
}

/** Blocks of one stage, the norm of its output, and the step behind it. */
interface Stage {
  readonly blocks: readonly VolumeBlock[];
  readonly norm: LayerNorm;
  readonly step: DownStep | undefined;
}

/**
 * Encoder of nnFormer: patches embedded by four convolutions, then stages of attention within the windows of the volume, shifted in every other
 * block, with a strided convolution from stage to stage (Zhou et al. 2023, "nnFormer: Volumetric medical image segmentation via a 3D
 * transformer"). In the deep stages a window is as large as the grid, so that all of the volume is seen.
 *
 * Names, layout on disk and numerics of the published code's `model_down`, against a transcription of which outputs and gradients were checked;
 * {@linkcode NnFormerDecoder} is its other half. `toNnFormerStateDict` adds the tables of offsets that the code stores. With the defaults it is
 * the network for brain tumours; that for Synapse has patches of `[2, 4, 4]`, 192 features and twice the heads; that for ACDC patches of
 * `[1, 4, 4]`, windows `[[3, 5, 5], [3, 5, 5], [7, 10, 10], [3, 5, 5]]`, strides `[[1, 2, 2], 2, 2]` and no mask.
 */
export class NnFormerEncoder implements Encoder3D, Costed {
  /** Channels of each level: features × 1, 2, 4, … */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level, the patch first. */
  readonly strides: readonly Triple[];
  /** Options in force, all defaults filled in. */
  readonly settings: NnFormerSettings;
  /** Trainable parameters: `model_down.patch_embed.proj1.conv1.weight`, …, `model_down.layers.0.blocks.0.norm1.weight`, … */
  readonly parameters: Parameters;
  readonly #stem: PatchStem;
  readonly #stages: readonly Stage[];
  readonly #seeds: DropPathSeeds;

  /**
   * Makes the encoder.
   *
   * @throws RangeError when a number is not a positive integer, a list has not one entry per stage, heads do not divide a stage's width, patches
   * or strides are others than listed, `imageSize` leaves no cell, or ratio or rate is out of range.
   */
  constructor(options: NnFormerOptions) {
    const settings = resolveNnFormerOptions("make an NnFormerEncoder", options);
    const { random } = options;
    const { inChannels, stages, patchSize, maskShifted, mlpRatio, recompute } = settings;
    this.settings = settings;
    this.channels = stages.map(({ width }) => width);
    this.strides = settings.strides;
    this.#stem = new PatchStem(inChannels, this.channels[0]!, { patchSize, random });
    const rates = ratesOfStages(settings.dropPath, stages.map(({ depth }) => depth));
    this.#stages = stages.map(({ width, heads, window, grid, stride }, i) => ({
      blocks: rates[i]!.map((dropPath, k) =>
        new VolumeBlock(width, {
          ...{ heads, window, masked: maskShifted, dropPath, recompute, random },
          shifted: k % 2 === 1,
          readsSkip: false,
          mlpWidth: Math.floor(width * mlpRatio),
        })
      ),
      norm: new LayerNorm(width),
      step: stride && new DownStep(width, { stride, grid, random }),
    }));
    this.#seeds = new DropPathSeeds(random);
    const layers: readonly Module[] = this.#stages.map(({ blocks, step }) => ({
      parameters: joinParameters({ "": joinList("blocks", blocks), downsample: step?.parameters ?? new Map() }),
    }));
    this.parameters = joinParameters({
      "model_down.patch_embed": this.#stem.parameters,
      model_down: joinParameters(
        new Map([
          ["", joinList("layers", layers)],
          ...this.#stages.map(({ norm }, i): [string, Parameters] => [`norm${i}`, norm.parameters]),
        ]),
      ),
    });
  }

  /** Passes in training without a seed of their own so far. A run that is resumed sets it to what the interrupted one had reached. */
  get trainingPasses(): number {
    return this.#seeds.passes;
  }

  set trainingPasses(passes: number) {
    this.#seeds.passes = passes;
  }

  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, depth, height, width, inChannels]` float32; stays the caller's. Of `imageSize`, or any multiples of the coarsest
   * stride; windows then shrink, fill up and shift as the grids ask for.
   * @param training Whether branches are left out at random. Default false.
   * @returns One `[batch, d, h, w, channels[level]]` tensor per level; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit.
   */
  encode(volume: tf.Tensor5D, training = false, options: DropPathOptions = {}): tf.Tensor5D[] {
    this.#check(volume.shape);
    const seed = this.#seeds.draw(training, options.seed);
    return tf.tidy(() => {
      let x = this.#stem.apply(volume);
      return this.#stages.map(({ blocks, norm, step }, i) => {
        const y = applyBlocks(blocks, x, { seed: seed === undefined ? undefined : `${seed}/encoder/${i}` });
        if (step) x = step.apply(y);
        return norm.apply(y);
      });
    });
  }

  #check(shape: readonly number[]): void {
    const { inChannels, imageSize, stages } = this.settings;
    const own = shape.slice(1, 4).join() === imageSize.join();
    const odd = stages.some(({ grid, stride }) => stride?.some((step, axis) => grid[axis]! % step !== 0));
    if (!own && odd) {
      throw new RangeError(
        `Cannot encode: the volume is not of the encoder's size: got [${shape}], expected [batch, ${imageSize}, ${inChannels}], whose odd ` +
          `grids have steps of their own. Make the encoder with another imageSize.`,
      );
    }
    checkEncodable(shape, { inChannels, coarsest: own ? [1, 1, 1] : this.strides.at(-1)! });
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const costs = this.#stages.flatMap(({ blocks, step }, i) => {
      const size = dividedBy(inputSize, this.strides[i]!);
      return [...blocks, ...(step ? [step] : [])].map((part) => part.cost(size));
    });
    return addCosts([this.#stem.cost(inputSize), ...costs]);
  }
}
