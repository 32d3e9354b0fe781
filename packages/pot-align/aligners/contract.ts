import type * as tf from "@tensorflow/tfjs-core";

/** Parameters by name. Structural: no package is needed to make one. */
export type Parameters = ReadonlyMap<string, tf.Variable>;

/** What an {@linkcode Aligner} returns. `tf.dispose` takes it whole. */
export type Alignment = {
  /** Scalar float32 loss; the caller disposes. Gradients flow to the embeddings and to the aligner's parameters. */
  readonly loss: tf.Scalar;
  /** `[batch, batch]` transport plan, rows are embeddings, columns targets; detached; the caller disposes. */
  readonly plan?: tf.Tensor2D;
};

/** Pulls each embedding towards the target of the same row. What can replace the aligner of the method. */
export interface Aligner {
  /** Trainable parameters; may be empty. */
  readonly parameters: Parameters;
  /**
   * Computes the alignment loss of a batch.
   *
   * @param embeddings `[batch, width]` float32, from the 3D side; normalised inside where the aligner needs it.
   * @param targets `[batch, width]` float32, row i belongs to embedding i.
   */
  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment;
}

/** An aligner with state that is not trained but belongs into a checkpoint. */
export interface BufferedAligner extends Aligner {
  /** Variables that move on by themselves; absent or empty for most aligners. */
  readonly buffers?: Parameters;
}
