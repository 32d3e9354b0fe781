import type { Encoder3D } from "@med3d/encoder3d";
import { joinParameters, Linear, type Module, type Parameters } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";

/** How a classification network makes one vector of a pyramid. */
export type Pooling = "mean" | "attention";

/** Options of {@linkcode ClassificationNetwork}. */
export interface ClassificationNetworkOptions {
  /** Number of outputs: classes, labels, thresholds of an ordinal scale (classes less one) or regression targets. */
  readonly outputs: number;
  /** `"mean"` averages over the cells, `"attention"` weights them by a learned query. Default `"mean"`. */
  readonly pooling?: Pooling;
  /** Which levels are pooled, their vectors set side by side. Default `"all"`. */
  readonly levels?: "all" | "deepest";
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * A network that says something about a whole volume: levels of an encoder's pyramid, pooled, and a linear layer.
 *
 * Attention pooling weights the cells of a level by softmax(w·x) with a learned w, as multiple-instance learning does (Ilse et al. 2018, without
 * the gate). Parameters are named `encoder.*`, `attention.<level>.*` and `head.*`.
 */
export class ClassificationNetwork implements Module {
  /** The encoder; the network's from then on. */
  readonly encoder: Encoder3D;
  /** Number of outputs. */
  readonly outputs: number;
  /** Width of what {@linkcode ClassificationNetwork.features} makes. */
  readonly featureWidth: number;
  /** Trainable parameters, encoder first. */
  readonly parameters: Parameters;
  /** What belongs to the weights but is not trained, as `encoder.*`. */
  readonly buffers: Parameters;
  readonly #firstLevel: number;
  readonly #scores: readonly Linear[];
  readonly #head: Linear;

  /**
   * Makes the network.
   *
   * @param encoder The network's from then on.
   * @throws RangeError when the number of outputs is not a positive integer.
   */
  constructor(encoder: Encoder3D, options: ClassificationNetworkOptions) {
    const { outputs, pooling = "mean", levels = "all", random } = options;
    this.encoder = encoder;
    this.outputs = outputs;
    this.#firstLevel = levels === "all" ? 0 : encoder.channels.length - 1;
    const widths = encoder.channels.slice(this.#firstLevel);
    this.featureWidth = widths.reduce((sum, width) => sum + width, 0);
    this.#scores = pooling === "attention" ? widths.map((width) => new Linear(width, 1, { bias: false, random })) : [];
    this.#head = new Linear(this.featureWidth, outputs, { random });
    this.parameters = joinParameters({
      encoder: encoder.parameters,
      attention: joinParameters(new Map(this.#scores.map(({ parameters }, level) => [`${level}`, parameters]))),
      head: this.#head.parameters,
    });
    this.buffers = joinParameters({ encoder: encoder.buffers ?? new Map() });
  }

  /**
   * Computes logits or values.
   *
   * @param volume `[batch, depth, height, width, channels]` float32; stays the caller's.
   * @param training Whether dropout and drop path act. Default false.
   * @returns `[batch, outputs]`; the caller disposes. Gradients flow to volume and parameters.
   */
  apply(volume: tf.Tensor5D, training = false): tf.Tensor2D {
    return tf.tidy(() => this.classify(this.features(volume, training)));
  }

  /**
   * Pools the pyramid, as a linear probe stores it.
   *
   * @param volume As {@linkcode ClassificationNetwork.apply} takes it.
   * @param training Whether dropout and drop path act. Default false.
   * @returns `[batch, featureWidth]`; the caller disposes. Gradients flow.
   */
  features(volume: tf.Tensor5D, training = false): tf.Tensor2D {
    return tf.tidy(() => {
      const pyramid = this.encoder.encode(volume, training).slice(this.#firstLevel);
      return tf.concat(pyramid.map((level, index) => this.#pool(level, this.#scores[index])), 1) as tf.Tensor2D;
    });
  }

  /**
   * Maps pooled features to outputs.
   *
   * @param features `[batch, featureWidth]`; stays the caller's.
   * @returns `[batch, outputs]`; the caller disposes. Gradients flow.
   */
  classify(features: tf.Tensor2D): tf.Tensor2D {
    return this.#head.apply(features);
  }

  #pool(level: tf.Tensor5D, score: Linear | undefined): tf.Tensor2D {
    const [batch, depth, height, width, channels] = level.shape;
    const cells = tf.reshape(level, [batch, depth * height * width, channels]) as tf.Tensor3D;
    if (!score) return tf.mean(cells, 1) as tf.Tensor2D;
    const scores = tf.reshape(score.apply(cells), [batch, depth * height * width]);
    const weights = tf.expandDims(tf.softmax(tf.div(scores, Math.sqrt(channels))), 2);
    return tf.sum(tf.mul(cells, weights), 1) as tf.Tensor2D;
  }
}
