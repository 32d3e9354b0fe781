import type { Parameters, StochasticOptions } from "@med3d/nn";
import type * as tf from "@tensorflow/tfjs-core";
import type { SliceQuestion } from "./questions.ts";

/** What answers questions about slices from a 3D encoder's features: a `PlaneSliceTransformer`, a `PooledReader` or your own. */
export interface SliceReader {
  /** Trainable parameters, in a fixed order. */
  readonly parameters: Parameters;
  /**
   * Answers questions about slices of a batch of volumes.
   *
   * @param memory `[batch, depth, height, width, channels]` float32, an encoder's deepest features; stays the caller's.
   * @param questions Any number per volume, in any order.
   * @param options `training` and the `seed` of what is drawn then.
   * @returns `[questions, outputWidth]` float32, in the questions' order; the caller disposes. Gradients flow to the memory and all parameters.
   */
  ask(memory: tf.Tensor5D, questions: readonly SliceQuestion[], options?: StochasticOptions): tf.Tensor2D;
}
