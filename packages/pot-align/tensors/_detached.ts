import * as tf from "@tensorflow/tfjs-core";

/** The same value, through which no gradient flows. */
export function detached<T extends tf.Tensor>(tensor: T): T {
  const stop = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => ({
    value: tf.clone(inputs[0] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }));
  return stop(tensor) as T;
}
