import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, type Parameters, type Triple, type TripleLike } from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, dividedBy } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { checkCount, resolveTriple } from "../vit/_checks.ts";
import { ViTEncoder, type ViTEncoderOptions } from "../vit/vit_encoder.ts";
import { UnetrConvBlock, UnetrProjection } from "./_unetr_blocks.ts";

/** Options of {@linkcode UnetrEncoder}; those of the transformer mean what they mean in {@linkcode ViTEncoderOptions}. */
export interface UnetrEncoderOptions extends
  Pick<
    ViTEncoderOptions,
    "inChannels" | "hiddenSize" | "mlpSize" | "heads" | "patchProjection" | "qkvBias" | "recompute"
  > {
  /** Voxels of the volume, multiples of 16, `[depth, height, width]` or one number; sets the table of positions. Default 96. */
  readonly imageSize?: TripleLike;
  /** Channels at full resolution; they double from level to level. Default 16. */
  readonly features?: number;
  /** Whether convolutions stand between the upsamplings of hidden states. Default true. */
  readonly convBlocks?: boolean;
  /** Whether blocks of convolutions have a skip. Default true. */
  readonly residualBlocks?: boolean;
  /** Whether instance norms scale and shift, as MONAI's `norm_name=("instance", {"affine": True})`. Default false. */
  readonly normAffine?: boolean;
  /** Source of the initial values, distributed as MONAI's. */
  readonly random: Random;
}

/** Of the 12 blocks of the transformer, those whose hidden states the levels at strides 2, 4 and 8 are made of. */
const TAPPED_BLOCKS = [3, 6, 9] as const;
const PATCH: Triple = [16, 16, 16];

/**
 * Encoder of UNETR: a vision transformer of 12 blocks on patches of 16³ voxels, whose hidden states are brought to strides 8, 4 and 2 by
 * transposed convolutions; convolutions at full resolution make the finest level (Hatamizadeh et al. 2022).
 *
 * Names, layout on disk and numerics of `UNETR` in MONAI 1.6 with instance norm and no dropout, against which outputs and gradients were
 * checked; `UnetrDecoder` is its other half.
 */
export class UnetrEncoder implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Voxels of the volume, `[depth, height, width]`. */
  readonly imageSize: Triple;
  /** Channels of each level: features × 1, 2, 4, 8, and the width of the tokens. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level: 1, 2, 4, 8, 16 along each axis. */
  readonly strides: readonly Triple[];
  /** Whether blocks of convolutions have a skip; the decoder takes it over. */
  readonly residualBlocks: boolean;
  /** Whether instance norms scale and shift; the decoder takes it over. */
  readonly normAffine: boolean;
  /** Trainable parameters: `vit.blocks.<i>.attn.qkv.weight`, `encoder1.layer.conv1.conv.weight`, … */
  readonly parameters: Parameters;
  readonly #vit: ViTEncoder;
  readonly #finest: UnetrConvBlock;
  readonly #projections: readonly UnetrProjection[];

  /**
   * Makes the encoder.
   *
   * @throws RangeError when a number is not a positive integer, the volume's size no multiple of 16, or the heads do not divide the width.
   */
  constructor(options: UnetrEncoderOptions) {
    const action = "make a UnetrEncoder";
    const { inChannels = 1, features = 16, hiddenSize = 768, mlpSize = 3072, heads = 12, random } = options;
    const { patchProjection = "conv", qkvBias = false, recompute = false } = options;
    const { convBlocks = true, residualBlocks = true, normAffine = false } = options;
    const imageSize = resolveTriple(action, "imageSize", options.imageSize ?? 96);
    checkCount(action, "features", features);
    if (imageSize.some((n) => n % 16 !== 0)) {
      throw new RangeError(
        `Cannot ${action}: imageSize does not divide into patches: got [${imageSize}] voxels, expected multiples of 16.`,
      );
    }
    this.inChannels = inChannels;
    this.imageSize = imageSize;
    this.channels = [features, 2 * features, 4 * features, 8 * features, hiddenSize];
    this.strides = [1, 2, 4, 8, 16].map((stride): Triple => [stride, stride, stride]);
    this.residualBlocks = residualBlocks;
    this.normAffine = normAffine;
    this.#vit = new ViTEncoder({
      inChannels,
      imageSize,
      patchSize: PATCH,
      hiddenSize,
      mlpSize,
      layers: 12,
      heads,
      patchProjection,
      qkvBias,
      recompute,
      random,
    });
    const block = { residual: residualBlocks, normAffine, random };
    this.#finest = new UnetrConvBlock(inChannels, features, block);
    this.#projections = [2, 4, 8].map((factor, i) =>
      new UnetrProjection(hiddenSize, factor * features, { ...block, more: 2 - i, convBlocks })
    );
    this.parameters = joinParameters(
      new Map([
        ["vit", this.#vit.parameters],
        ["encoder1.layer", this.#finest.parameters],
        ...this.#projections.map(({ parameters }, i): [string, Parameters] => [`encoder${i + 2}`, parameters]),
      ]),
    );
  }

  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, ...imageSize, inChannels]` float32; stays the caller's.
   * @returns Five tensors, `[batch, d, h, w, channels[level]]`; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit.
   */
  encode(volume: tf.Tensor5D): tf.Tensor5D[] {
    return tf.tidy(() => {
      const { output, hidden } = this.#vit.encodeTokens(volume);
      const risen = this.#projections.map((projection, i) =>
        projection.apply(this.#vit.toGrid(hidden[TAPPED_BLOCKS[i]!]!))
      );
      return [this.#finest.apply(volume), ...risen, this.#vit.toGrid(output)];
    });
  }

  /** Estimates the cost of one volume of the encoder's own size, whatever is asked for: the table of positions allows no other. */
  cost(_inputSize: Triple = this.imageSize): Cost {
    const grid = dividedBy(this.imageSize, PATCH);
    return addCosts([
      this.#vit.cost(),
      this.#finest.cost(this.imageSize),
      ...this.#projections.map((projection) => projection.cost(grid)),
    ]);
  }
}
