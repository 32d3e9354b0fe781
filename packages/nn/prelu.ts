import * as tf from "@tensorflow/tfjs-core";
import { createParameter, type Module, type Parameters } from "./parameters.ts";

/**
 * Leaky ReLU whose slope below 0 is learned, one for all channels. As `torch.nn.PReLU()` (He et al. 2015). Parameter `weight`, `[1]`, 0.25 at
 * first.
 */
export class PRelu implements Module {
  /** `weight`. */
  readonly parameters: Parameters = new Map([["weight", createParameter(Float32Array.of(0.25), [1])]]);

  /**
   * Applies the activation.
   *
   * @param x Any shape, float32; stays the caller's.
   * @returns Same shape; the caller disposes. Gradients flow to input and slope.
   */
  apply<T extends tf.Tensor>(x: T): T {
    // relu(x) + weight·min(x, 0), where min(x, 0) = x − relu(x).
    return tf.tidy(() => {
      const positive = tf.relu(x);
      return tf.add(positive, tf.mul(tf.sub(x, positive), this.parameters.get("weight")!)) as T;
    });
  }
}
