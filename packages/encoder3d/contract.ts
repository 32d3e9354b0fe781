import type * as tf from "@tensorflow/tfjs-core";
import type { Parameters } from "@med3d/nn";

/** What a pass may be told beside its input. */
export interface PassOptions {
  /**
   * Seed of what acts at random in training, for networks that have dropout or drop path: the same seed gives the same pass, so that a resumed
   * run repeats. Default: whatever the network draws by itself.
   */
  readonly seed?: string;
}

/** What "any 3D network" must offer to be pretrained. A user's own class satisfies it without inheriting from anything. */
export interface Encoder3D {
  /** Channels of each level, finest first. */
  readonly channels: readonly number[];
  /** Input voxels per cell of each level, `[depth, height, width]`, finest first. */
  readonly strides: readonly (readonly [number, number, number])[];
  /** Trainable parameters, in a fixed order. */
  readonly parameters: Parameters;
  /** What belongs to the weights but is not trained, such as running statistics of batch norms. Default nothing. */
  readonly buffers?: Parameters;
  /**
   * Computes the feature pyramid, finest first.
   *
   * @param volume `[batch, depth, height, width, channels]` float32; stays the caller's.
   * @param training Whether dropout and drop path act. Default false.
   * @param options Seed of what acts at random; networks that have no such thing leave it aside.
   * @returns One `[batch, d, h, w, channels[level]]` tensor per level; the caller disposes. Gradients flow.
   */
  encode(volume: tf.Tensor5D, training?: boolean, options?: PassOptions): tf.Tensor5D[];
}

/** Turns a feature pyramid into a dense map on the input's grid. */
export interface Decoder3D {
  /** Trainable parameters, in a fixed order. */
  readonly parameters: Parameters;
  /**
   * Computes `[batch, depth, height, width, outChannels]` from a pyramid, finest level first.
   *
   * @param features What {@linkcode Encoder3D.encode} returned; stays the caller's. Gradients flow.
   * @param training Whether dropout acts. Default false.
   * @param options Seed of what acts at random.
   */
  decode(features: readonly tf.Tensor5D[], training?: boolean, options?: PassOptions): tf.Tensor5D;
}
