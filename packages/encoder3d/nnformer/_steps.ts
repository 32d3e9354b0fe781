import * as tf from "@tensorflow/tfjs-core";
import {
  Conv3d,
  ConvTranspose3d,
  gelu,
  joinParameters,
  LayerNorm,
  type Module,
  type Parameters,
  type Triple,
} from "@med3d/nn";
import type { Random } from "random";
import { type Cost, type Costed, costOfConvolution, costOfTransposedConvolution } from "../_cost.ts";

/** A step from one stage's grid to the next. */
export interface StepOptions {
  /** 1 or 2 along each axis. */
  readonly stride: Triple;
  /** Cells of the finer grid: an odd number of them loses one where it is halved. */
  readonly grid: Triple;
  readonly random: Random;
}

/** GELU, layer norm and a convolution that halves and doubles the width, 3 cells wide where it halves. Parameters `norm.*`, `reduction.*`. */
export class DownStep implements Module, Costed {
  readonly parameters: Parameters;
  readonly #norm: LayerNorm;
  readonly #conv: Conv3d;

  constructor(width: number, { stride, grid, random }: StepOptions) {
    const along = (f: (step: number, n: number) => number): Triple => [
      f(stride[0], grid[0]),
      f(stride[1], grid[1]),
      f(stride[2], grid[2]),
    ];
    this.#norm = new LayerNorm(width);
    this.#conv = new Conv3d(width, 2 * width, {
      kernelSize: along((step) => 2 * step - 1),
      stride,
      padding: along((step, n) => step === 2 && n % 2 === 0 ? 1 : 0),
      random,
    });
    this.parameters = joinParameters({ reduction: this.#conv.parameters, norm: this.#norm.parameters });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#conv.apply(this.#norm.apply(gelu(x))));
  }

  cost(size: Triple): Cost {
    return costOfConvolution(this.#conv, size);
  }
}

/** Layer norm and a transposed convolution that doubles and halves the width. Parameters `norm.*`, `up.*`. */
export class UpStep implements Module, Costed {
  readonly parameters: Parameters;
  readonly #norm: LayerNorm;
  readonly #conv: ConvTranspose3d;

  constructor(width: number, { stride, grid, random }: StepOptions) {
    this.#norm = new LayerNorm(2 * width);
    this.#conv = new ConvTranspose3d(2 * width, width, {
      kernelSize: stride,
      outputPadding: [grid[0] % stride[0], grid[1] % stride[1], grid[2] % stride[2]],
      random,
    });
    this.parameters = joinParameters({ norm: this.#norm.parameters, up: this.#conv.parameters });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#conv.apply(this.#norm.apply(x)));
  }

  cost(size: Triple): Cost {
    return costOfTransposedConvolution(this.#conv, size);
  }
}
