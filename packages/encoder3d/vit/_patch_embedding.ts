import * as tf from "@tensorflow/tfjs-core";
import {
  Conv3d,
  createParameter,
  joinParameters,
  Linear,
  type Module,
  type Parameters,
  type Triple,
  truncatedNormal,
} from "@med3d/nn";
import { fusedConv3d } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { type Cost, dividedBy, product } from "../_cost.ts";
import { costOfLinear } from "./_token_cost.ts";

/** Options of {@linkcode PatchEmbedding}. */
export interface PatchEmbeddingOptions {
  readonly inChannels: number;
  readonly imageSize: Triple;
  readonly patchSize: Triple;
  readonly projection: "conv" | "perceptron";
  readonly learnedPositions: boolean;
  readonly random: Random;
}

/** Cuts a volume into patches, maps each to a vector and adds the learned vector of its place. */
export class PatchEmbedding implements Module {
  readonly parameters: Parameters;
  /** Patches along each axis. */
  readonly grid: Triple;
  readonly #options: PatchEmbeddingOptions;
  readonly #positions: tf.Variable;
  readonly #projection: Conv3d | Linear;

  constructor(readonly width: number, options: PatchEmbeddingOptions) {
    const { inChannels, imageSize, patchSize, projection, learnedPositions, random } = options;
    this.#options = options;
    this.grid = dividedBy(imageSize, patchSize);
    const count = product(this.grid) * width;
    const draw = (n: number): Float32Array => truncatedNormal(n, { deviation: 0.02, random });
    const positions = learnedPositions ? draw(count) : new Float32Array(count);
    this.#positions = createParameter(positions, [1, product(this.grid), width]);
    if (projection === "conv") {
      this.#projection = new Conv3d(inChannels, width, {
        kernelSize: patchSize,
        stride: patchSize,
        padding: 0,
        random,
      });
    } else {
      const linear = new Linear(inChannels * product(patchSize), width, { random });
      tf.tidy(() => {
        const { weight, bias } = Object.fromEntries(linear.parameters) as Record<"weight" | "bias", tf.Variable>;
        weight.assign(tf.tensor(draw(weight.size), weight.shape));
        bias.assign(tf.zerosLike(bias));
      });
      this.#projection = linear;
    }
    const name = projection === "conv" ? "patch_embeddings" : "patch_embeddings.1";
    this.parameters = joinParameters({
      "": new Map([["position_embeddings", this.#positions]]),
      [name]: this.#projection.parameters,
    });
  }

  /** `[batch, depth, height, width, channels]` → `[batch, patches, width]`, patches in C order. */
  apply(volume: tf.Tensor5D): tf.Tensor3D {
    const shape: [number, number, number] = [volume.shape[0], product(this.grid), this.width];
    return tf.tidy(() => tf.add(tf.reshape<tf.Rank.R3>(this.#project(volume), shape), this.#positions));
  }

  #project(volume: tf.Tensor5D): tf.Tensor5D {
    if (this.#projection instanceof Conv3d) return this.#projection.apply(volume);
    // A linear layer on the voxels of a patch is a convolution whose kernel does not overlap itself.
    const { patchSize, inChannels } = this.#options;
    const [weight, bias] = [...this.#projection.parameters.values()] as tf.Tensor[] as [tf.Tensor2D, tf.Tensor1D];
    const kernel = tf.reshape<tf.Rank.R5>(tf.transpose(weight), [...patchSize, inChannels, this.width]);
    return fusedConv3d(volume, kernel, { strides: patchSize, pad: "valid", bias });
  }

  /** Cost of one volume. */
  cost(): Cost {
    const { patchSize, inChannels } = this.#options;
    return costOfLinear(product(this.grid), inChannels * product(patchSize), this.width);
  }
}
