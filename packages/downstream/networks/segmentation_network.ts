import { type Decoder3D, type Encoder3D, UNetDecoder } from "@med3d/encoder3d";
import { Conv3d, joinParameters, type Module, type Parameters } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";

/** A decoder that tells its channels; all of @med3d/encoder3d do. */
export interface SizedDecoder3D extends Decoder3D {
  /** Channels of what it makes. */
  readonly outChannels: number;
}

/** Options of {@linkcode SegmentationNetwork}. */
export interface SegmentationNetworkOptions {
  /** Number of classes, background included, or of regions. */
  readonly outChannels: number;
  /** What turns the pyramid into a dense map. Default: a `UNetDecoder` of the encoder. */
  readonly decoder?: SizedDecoder3D;
  /**
   * Whether a 1×1×1 convolution maps the decoder's channels to `outChannels`; without, the decoder's output is the result. Default: true.
   */
  readonly head?: boolean;
  /**
   * Coarser stages of the decoder that get heads of their own for training, next finest first; needs a `UNetDecoder`. At most one less
   * than its levels. Default 0.
   */
  readonly supervisedStages?: number;
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * A segmentation network over any encoder: its pyramid, a decoder and a 1×1×1 convolution; with heads on coarser stages where deep
 * supervision is wanted (Lee et al. 2015, as nnU-Net has it).
 *
 * Parameters are named `encoder.*`, `decoder.*`, `head.*` and `auxiliary_heads.<stage>.*`; the first two are those of a pretrained model.
 */
export class SegmentationNetwork implements Module {
  /** The encoder; the network's from then on. */
  readonly encoder: Encoder3D;
  /** The decoder; the network's. */
  readonly decoder: SizedDecoder3D;
  /** Number of classes or regions. */
  readonly outChannels: number;
  /** Trainable parameters, encoder first. */
  readonly parameters: Parameters;
  /** What belongs to the weights but is not trained, as `encoder.*`. */
  readonly buffers: Parameters;
  readonly #head: Conv3d | undefined;
  readonly #auxiliary: readonly Conv3d[];

  /**
   * Makes the network.
   *
   * @param encoder The network's from then on.
   * @throws RangeError when a number of channels is out of range, or stages are to be supervised that the decoder does not have.
   */
  constructor(encoder: Encoder3D, options: SegmentationNetworkOptions) {
    const { outChannels, random, head = true, supervisedStages = 0 } = options;
    this.encoder = encoder;
    this.outChannels = outChannels;
    this.decoder = options.decoder ?? new UNetDecoder(encoder, { random });
    if (!head && this.decoder.outChannels !== outChannels) {
      throw new RangeError(
        `Cannot make a SegmentationNetwork: the decoder has no head and other channels: got ${this.decoder.outChannels}, ` +
          `expected ${outChannels}. Leave the head in.`,
      );
    }
    const coarser = this.decoder instanceof UNetDecoder ? this.decoder.levels.slice(1) : [];
    const mostStages = coarser.length;
    if (!Number.isSafeInteger(supervisedStages) || supervisedStages < 0 || supervisedStages > mostStages) {
      throw new RangeError(
        `Cannot make a SegmentationNetwork: supervisedStages is out of range: got ${supervisedStages}, expected 0…${mostStages}. ` +
          `Ask for fewer, or use a UNetDecoder.`,
      );
    }
    const convolution = (channels: number): Conv3d =>
      new Conv3d(channels, outChannels, { kernelSize: 1, initialisation: "he", random });
    this.#head = head ? convolution(this.decoder.outChannels) : undefined;
    this.#auxiliary = coarser.slice(0, supervisedStages).map(({ channels }) => convolution(channels));
    this.parameters = joinParameters({
      encoder: encoder.parameters,
      decoder: this.decoder.parameters,
      head: this.#head?.parameters ?? new Map(),
      auxiliary_heads: joinParameters(
        new Map(this.#auxiliary.map(({ parameters }, stage) => [`${stage}`, parameters])),
      ),
    });
    this.buffers = joinParameters({ encoder: encoder.buffers ?? new Map() });
  }

  /**
   * Computes logits on the volume's grid.
   *
   * @param volume `[batch, depth, height, width, channels]` float32; stays the caller's.
   * @param training Whether dropout and drop path act. Default false.
   * @returns `[batch, depth, height, width, outChannels]`; the caller disposes. Gradients flow to volume and parameters.
   */
  apply(volume: tf.Tensor5D, training = false): tf.Tensor5D {
    return tf.tidy(() => this.#finish(this.decoder.decode(this.encoder.encode(volume, training), training)));
  }

  /**
   * Computes logits of the volume's grid and of every supervised stage.
   *
   * @param volume As {@linkcode SegmentationNetwork.apply} takes it.
   * @param training Whether dropout and drop path act. Default false.
   * @returns One `[batch, d, h, w, outChannels]` tensor for the grid and each supervised stage, finest first; the caller disposes. Gradients
   * flow.
   */
  applyLevels(volume: tf.Tensor5D, training = false): tf.Tensor5D[] {
    return tf.tidy(() => {
      const pyramid = this.encoder.encode(volume, training);
      if (this.#auxiliary.length === 0) return [this.#finish(this.decoder.decode(pyramid, training))];
      const [finest, ...coarser] = (this.decoder as UNetDecoder).decodeLevels(pyramid);
      return [this.#finish(finest!), ...this.#auxiliary.map((head, stage) => head.apply(coarser[stage]!))];
    });
  }

  #finish(features: tf.Tensor5D): tf.Tensor5D {
    return this.#head ? this.#head.apply(features) : features;
  }
}
