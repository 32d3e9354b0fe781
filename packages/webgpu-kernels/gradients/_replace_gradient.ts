import * as tf from "@tensorflow/tfjs-core";

/** Puts a gradient in the place of what is registered. */
export function replaceGradient(config: tf.GradConfig): void {
  if (tf.getGradient(config.kernelName)) tf.unregisterGradient(config.kernelName);
  tf.registerGradient(config);
}
