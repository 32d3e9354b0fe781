import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, LayerNorm, type Parameters, type Triple, type TripleLike } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { joinList } from "../_blocks.ts";
import { addCosts, type Cost, type Costed } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { checkCount, checkHeads, checkVolumeShape, resolveTriple } from "./_checks.ts";
import { PatchEmbedding } from "./_patch_embedding.ts";
import { TransformerBlock } from "./_transformer_block.ts";

/** Options of {@linkcode ViTEncoder}. */
export interface ViTEncoderOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /** Voxels of the volume, `[depth, height, width]` or one number; sets the table of positions. Default 96. */
  readonly imageSize?: TripleLike;
  /** Voxels of a patch, `[depth, height, width]` or one number. Default 16. */
  readonly patchSize?: TripleLike;
  /** Width of the tokens. Default 768. */
  readonly hiddenSize?: number;
  /** Width between the two linear layers of a block. Default 3072. */
  readonly mlpSize?: number;
  /** Number of blocks. Default 12. */
  readonly layers?: number;
  /** Heads of attention; they divide the width into parts of at most 128. Default 12. */
  readonly heads?: number;
  /**
   * How a patch becomes a vector, which decides names and layout on disk: `"conv"`, a strided convolution, or `"perceptron"`, a linear layer,
   * which needs patches that divide the volume. Default `"conv"`.
   */
  readonly patchProjection?: "conv" | "perceptron";
  /** How the table of positions starts; it is learned either way: `"learnable"` from N(0, 0.02²), `"none"` from 0, as MONAI. Default `"learnable"`. */
  readonly positions?: "learnable" | "none";
  /** Whether queries, keys and values have biases. Default false. */
  readonly qkvBias?: boolean;
  /** Whether blocks keep nothing but their input for the gradients and are computed again on the way back. Default false. */
  readonly recompute?: boolean;
  /** Source of the initial values, distributed as MONAI's. */
  readonly random: Random;
}

/** What the vision transformer computes for a volume. */
export interface ViTStates {
  /** Tokens behind the last norm, `[batch, tokens, hiddenSize]`. */
  readonly output: tf.Tensor3D;
  /** Tokens behind each block, before the last norm; of the same shape. */
  readonly hidden: readonly tf.Tensor3D[];
}

/**
 * Vision transformer on a grid of patches (Dosovitskiy et al. 2021), without class token and dropout: a pyramid of one level.
 *
 * Names, layout on disk and numerics of `ViT` in MONAI 1.6, against which outputs, hidden states and gradients were checked.
 * `toMonaiStateDict` adds the norms that MONAI lists and never uses.
 */
export class ViTEncoder implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Voxels of the volume, `[depth, height, width]`. */
  readonly imageSize: Triple;
  /** One level: the width of the tokens. */
  readonly channels: readonly number[];
  /** One level: the size of a patch. */
  readonly strides: readonly Triple[];
  /** Trainable parameters: `patch_embedding.position_embeddings`, `blocks.<i>.attn.qkv.weight`, … */
  readonly parameters: Parameters;
  readonly #embedding: PatchEmbedding;
  readonly #blocks: readonly TransformerBlock[];
  readonly #norm: LayerNorm;
  readonly #recompute: boolean;

  /**
   * Makes the encoder.
   *
   * @throws RangeError when a number is not a positive integer, the heads do not divide the width or leave more than 128, the patch is larger
   * than the volume, or a perceptron's patch does not divide it.
   */
  constructor(options: ViTEncoderOptions) {
    const action = "make a ViTEncoder";
    const { inChannels = 1, hiddenSize = 768, mlpSize = 3072, layers = 12, heads = 12, random } = options;
    const { patchProjection = "conv", positions = "learnable", qkvBias = false } = options;
    const imageSize = resolveTriple(action, "imageSize", options.imageSize ?? 96);
    const patchSize = resolveTriple(action, "patchSize", options.patchSize ?? 16);
    for (const [name, value] of Object.entries({ inChannels, hiddenSize, mlpSize, layers })) {
      checkCount(action, name, value);
    }
    checkHeads(action, hiddenSize, heads);
    checkChoice(action, "patchProjection", patchProjection, ["conv", "perceptron"]);
    checkChoice(action, "positions", positions, ["learnable", "none"]);
    const divides = imageSize.every((n, axis) => n % patchSize[axis]! === 0);
    if (imageSize.some((n, axis) => n < patchSize[axis]!) || (patchProjection === "perceptron" && !divides)) {
      throw new RangeError(
        `Cannot ${action}: the patches do not fit the volume: got patches of [${patchSize}] in [${imageSize}] voxels, expected ` +
          `${patchProjection === "perceptron" ? "divisors" : "no larger ones"}.`,
      );
    }
    this.inChannels = inChannels;
    this.imageSize = imageSize;
    this.channels = [hiddenSize];
    this.strides = [patchSize];
    this.#recompute = options.recompute ?? false;
    this.#embedding = new PatchEmbedding(hiddenSize, {
      inChannels,
      imageSize,
      patchSize,
      projection: patchProjection,
      learnedPositions: positions === "learnable",
      random,
    });
    this.#blocks = Array.from(
      { length: layers },
      () => new TransformerBlock(hiddenSize, { heads, mlpWidth: mlpSize, qkvBias, random }),
    );
    this.#norm = new LayerNorm(hiddenSize);
    this.parameters = joinParameters({
      patch_embedding: this.#embedding.parameters,
      "": joinList("blocks", this.#blocks),
      norm: this.#norm.parameters,
    });
  }

  /**
   * Computes the tokens behind the last norm, back on their grid.
   *
   * @param volume `[batch, ...imageSize, inChannels]` float32; stays the caller's.
   * @returns One tensor, `[batch, d, h, w, hiddenSize]`; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit.
   */
  encode(volume: tf.Tensor5D): tf.Tensor5D[] {
    return tf.tidy(() => [this.toGrid(this.encodeTokens(volume).output)]);
  }

  /**
   * Computes the tokens behind every block.
   *
   * @param volume `[batch, ...imageSize, inChannels]` float32; stays the caller's.
   * @returns Tokens in C order of the grid; the caller disposes of output and hidden states. Gradients flow.
   * @throws RangeError when the shape does not fit.
   */
  encodeTokens(volume: tf.Tensor5D): ViTStates {
    const size = checkVolumeShape(volume.shape, this.inChannels);
    if (size.join() !== this.imageSize.join()) {
      throw new RangeError(
        `Cannot encode: the volume is not of the size that the table of positions is for: got [${size}] voxels, expected ` +
          `[${this.imageSize}]. Crop or pad it, or make the encoder with that imageSize.`,
      );
    }
    const [output, ...hidden] = tf.tidy(() => {
      let x = this.#embedding.apply(volume);
      const hidden = this.#blocks.map((block) => x = this.#apply(block, x));
      return [this.#norm.apply(x), ...hidden];
    });
    return { output: output!, hidden };
  }

  /**
   * Puts tokens back on their grid.
   *
   * @param tokens `[batch, tokens, hiddenSize]` float32; stays the caller's.
   * @returns `[batch, d, h, w, hiddenSize]`; the caller disposes. Gradients flow.
   */
  toGrid(tokens: tf.Tensor3D): tf.Tensor5D {
    return tf.reshape(tokens, [tokens.shape[0], ...this.#embedding.grid, tokens.shape[2]]);
  }

  #apply(block: TransformerBlock, x: tf.Tensor3D): tf.Tensor3D {
    if (!this.#recompute) return block.apply(x);
    const variables = [...block.parameters.values()];
    return recompute({ inputs: [x] as const, variables }, (x: tf.Tensor3D) => block.apply(x));
  }

  /** Estimates the cost of one volume of the encoder's own size, whatever is asked for: the table of positions allows no other. */
  cost(_inputSize: Triple = this.imageSize): Cost {
    const [d, h, w] = this.#embedding.grid;
    return addCosts([this.#embedding.cost(), ...this.#blocks.map((block) => block.cost(d * h * w))]);
  }
}

function checkChoice(action: string, name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new RangeError(
      `Cannot ${action}: ${name} is unknown: got "${value}", expected one of ${choices.join(", ")}.`,
    );
  }
}
