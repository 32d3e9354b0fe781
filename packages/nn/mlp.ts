import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { checkRate } from "./_check.ts";
import { activate, type Activation } from "./activations.ts";
import { layerDropout, type StochasticOptions } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { joinParameters, type Module, type Parameters } from "./parameters.ts";

/** Options of {@linkcode Mlp}. */
export interface MlpOptions {
  /** Between the two layers. Default "gelu". */
  readonly activation?: Activation;
  /** Rate after the activation and after the second layer. Default 0. */
  readonly dropout?: number;
  /** Width of the output. Default: that of the input. */
  readonly outWidth?: number;
  /** Names of the two layers in `parameters`. Default `["fc1", "fc2"]` as timm; MONAI and PyTorch say `["linear1", "linear2"]`. */
  readonly layerNames?: readonly [string, string];
  /** Source of the initial values, as in {@linkcode Linear}. */
  readonly random: Random;
}

/** Two linear layers with an activation between them. Parameters `fc1.weight`, `fc1.bias`, `fc2.weight`, `fc2.bias`. */
export class Mlp implements Module {
  /** The four parameters, in order. */
  readonly parameters: Parameters;
  readonly #first: Linear;
  readonly #second: Linear;
  readonly #activation: Activation;
  readonly #rate: number;

  /**
   * Makes the layers.
   *
   * @throws RangeError when a width is not a positive integer or the dropout rate outside [0, 1).
   */
  constructor(width: number, hiddenWidth: number, options: MlpOptions) {
    const { activation = "gelu", dropout = 0, outWidth = width, layerNames = ["fc1", "fc2"], random } = options;
    checkRate("make an Mlp", "dropout", dropout);
    this.#first = new Linear(width, hiddenWidth, { random });
    this.#second = new Linear(hiddenWidth, outWidth, { random });
    this.#activation = activation;
    this.#rate = dropout;
    const [first, second] = layerNames;
    this.parameters = joinParameters(new Map([[first, this.#first.parameters], [second, this.#second.parameters]]));
  }

  /**
   * Maps the last axis.
   *
   * @param x `[..., width]` float32; stays the caller's.
   * @returns `[..., outWidth]`; the caller disposes. Gradients flow to input and parameters.
   * @throws RangeError when the last axis has another width.
   * @throws TypeError when training with dropout and no seed.
   */
  apply<R extends tf.Rank>(x: tf.Tensor<R>, options: StochasticOptions = {}): tf.Tensor<R> {
    return tf.tidy(() => {
      const hidden = layerDropout(activate(this.#first.apply(x), this.#activation), this.#rate, {
        ...options,
        name: "hidden",
      });
      return layerDropout(this.#second.apply(hidden), this.#rate, { ...options, name: "out" });
    });
  }
}
