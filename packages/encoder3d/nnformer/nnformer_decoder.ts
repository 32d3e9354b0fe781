import * as tf from "@tensorflow/tfjs-core";
import { ConvTranspose3d, joinParameters, type Module, type Parameters, type Triple } from "@med3d/nn";
import type { Random } from "random";
import { joinList } from "../_blocks.ts";
import { addCosts, type Cost, type Costed, costOfTransposedConvolution, dividedBy } from "../_cost.ts";
import type { Decoder3D } from "../contract.ts";
import { resolveCounts } from "../unet_options.ts";
import { checkCount, checkHeads } from "../vit/_checks.ts";
import { DropPathSeeds, ratesOfStages } from "./_drop_paths.ts";
import { UpStep } from "./_steps.ts";
import { applyBlocks, VolumeBlock } from "./_volume_block.ts";
import type { DropPathOptions, NnFormerEncoder } from "./nnformer_encoder.ts";
import { checkDropPath } from "./nnformer_options.ts";

/** Options of {@linkcode NnFormerDecoder}. */
export interface NnFormerDecoderOptions {
  /** Channels of the output: `num_classes`. Default 1. */
  readonly outChannels?: number;
  /**
   * Heads of each stage but the deepest, finest first. Default: those of the encoder's next deeper stage, as in the code for tumours; the code
   * for Synapse and ACDC has those of the same stage.
   */
  readonly heads?: readonly number[];
  /** Whether every stage has a head, as in the code for Synapse. Default false. */
  readonly deepSupervision?: boolean;
  /** Greatest rate of left-out branches in training, in the finest stage's last block. Default: the encoder's. */
  readonly dropPath?: number;
  /** Whether blocks keep nothing but their inputs for the gradients and are computed again on the way back. Default: as the encoder. */
  readonly recompute?: boolean;
  /** Source of the initial values, PyTorch's defaults, and of the dropped branches. */
  readonly random: Random;
}

/** Rises to the grid of one level and attends to it. */
interface Stage {
  readonly step: UpStep;
  readonly blocks: readonly VolumeBlock[];
}

/**
 * Decoder of nnFormer: from the deepest level up, a transposed convolution, attention of what rises to the encoder's level (queries are the risen
 * features as they are, keys and values are projected from the skip, as in the published code), further blocks in shifted windows, and at the
 * end a transposed convolution from cells to voxels.
 *
 * Names, layout on disk and numerics of `decoder` and `final` in the published code (Zhou et al. 2023), against a transcription of which outputs
 * and gradients were checked.
 */
export class NnFormerDecoder implements Decoder3D, Costed {
  /** Channels of the output. */
  readonly outChannels: number;
  /** Trainable parameters: `decoder.layers.0.blocks.0.norm1.weight`, …, `final.0.up.weight`, …; layer 0 is the finest. */
  readonly parameters: Parameters;
  readonly #encoder: Pick<NnFormerEncoder, "channels" | "settings">;
  readonly #stages: readonly Stage[];
  readonly #heads: readonly ConvTranspose3d[];
  readonly #seeds: DropPathSeeds;

  /**
   * Makes the decoder of an encoder.
   *
   * @param encoder Only its channels and settings are read.
   * @throws RangeError when the encoder has one stage alone, or an option is out of range.
   */
  constructor(encoder: Pick<NnFormerEncoder, "channels" | "settings">, options: NnFormerDecoderOptions) {
    const action = "make an NnFormerDecoder";
    const { outChannels = 1, deepSupervision = false, random } = options;
    const { stages, patchSize, maskShifted, mlpRatio } = encoder.settings;
    const { dropPath = encoder.settings.dropPath, recompute = encoder.settings.recompute } = options;
    const levels = stages.slice(0, -1);
    checkCount(action, "the number of steps between the encoder's stages", levels.length);
    checkCount(action, "outChannels", outChannels);
    checkDropPath(action, dropPath);
    const heads = resolveCounts(action, "heads", {
      value: options.heads ?? stages.slice(1).map(({ heads }) => heads),
      length: levels.length,
    });
    levels.forEach(({ width }, level) => checkHeads(action, width, heads[level]!));
    this.outChannels = outChannels;
    this.#encoder = encoder;
    const rates = ratesOfStages(dropPath, levels.map(({ depth }) => depth).reverse()).toReversed(); // rise from the deepest stage
    this.#stages = levels.map(({ width, window, grid, stride }, level) => ({
      step: new UpStep(width, { stride: stride!, grid, random }),
      blocks: rates[level]!.map((dropPath, k) =>
        new VolumeBlock(width, {
          ...{ heads: heads[level]!, window, masked: maskShifted, dropPath, recompute, random },
          shifted: k > 0,
          readsSkip: k === 0,
          mlpWidth: Math.floor(width * mlpRatio),
        })
      ),
    }));
    this.#heads = (deepSupervision ? levels : levels.slice(0, 1)).map(({ width }) =>
      new ConvTranspose3d(width, outChannels, { kernelSize: patchSize, random })
    );
    this.#seeds = new DropPathSeeds(random);
    const layers: readonly Module[] = this.#stages.map(({ blocks, step }) => ({
      parameters: joinParameters({ "": joinList("blocks", blocks), Upsample: step.parameters }),
    }));
    const final = this.#heads.map(({ parameters }): Module => ({ parameters: joinParameters({ up: parameters }) }));
    this.parameters = joinParameters({ decoder: joinList("layers", layers), "": joinList("final", final) });
  }

  /** Passes in training without a seed of their own so far, as {@linkcode NnFormerEncoder.trainingPasses}. */
  get trainingPasses(): number {
    return this.#seeds.passes;
  }

  set trainingPasses(passes: number) {
    this.#seeds.passes = passes;
  }

  /**
   * Computes a dense map on the volume's grid.
   *
   * @param features One `[batch, d, h, w, channels[level]]` float32 tensor per level, finest first; stay the caller's.
   * @param training Whether branches are left out at random. Default false.
   * @returns `[batch, depth, height, width, outChannels]`; the caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the levels are not those of the encoder.
   */
  decode(features: readonly tf.Tensor5D[], training = false, options: DropPathOptions = {}): tf.Tensor5D {
    return tf.tidy(() => this.decodeLevels(features, training, options)[0]!);
  }

  /**
   * Computes the map of every stage that has a head, as deep supervision asks for.
   *
   * @param features As {@linkcode NnFormerDecoder.decode} takes them; stay the caller's.
   * @param training Whether branches are left out at random. Default false.
   * @returns `[batch, d, h, w, outChannels]` per head, finest first: at the volume's resolution, then at that of each stride from stage to
   * stage. The caller disposes. Gradients flow to features and parameters.
   * @throws RangeError when the levels are not those of the encoder.
   */
  decodeLevels(features: readonly tf.Tensor5D[], training = false, options: DropPathOptions = {}): tf.Tensor5D[] {
    this.#check(features);
    const seed = this.#seeds.draw(training, options.seed);
    return tf.tidy(() => {
      const made: tf.Tensor5D[] = []; // finest first
      for (let level = this.#stages.length - 1; level >= 0; level--) {
        const { step, blocks } = this.#stages[level]!;
        const risen = step.apply(made[0] ?? features.at(-1)!);
        const drawn = seed === undefined ? undefined : `${seed}/decoder/${level}`;
        made.unshift(applyBlocks(blocks, risen, { skip: features[level]!, seed: drawn }));
      }
      return this.#heads.map((head, level) => head.apply(made[level]!));
    });
  }

  #check(features: readonly tf.Tensor5D[]): void {
    const { channels, settings: { stages } } = this.#encoder;
    const fits = features.length === channels.length && features.every(({ shape }, level) => {
      const alike = shape.length === 5 && shape[4] === channels[level] && shape[0] === features[0]!.shape[0];
      if (!alike || level === 0) return alike;
      const { stride = [1, 1, 1], grid } = stages[level - 1]!;
      return stride.every((step, axis) =>
        features[level - 1]!.shape[axis + 1] === shape[axis + 1]! * step + grid[axis]! % step
      );
    });
    if (fits) return;
    throw new RangeError(
      `Cannot decode: the levels do not fit the encoder: got ${
        features.map(({ shape }) => `[${shape}]`).join(", ")
      }, expected ` +
        `${channels.join(", ")} channels on grids of steps ${
          stages.slice(0, -1).map(({ stride }) => `[${stride}]`).join(", ")
        }.`,
    );
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const sizes = this.#encoder.settings.strides.map((stride) => dividedBy(inputSize, stride));
    return addCosts([
      ...this.#stages.flatMap(({ step, blocks }, level) => [
        step.cost(sizes[level + 1]!),
        ...blocks.map((block) => block.cost(sizes[level]!)),
      ]),
      ...this.#heads.map((head, level) => costOfTransposedConvolution(head, sizes[level]!)),
    ]);
  }
}
