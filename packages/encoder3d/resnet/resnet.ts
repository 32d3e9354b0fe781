import * as tf from "@tensorflow/tfjs-core";
import type { Parameters, Triple } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import { checkEncodable } from "../_check_volume.ts";
import { addCosts, type Cost, type Costed, dividedBy, multipliedBy, NO_COST, product } from "../_cost.ts";
import type { Encoder3D } from "../contract.ts";
import { joinStates, type Mode, NormedConv, type Stateful } from "./_normed_conv.ts";
import { ResNetBlock } from "./_resnet_block.ts";
import { type ResNetOptions, resolveResNetOptions } from "./resnet_options.ts";

/** Blocks of the four layers by depth. */
const BLOCKS = { 10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3] } as const;

/** Depths that {@linkcode ResNet} comes in. */
export type ResNetDepth = keyof typeof BLOCKS;

/**
 * 3D ResNet-10, -18, -34 or -50 without its classifier: a strided convolution, max pooling and four layers of residual blocks, each with batch
 * norm and ReLU. The pyramid holds the first convolution's output and those of the four layers, as MONAI's `ResNetFeatures`: by default at strides
 * 2, 4, 8, 16 and 32, or 2, 4, 8, 8 and 8 when dilated.
 *
 * Source: He et al. 2016; Chen et al. 2019, "Med3D" (MedicalNet). Names, layout on disk and numerics of `monai.networks.nets.resnet` in MONAI
 * 1.6.1, and of MedicalNet where dilated, against which outputs and gradients were checked.
 */
export class ResNet implements Encoder3D, Costed {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Channels of each level, finest first. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level, finest first. */
  readonly strides: readonly Triple[];
  /** Trainable parameters: `conv1.weight`, `bn1.weight`, …, `layer<i>.<block>.conv1.weight`, … */
  readonly parameters: Parameters;
  /** Running statistics of the batch norms, not trained: `bn1.running_mean`, … With `parameters` they make up PyTorch's state dict. */
  readonly buffers: Parameters;
  readonly #stem: NormedConv;
  readonly #maxPool: boolean;
  readonly #layers: readonly (readonly ResNetBlock[])[];
  readonly #recompute: readonly boolean[];

  /**
   * Makes the encoder.
   *
   * @param depth 10, 18, 34 or 50.
   * @throws RangeError when the depth is none of these or an option is out of range.
   */
  constructor(depth: ResNetDepth, options: ResNetOptions) {
    if (!Object.hasOwn(BLOCKS, depth)) {
      throw new RangeError(`Cannot make a ResNet: the depth is unknown: got ${depth}, expected 10, 18, 34 or 50.`);
    }
    const { inChannels, features, dilated, maxPool, stemKernelSize, stemStride, ...others } = resolveResNetOptions(
      depth,
      options,
    );
    const { shortcut, shortcutBias, random } = others;
    this.inChannels = inChannels;
    this.#maxPool = maxPool;
    this.#recompute = others.recompute;
    this.#stem = new NormedConv(inChannels, features[0]!, {
      kernelSize: stemKernelSize,
      stride: stemStride,
      bias: false,
      random,
    });
    let channels = features[0]!;
    this.#layers = BLOCKS[depth].map((count, layer) =>
      Array.from({ length: count }, (_, i) => {
        const widens = dilated && layer > 1;
        const block = new ResNetBlock(channels, features[layer]!, {
          bottleneck: depth === 50,
          stride: i > 0 || layer === 0 || widens ? 1 : 2,
          dilation: widens ? 2 ** (layer - 1) : 1,
          shortcut,
          shortcutBias,
          random,
        });
        channels = block.outChannels;
        return block;
      })
    );
    this.channels = [features[0]!, ...this.#layers.map((blocks) => blocks.at(-1)!.outChannels)];
    let stride = stemStride;
    this.strides = [1, maxPool ? 2 : 1, 2, dilated ? 1 : 2, dilated ? 1 : 2].map((step) =>
      stride = multipliedBy(stride, [step, step, step])
    );
    const parts = new Map<string, Partial<Stateful>>([["conv1", this.#stem.conv], ["bn1", this.#stem.norm]]);
    this.#layers.forEach((blocks, layer) => blocks.forEach((block, i) => parts.set(`layer${layer + 1}.${i}`, block)));
    ({ parameters: this.parameters, buffers: this.buffers } = joinStates(parts));
  }

  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, depth, height, width, inChannels]` float32; stays the caller's. Depth, height and width are multiples of the
   * coarsest stride.
   * @param training Whether batch norms take the batch's own statistics and move the running ones. Default false: the running ones norm.
   * @returns One `[batch, d, h, w, channels[level]]` tensor per level; the caller disposes. Gradients flow.
   * @throws RangeError when the shape does not fit, or in training the coarsest grids of the batch hold one cell in all.
   */
  encode(volume: tf.Tensor5D, training = false): tf.Tensor5D[] {
    checkEncodable(volume.shape, { inChannels: this.inChannels, coarsest: this.strides.at(-1)! });
    return tf.tidy(() => {
      let x = volume;
      return this.strides.map((_, level) => x = this.#applyLevel(level, x, training));
    });
  }

  #applyLevel(level: number, x: tf.Tensor5D, training: boolean): tf.Tensor5D {
    if (!this.#recompute[level]) return this.#compute(level, x, { training });
    const parts: readonly { readonly parameters: Parameters }[] = level === 0
      ? [this.#stem.conv, this.#stem.norm]
      : this.#layers[level - 1]!;
    const variables = parts.flatMap(({ parameters }) => [...parameters.values()]);
    let updateStatistics = training; // the first time alone
    return recompute({ inputs: [x], variables }, (input: tf.Tensor5D) => {
      const y = this.#compute(level, input, { training, updateStatistics });
      updateStatistics = false;
      return y;
    });
  }

  #compute(level: number, x: tf.Tensor5D, mode: Mode): tf.Tensor5D {
    return tf.tidy(() => {
      if (level === 0) return this.#stem.apply(x, { ...mode, relu: true });
      const start = level === 1 && this.#maxPool ? tf.maxPool3d(x, 3, 2, 1) : x;
      return this.#layers[level - 1]!.reduce((y, block) => block.apply(y, mode), start);
    });
  }

  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost {
    const sizes = this.strides.map((stride) => dividedBy(inputSize, stride));
    const pooled = { multiplyAdds: 0, featureMapElements: product(sizes[1]!) * this.channels[0]! };
    const costs = [this.#stem.cost(inputSize), this.#maxPool ? pooled : NO_COST];
    this.#layers.forEach((blocks, layer) => {
      let size = layer === 0 ? sizes[1]! : sizes[layer]!;
      for (const block of blocks) {
        costs.push(block.cost(size));
        size = block.outputSize(size);
      }
    });
    return addCosts(costs);
  }
}
