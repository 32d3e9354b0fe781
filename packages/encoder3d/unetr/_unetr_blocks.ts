import * as tf from "@tensorflow/tfjs-core";
import {
  Conv3d,
  ConvTranspose3d,
  InstanceNorm3d,
  joinParameters,
  leakyRelu,
  type Module,
  type Parameters,
  type Triple,
} from "@med3d/nn";
import type { Random } from "random";
import {
  addCosts,
  type Cost,
  type Costed,
  costOfConvolution,
  costOfTransposedConvolution,
  multipliedBy,
  NO_COST,
} from "../_cost.ts";

/** Options of the blocks. */
export interface UnetrBlockOptions {
  /** Whether a skip goes around the two convolutions. */
  readonly residual: boolean;
  /** Whether instance norms scale and shift. */
  readonly normAffine: boolean;
  readonly random: Random;
}

/** Two 3³ convolutions with instance norm and leaky ReLU 0.01 each; MONAI's `UnetResBlock` where residual, else its `UnetBasicBlock`. */
export class UnetrConvBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #convs: readonly [Conv3d, Conv3d];
  readonly #norms: readonly [InstanceNorm3d, InstanceNorm3d];
  readonly #projection: { readonly conv: Conv3d; readonly norm: InstanceNorm3d } | undefined;
  readonly #residual: boolean;

  constructor(inChannels: number, outChannels: number, options: UnetrBlockOptions) {
    const { residual, normAffine, random } = options;
    const conv = (channels: number, kernelSize: number): Conv3d =>
      new Conv3d(channels, outChannels, { kernelSize, bias: false, random });
    const norm = (): InstanceNorm3d => new InstanceNorm3d(outChannels, { affine: normAffine });
    this.#residual = residual;
    this.#convs = [conv(inChannels, 3), conv(outChannels, 3)];
    this.#norms = [norm(), norm()];
    if (residual && inChannels !== outChannels) this.#projection = { conv: conv(inChannels, 1), norm: norm() };
    const projection = this.#projection;
    this.parameters = joinParameters({
      "conv1.conv": this.#convs[0].parameters,
      "conv2.conv": this.#convs[1].parameters,
      norm1: this.#norms[0].parameters,
      norm2: this.#norms[1].parameters,
      ...(projection ? { "conv3.conv": projection.conv.parameters, norm3: projection.norm.parameters } : {}),
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const first = this.#norms[0].apply(this.#convs[0].apply(x), { leakySlope: 0.01 });
      const second = this.#convs[1].apply(first);
      if (!this.#residual) return this.#norms[1].apply(second, { leakySlope: 0.01 });
      const projection = this.#projection;
      const skip = projection ? projection.norm.apply(projection.conv.apply(x)) : x;
      return leakyRelu(tf.add(this.#norms[1].apply(second), skip) as tf.Tensor5D);
    });
  }

  cost(inputSize: Triple): Cost {
    const convs = [...this.#convs, ...(this.#projection ? [this.#projection.conv] : [])];
    return addCosts(convs.map((conv) => costOfConvolution(conv, inputSize)));
  }
}

/** Doubles the grid by a transposed 2³ convolution without bias. Parameter `conv.weight`. */
export class Doubling implements Module, Costed {
  readonly parameters: Parameters;
  readonly #conv: ConvTranspose3d;

  constructor(inChannels: number, outChannels: number, { random }: { readonly random: Random }) {
    this.#conv = new ConvTranspose3d(inChannels, outChannels, { kernelSize: 2, bias: false, random });
    this.parameters = joinParameters({ conv: this.#conv.parameters });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return this.#conv.apply(x);
  }

  cost(inputSize: Triple): Cost {
    return costOfTransposedConvolution(this.#conv, inputSize);
  }
}

/** Doubles the grid, joins a skip of `outChannels` and convolves; MONAI's `UnetrUpBlock`. */
export class UnetrUpBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #doubling: Doubling;
  readonly #convs: UnetrConvBlock;

  constructor(inChannels: number, outChannels: number, options: UnetrBlockOptions) {
    this.#doubling = new Doubling(inChannels, outChannels, options);
    this.#convs = new UnetrConvBlock(2 * outChannels, outChannels, options);
    this.parameters = joinParameters({ transp_conv: this.#doubling.parameters, conv_block: this.#convs.parameters });
  }

  apply(x: tf.Tensor5D, skip: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#convs.apply(tf.concat([this.#doubling.apply(x), skip], 4)));
  }

  cost(inputSize: Triple): Cost {
    return addCosts([this.#doubling.cost(inputSize), this.#convs.cost(multipliedBy(inputSize, [2, 2, 2]))]);
  }
}

/** Doubles the grid once and then `more` times, with convolutions behind each further time where wanted; MONAI's `UnetrPrUpBlock`. */
export class UnetrProjection implements Module, Costed {
  readonly parameters: Parameters;
  readonly #steps: readonly { readonly doubling: Doubling; readonly convs: UnetrConvBlock | undefined }[];

  constructor(
    inChannels: number,
    outChannels: number,
    options: UnetrBlockOptions & { readonly more: number; readonly convBlocks: boolean },
  ) {
    const { more, convBlocks } = options;
    this.#steps = Array.from({ length: 1 + more }, (_, i) => ({
      doubling: new Doubling(i === 0 ? inChannels : outChannels, outChannels, options),
      convs: i > 0 && convBlocks ? new UnetrConvBlock(outChannels, outChannels, options) : undefined,
    }));
    const named = this.#steps.flatMap(({ doubling, convs }, i): [string, Parameters][] => {
      if (i === 0) return [["transp_conv_init", doubling.parameters]];
      const name = `blocks.${i - 1}`;
      return convs
        ? [[`${name}.0`, doubling.parameters], [`${name}.1`, convs.parameters]]
        : [[name, doubling.parameters]];
    });
    this.parameters = joinParameters(new Map(named));
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() =>
      this.#steps.reduce((y, { doubling, convs }) => {
        const risen = doubling.apply(y);
        return convs ? convs.apply(risen) : risen;
      }, x)
    );
  }

  cost(inputSize: Triple): Cost {
    let size = inputSize;
    return addCosts(this.#steps.flatMap(({ doubling, convs }) => {
      const rising = doubling.cost(size);
      size = multipliedBy(size, [2, 2, 2]);
      return [rising, convs?.cost(size) ?? NO_COST];
    }));
  }
}
