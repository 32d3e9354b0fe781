import * as tf from "@tensorflow/tfjs-core";
import { Conv3d, gelu, joinParameters, LayerNorm, type Module, type Parameters, type Triple } from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, costOfConvolution } from "../_cost.ts";

/** Two 3³ convolutions, the first strided, with GELU and layer norm behind each, or behind the first alone. */
class Projection implements Module, Costed {
  readonly parameters: Parameters;
  readonly #conv1: Conv3d;
  readonly #conv2: Conv3d;
  readonly #norm1: LayerNorm;
  readonly #norm2: LayerNorm | undefined;

  constructor(
    inChannels: number,
    width: number,
    { stride, last, random }: { stride: Triple; last: boolean; random: Random },
  ) {
    this.#conv1 = new Conv3d(inChannels, width, { kernelSize: 3, stride, random });
    this.#conv2 = new Conv3d(width, width, { kernelSize: 3, random });
    this.#norm1 = new LayerNorm(width);
    this.#norm2 = last ? undefined : new LayerNorm(width);
    this.parameters = joinParameters({
      conv1: this.#conv1.parameters,
      conv2: this.#conv2.parameters,
      norm1: this.#norm1.parameters,
      norm2: this.#norm2?.parameters ?? new Map(),
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const y = this.#conv2.apply(this.#norm1.apply(gelu(this.#conv1.apply(x))));
      return this.#norm2 ? this.#norm2.apply(gelu(y)) : y;
    });
  }

  cost(size: Triple): Cost {
    return addCosts([
      costOfConvolution(this.#conv1, size),
      costOfConvolution(this.#conv2, this.#conv1.outputSize(size)),
    ]);
  }

  outputSize(size: Triple): Triple {
    return this.#conv1.outputSize(size);
  }
}

/** Turns patches of 1, 2 or 4 voxels along each axis into cells: two pairs of convolutions and a layer norm. */
export class PatchStem implements Module, Costed {
  readonly parameters: Parameters;
  readonly #first: Projection;
  readonly #second: Projection;
  readonly #norm: LayerNorm;

  constructor(
    inChannels: number,
    width: number,
    { patchSize: [d, h, w], random }: { patchSize: Triple; random: Random },
  ) {
    const half = Math.floor(width / 2);
    const stride = (least: number): Triple => [d >= least ? 2 : 1, h >= least ? 2 : 1, w >= least ? 2 : 1];
    this.#first = new Projection(inChannels, half, { stride: stride(2), last: false, random });
    this.#second = new Projection(half, width, { stride: stride(4), last: true, random });
    this.#norm = new LayerNorm(width);
    this.parameters = joinParameters({
      proj1: this.#first.parameters,
      proj2: this.#second.parameters,
      norm: this.#norm.parameters,
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#norm.apply(this.#second.apply(this.#first.apply(x))));
  }

  cost(size: Triple): Cost {
    return addCosts([this.#first.cost(size), this.#second.cost(this.#first.outputSize(size))]);
  }
}
