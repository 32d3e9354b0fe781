import * as tf from "@tensorflow/tfjs-core";
import { Conv3d, joinParameters, LayerNorm, type Parameters, type Triple, type TripleLike } from "@med3d/nn";
import type { Random } from "random";
import { checkEncodable, refuseSingleCell } from "../_check_volume.ts";
import { addCosts, type Cost, type Costed, costOfConvolution } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { UnetrConvBlock } from "../unetr/_unetr_blocks.ts";
import { resolveCounts } from "../unet_options.ts";
import { checkCount, checkHeads, resolveTriple } from "../vit/_checks.ts";
import { halved, type PatchMergingOrder, SwinStage } from "./_swin_stage.ts";

export type { PatchMergingOrder } from "./_swin_stage.ts";

/** Options of {@linkcode SwinUnetrEncoder}. Lists have one entry for each of the four stages, finest first. */
export interface SwinUnetrEncoderOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /** Channels of the two finest levels; they double from the third on. MONAI takes multiples of 12 only. Default 24. */
  readonly features?: number;
  /** Blocks of each stage, or one number for all. Default 2. */
  readonly depths?: number | readonly number[];
  /** Heads of each stage; each divides features × 1, 2, 4, 8 into parts of at most 128. Default `[3, 6, 12, 24]`. */
  readonly heads?: readonly number[];
  /** Cells of a window, `[depth, height, width]` or one number. Default 7. */
  readonly windowSize?: TripleLike;
  /** Width between the two linear layers of a block, relative to the stage's. Default 4. */
  readonly mlpRatio?: number;
  /** Whether queries, keys and values have biases. Default true. */
  readonly qkvBias?: boolean;
  /** Whether each stage begins with a block of convolutions: Swin UNETR version 2, MONAI's `use_v2`. Default false. */
  readonly residualConvs?: boolean;
  /** Order of the eight cells that are merged: `"v1"` is MONAI's `"merging"`, `"v2"` its `"mergingv2"`. Default `"v1"`. */
  readonly merging?: PatchMergingOrder;
  /** Whether a layer norm follows the embedding of the patches. Default false. */
  readonly patchNorm?: boolean;
  /** Whether what the convolutions take from each stage is normalised cell by cell. Default true. */
  readonly normalize?: boolean;
  /** Whether instance norms scale and shift, as MONAI's `norm_name=("instance", {"affine": True})`. Default false. */
  readonly normAffine?: boolean;
  /** Whether transformer blocks keep nothing but their input for the gradients and are computed again on the way back. Default false. */
  readonly recompute?: boolean;
  /** Source of the initial values, distributed as MONAI's. */
  readonly random: Random;
}

const PATCH: Triple = [2, 2, 2];
const COARSEST: Triple = [32, 32, 32];
/** Stages whose outputs pass a block of convolutions, as MONAI numbers them: `encoder10` is the deepest. */
const CONVOLVED = [2, 3, 4, 10] as const;

/**
 * Encoder of Swin UNETR: patches of 2³ voxels, four stages of attention in shifted windows that each end by merging 2³ cells, and blocks of
 * convolutions that turn their outputs into a pyramid (Hatamizadeh et al. 2022; version 2: He et al. 2023).
 *
 * Names, layout on disk and numerics of `SwinUNETR` in MONAI 1.6 with instance norm and neither dropout nor drop path, against which outputs and
 * gradients were checked; `UnetrDecoder` is its other half, and `toMonaiStateDict` adds the tables of relative positions that MONAI stores.
 */
export class SwinUnetrEncoder implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Channels of each level: features × 1, 1, 2, 4, 8, 16. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level: 1, 2, 4, 8, 16, 32 along each axis. */
  readonly strides: readonly Triple[];
  /** Cells of a window; `toMonaiStateDict` asks for it. */
  readonly windowSize: Triple;
  /** Whether instance norms scale and shift; the decoder takes it over. */
  readonly normAffine: boolean;
  /** Trainable parameters: `swinViT.layers1.0.blocks.0.attn.qkv.weight`, …, `encoder1.layer.conv1.conv.weight`, … */
  readonly parameters: Parameters;
  readonly #embedding: Conv3d;
  readonly #embeddingNorm: LayerNorm | undefined;
  readonly #stages: readonly { readonly convs: UnetrConvBlock | undefined; readonly blocks: SwinStage }[];
  readonly #norms: readonly LayerNorm[];
  readonly #finest: UnetrConvBlock;
  readonly #convolved: readonly UnetrConvBlock[];

  /**
   * Makes the encoder.
   *
   * @throws RangeError when a number is not a positive integer, a list has not four entries, heads do not divide a stage's width, the ratio is
   * not positive, or the order of merging is unknown.
   */
  constructor(options: SwinUnetrEncoderOptions) {
    const action = "make a SwinUnetrEncoder";
    const { inChannels = 1, features = 24, mlpRatio = 4, qkvBias = true, residualConvs = false, random } = options;
    const { merging = "v1", patchNorm = false, normalize = true, normAffine = false, recompute = false } = options;
    checkCount(action, "inChannels", inChannels);
    checkCount(action, "features", features);
    const depths = resolveCounts(action, "depths", { value: options.depths ?? 2, length: 4 });
    const heads = resolveCounts(action, "heads", { value: options.heads ?? [3, 6, 12, 24], length: 4 });
    const windowSize = resolveTriple(action, "windowSize", options.windowSize ?? 7);
    const widths = [1, 2, 4, 8].map((factor) => factor * features);
    widths.forEach((width, stage) => checkHeads(action, width, heads[stage]!));
    if (!(mlpRatio * features >= 1 && Number.isFinite(mlpRatio))) {
      throw new RangeError(`Cannot ${action}: mlpRatio is wrong: got ${mlpRatio}, expected at least 1/${features}.`);
    }
    if (merging !== "v1" && merging !== "v2") {
      throw new RangeError(`Cannot ${action}: merging is unknown: got "${merging}", expected "v1" or "v2".`);
    }
    this.inChannels = inChannels;
    this.channels = [features, ...widths, 16 * features];
    this.strides = [1, 2, 4, 8, 16, 32].map((stride): Triple => [stride, stride, stride]);
    this.windowSize = windowSize;
    this.normAffine = normAffine;
    const convs = (inChannels: number, outChannels: number, normAffine: boolean): UnetrConvBlock =>
      new UnetrConvBlock(inChannels, outChannels, { residual: true, normAffine, random });
    this.#embedding = new Conv3d(inChannels, features, { kernelSize: PATCH, stride: PATCH, padding: 0, random });
    this.#embeddingNorm = patchNorm ? new LayerNorm(features) : undefined;
    this.#stages = widths.map((width, stage) => ({
      convs: residualConvs ? convs(width, width, false) : undefined,
      blocks: new SwinStage(width, {
        depth: depths[stage]!,
        heads: heads[stage]!,
        mlpWidth: Math.floor(width * mlpRatio),
        windowSize,
        qkvBias,
        merging,
        recompute,
        random,
      }),
    }));
    const outWidths = [...widths, 16 * features];
    this.#norms = normalize ? outWidths.map((width) => new LayerNorm(width, { affine: false })) : [];
    this.#finest = convs(inChannels, features, normAffine);
    this.#convolved = [0, 1, 2, 4].map((level) => convs(outWidths[level]!, outWidths[level]!, normAffine));
    this.parameters = joinParameters(
      new Map<string, Parameters>([
        ["swinViT.patch_embed.proj", this.#embedding.parameters],
        ["swinViT.patch_embed.norm", this.#embeddingNorm?.parameters ?? new Map()],
        ...this.#stages.flatMap(({ convs, blocks }, i): [string, Parameters][] => [
          [`swinViT.layers${i + 1}.0`, blocks.parameters],
          [`swinViT.layers${i + 1}c.0.layer`, convs?.parameters ?? new Map()],
        ]),
        ["encoder1.layer", this.#finest.parameters],
        ...this.#convolved.map(({ parameters }, i): [string, Parameters] => [
          `encoder${CONVOLVED[i]}.layer`,
          parameters,
        ]),
      ]),
    );
  }

  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, depth, height, width, inChannels]` float32; stays the caller's. Depth, height and width are multiples of 32, more
   * than one of them in all.
   * @returns Six tensors, `[batch, d, h, w, channels[level]]`; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit.
   */
  encode(volume: tf.Tensor5D): tf.Tensor5D[] {
    const size = checkEncodable(volume.shape, { inChannels: this.inChannels, coarsest: COARSEST });
    refuseSingleCell(size, COARSEST);
    return tf.tidy(() => {
      const [h0, h1, h2, h3, h4] = this.#hiddenStates(volume) as [
        tf.Tensor5D,
        tf.Tensor5D,
        tf.Tensor5D,
        tf.Tensor5D,
        tf.Tensor5D,
      ];
      const [c0, c1, c2, c4] = this.#convolved.map((block, i) => block.apply([h0, h1, h2, h4][i]!));
      return [this.#finest.apply(volume), c0!, c1!, c2!, h3, c4!];
    });
  }

  /** Embedded patches and the output of each stage, normalised where wanted. */
  #hiddenStates(volume: tf.Tensor5D): tf.Tensor5D[] {
    const embedded = this.#embedding.apply(volume);
    let x = this.#embeddingNorm?.apply(embedded) ?? embedded;
    const states = [x];
    for (const { convs, blocks } of this.#stages) states.push(x = blocks.apply(convs?.apply(x) ?? x));
    return states.map((state, level) => this.#norms[level]?.apply(state) ?? state);
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const costs = [costOfConvolution(this.#embedding, inputSize), this.#finest.cost(inputSize)];
    const sizes = [halved(inputSize)];
    for (const { convs, blocks } of this.#stages) {
      const size = sizes.at(-1)!;
      if (convs) costs.push(convs.cost(size));
      costs.push(blocks.cost(size));
      sizes.push(halved(size));
    }
    this.#convolved.forEach((block, i) => costs.push(block.cost(sizes[[0, 1, 2, 4][i]!]!)));
    return addCosts(costs);
  }
}
