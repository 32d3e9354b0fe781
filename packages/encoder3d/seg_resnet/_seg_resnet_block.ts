import * as tf from "@tensorflow/tfjs-core";
import { Conv3d, GroupNorm3d, joinParameters, type Module, type Parameters, type Triple } from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, costOfConvolution } from "../_cost.ts";

/** Options of {@linkcode SegResNetBlock}. */
export interface SegResNetBlockOptions {
  readonly groups: number;
  readonly random: Random;
}

/** Twice group norm, ReLU and a 3×3×3 convolution, beside the input. Parameters `norm1.*`, `norm2.*`, `conv1.conv.*`, `conv2.conv.*`. */
export class SegResNetBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #norms: readonly [GroupNorm3d, GroupNorm3d];
  readonly #convs: readonly [Conv3d, Conv3d];

  constructor(channels: number, { groups, random }: SegResNetBlockOptions) {
    this.#norms = [new GroupNorm3d(groups, channels), new GroupNorm3d(groups, channels)];
    const conv = (): Conv3d => new Conv3d(channels, channels, { kernelSize: 3, bias: false, random });
    this.#convs = [conv(), conv()];
    this.parameters = joinParameters({
      norm1: this.#norms[0].parameters,
      norm2: this.#norms[1].parameters,
      "conv1.conv": this.#convs[0].parameters,
      "conv2.conv": this.#convs[1].parameters,
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const y = this.#convs.reduce((y, conv, i) => conv.apply(this.#norms[i]!.apply(y, { leakySlope: 0 })), x);
      return tf.add(y, x) as tf.Tensor5D;
    });
  }

  cost(inputSize: Triple): Cost {
    return addCosts(this.#convs.map((conv) => costOfConvolution(conv, inputSize)));
  }
}

/** Several blocks, the first under the index `first`; an optional strided convolution stands before them under `0.conv`. */
export class SegResNetStage implements Module, Costed {
  readonly parameters: Parameters;
  readonly #down: Conv3d | undefined;
  readonly #blocks: readonly SegResNetBlock[];

  constructor(
    channels: number,
    { count, first, down, ...options }: SegResNetBlockOptions & { count: number; first: number; down?: Conv3d },
  ) {
    this.#down = down;
    this.#blocks = Array.from({ length: count }, () => new SegResNetBlock(channels, options));
    const parts = new Map<string, Parameters>();
    if (down) parts.set("0.conv", down.parameters);
    this.#blocks.forEach((block, i) => parts.set(`${first + i}`, block.parameters));
    this.parameters = joinParameters(parts);
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const start = this.#down ? this.#down.apply(x) : tf.clone(x);
      return this.#blocks.reduce((y, block) => block.apply(y), start);
    });
  }

  cost(inputSize: Triple): Cost {
    const size = this.#down?.outputSize(inputSize) ?? inputSize;
    const costs = this.#blocks.map((block) => block.cost(size));
    return addCosts(this.#down ? [costOfConvolution(this.#down, inputSize), ...costs] : costs);
  }
}
