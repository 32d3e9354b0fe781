import * as tf from "@tensorflow/tfjs-core";

/** Parts of TensorFlow.js' engine that this package replaces on the instance; the class has the originals. */
const REPLACED = ["gradients", "getTensorsForGradient", "saveTensorsForBackwardMode"] as const;

/** Runs with TensorFlow.js' own way of taking gradients. */
export function stockGradients<T>(body: () => T): T {
  const engine = tf.engine() as unknown as Record<string, unknown>;
  const own = REPLACED.map((name) => [name, engine[name]] as const);
  for (const [name, replacement] of own) {
    delete engine[name];
    if (engine[name] === replacement) throw new Error(`Cannot restore TensorFlow.js' ${name}: it was not replaced.`);
  }
  try {
    return body();
  } finally {
    Object.assign(engine, Object.fromEntries(own));
  }
}
