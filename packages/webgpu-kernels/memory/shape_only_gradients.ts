/**
 * Lets the gradients of sums, concatenations and the like, which look at nothing of their inputs but the shapes, keep the shapes and not the
 * tensors, on every backend. On import. TensorFlow.js keeps the inputs: in a U-Net the results of every convolution with a bias once more.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' gradients first

/** Operations whose gradient in TensorFlow.js 4.22 reads nothing but `shape` of what is saved. */
const SHAPE_ONLY = ["Add", "AddN", "Concat", "ExpandDims", "Mean", "Reshape", "Sub", "Sum"] as const;

/** Stands for a saved tensor whose values nobody reads. */
class ShapeOfTensor {
  readonly kept = true;
  readonly isDisposed = true;

  constructor(readonly shape: readonly number[], readonly dtype: string) {}

  dispose(): void {}
}

interface SavingEngine {
  getTensorsForGradient(kernelName: string, inputs: unknown, outputs: unknown): tf.Tensor[];
  saveTensorsForBackwardMode(tensors: tf.Tensor[]): tf.Tensor[];
}

const MARK = Symbol.for("med3d/shape-only-gradients");
const engine = tf.engine() as unknown as SavingEngine & { [MARK]?: boolean };

if (!engine[MARK]) {
  engine[MARK] = true;
  // A gradient that somebody registers in place of TensorFlow.js' own may read values.
  const known = new Map(SHAPE_ONLY.map((name) => [name as string, tf.getGradient(name)?.gradFunc]));
  const choose = engine.getTensorsForGradient.bind(engine);
  const save = engine.saveTensorsForBackwardMode.bind(engine);
  engine.getTensorsForGradient = (kernelName, inputs, outputs) => {
    const tensors = choose(kernelName, inputs, outputs);
    const gradient = known.get(kernelName);
    if (!gradient || tf.getGradient(kernelName)?.gradFunc !== gradient) return tensors;
    return tensors.map(({ shape, dtype }) => new ShapeOfTensor(shape, dtype) as unknown as tf.Tensor);
  };
  engine.saveTensorsForBackwardMode = (tensors) =>
    tensors.map((tensor) => tensor as unknown instanceof ShapeOfTensor ? tensor : save([tensor])[0]!);
}
