import * as tf from "@tensorflow/tfjs-core";
import {
  Conv3d,
  InstanceNorm3d,
  joinParameters,
  leakyRelu,
  type Module,
  type Parameters,
  type Triple,
  type TripleLike,
} from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, costOfConvolution, dividedBy, product } from "./_cost.ts";

/** Options of the blocks. */
export interface BlockOptions {
  /** Cells of the kernel. */
  readonly kernelSize: TripleLike;
  /** Step of the first convolution. */
  readonly stride?: Triple;
  /** Whether convolutions have biases; the projection of a residual block never has. */
  readonly convBias: boolean;
  /** Source of the initial values. */
  readonly random: Random;
}

/** Options of several blocks. */
interface StackOptions extends BlockOptions {
  /** How many blocks. */
  readonly count: number;
}

/** Convolution, instance norm and, unless `linear`, leaky ReLU 0.01. Parameters `conv.*` and `norm.*`. */
export class ConvBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #conv: Conv3d;
  readonly #norm: InstanceNorm3d;
  readonly #linear: boolean;

  constructor(inChannels: number, outChannels: number, options: BlockOptions & { linear?: boolean }) {
    const { kernelSize, stride = [1, 1, 1], convBias, linear = false, random } = options;
    this.#conv = new Conv3d(inChannels, outChannels, {
      kernelSize,
      stride,
      bias: convBias,
      initialisation: "he",
      random,
    });
    this.#norm = new InstanceNorm3d(outChannels);
    this.#linear = linear;
    this.parameters = joinParameters({ conv: this.#conv.parameters, norm: this.#norm.parameters });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#norm.apply(this.#conv.apply(x), { leakySlope: this.#linear ? 1 : 0.01 }));
  }

  cost(inputSize: Triple): Cost {
    return costOfConvolution(this.#conv, inputSize);
  }
}

/**
 * Residual block of ResNet-D (He et al. 2019): two convolutions beside a skip that is averaged over the stride and, where the number of
 * channels changes, projected by a 1×1×1 convolution. Parameters `conv1.*`, `conv2.*` and `skip.0.*`, or `skip.1.*` behind pooling.
 */
export class ResidualBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #first: ConvBlock;
  readonly #second: ConvBlock;
  readonly #projection: ConvBlock | undefined;
  readonly #stride: Triple;
  readonly #outChannels: number;

  constructor(inChannels: number, outChannels: number, options: BlockOptions) {
    const { stride = [1, 1, 1], ...others } = options;
    this.#stride = stride;
    this.#outChannels = outChannels;
    this.#first = new ConvBlock(inChannels, outChannels, { ...others, stride });
    this.#second = new ConvBlock(outChannels, outChannels, { ...others, linear: true });
    // nnU-Net starts every block as its skip alone.
    const scale = this.#second.parameters.get("norm.weight")!;
    tf.tidy(() => scale.assign(tf.zerosLike(scale)));
    const parts: Record<string, Parameters> = { conv1: this.#first.parameters, conv2: this.#second.parameters };
    if (inChannels !== outChannels) {
      const projection = { kernelSize: 1, convBias: false, linear: true, random: options.random };
      this.#projection = new ConvBlock(inChannels, outChannels, projection);
      parts[`skip.${this.#pools ? 1 : 0}`] = this.#projection.parameters;
    }
    this.parameters = joinParameters(parts);
  }

  get #pools(): boolean {
    return this.#stride.some((step) => step !== 1);
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const pooled = this.#pools ? tf.avgPool3d(x, [...this.#stride], [...this.#stride], "valid") : x;
      const skip = this.#projection ? this.#projection.apply(pooled) : pooled;
      return leakyRelu(tf.add(this.#second.apply(this.#first.apply(x)), skip) as tf.Tensor5D);
    });
  }

  cost(inputSize: Triple): Cost {
    const outputSize = dividedBy(inputSize, this.#stride);
    const pooled = product(outputSize) * this.#outChannels;
    return addCosts([
      this.#first.cost(inputSize),
      this.#second.cost(outputSize),
      this.#projection?.cost(outputSize) ?? { multiplyAdds: 0, featureMapElements: this.#pools ? pooled : 0 },
    ]);
  }
}

/** Blocks one after another; the first may be strided and change the number of channels. */
abstract class StackedBlocks implements Module, Costed {
  readonly parameters: Parameters;
  readonly #blocks: readonly (ConvBlock | ResidualBlock)[];
  readonly #stride: Triple;

  constructor(
    prefix: string,
    Block: new (inChannels: number, outChannels: number, options: BlockOptions) => ConvBlock | ResidualBlock,
    [inChannels, outChannels]: readonly [number, number],
    { count, stride = [1, 1, 1], ...others }: StackOptions,
  ) {
    this.#stride = stride;
    this.#blocks = Array.from(
      { length: count },
      (_, i) =>
        i === 0
          ? new Block(inChannels, outChannels, { ...others, stride })
          : new Block(outChannels, outChannels, others),
    );
    this.parameters = joinList(prefix, this.#blocks);
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#blocks.reduce((y, block) => block.apply(y), x));
  }

  cost(inputSize: Triple): Cost {
    const outputSize = dividedBy(inputSize, this.#stride);
    return addCosts(this.#blocks.map((block, i) => block.cost(i === 0 ? inputSize : outputSize)));
  }
}

/** Several {@linkcode ConvBlock}s; the first may be strided. Parameters `convs.<i>.*`. */
export class StackedConvs extends StackedBlocks {
  constructor(inChannels: number, outChannels: number, options: StackOptions) {
    super("convs", ConvBlock, [inChannels, outChannels], options);
  }
}

/** Several {@linkcode ResidualBlock}s; the first may be strided. Parameters `blocks.<i>.*`. */
export class StackedResidualBlocks extends StackedBlocks {
  constructor(inChannels: number, outChannels: number, options: StackOptions) {
    super("blocks", ResidualBlock, [inChannels, outChannels], options);
  }
}

/** Joins the parameters of a list of modules under `<prefix>.<index>`. */
export function joinList(prefix: string, modules: readonly Module[]): Parameters {
  return joinParameters(new Map(modules.map((module, i) => [`${prefix}.${i}`, module.parameters])));
}
