/**
 * Lets TensorFlow.js' gradients dispose of what they no longer need while they go, on every backend. On import; `tf.grad`, `tf.variableGrads`,
 * optimisers and layers' training all go this way.
 *
 * TensorFlow.js keeps every saved tensor and the gradient of every intermediate result until the last gradient is there: twice the memory of
 * the way forward. Values are the same, bit for bit, for the same operations run in the same order.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { backpropagate, engineInternals, runOnTape } from "./_tape.ts";

const MARK = Symbol.for("med3d/early-release");
const engine = engineInternals();
const stock = engine.gradients.bind(engine);

/** As TensorFlow.js' own, but for what it holds on to. Gradients of gradients, whose tape must last, go the stock way. */
function gradients(
  f: () => tf.Tensor,
  xs: tf.Tensor[],
  dy?: tf.Tensor | null,
  allowNoGradients = false,
): { value: tf.Tensor; grads: tf.Tensor[] } {
  const { state } = engineInternals();
  if (state.gradientDepth > 0) return stock(f, xs, dy, allowNoGradients);
  tf.util.assert(xs.length > 0, () => "gradients() received an empty list of xs.");
  if (dy && dy.dtype !== "float32") throw new Error(`dy must have 'float32' dtype, but has '${dy.dtype}'`);
  const { value, tape } = runOnTape(f);
  tf.util.assert(value instanceof tf.Tensor, () => "The result y returned by f() must be a tensor.");
  try {
    return tf.tidy("backward", () => {
      const grads = backpropagate(tape, xs, new Map([[value, dy ?? tf.ones(value.shape)]]));
      if (!allowNoGradients && grads.every((gradient) => gradient === undefined)) {
        throw new Error(
          "Cannot compute gradient of y=f(x) with respect to x. Make sure that the f you passed encloses all operations that lead from x to y.",
        );
      }
      return { value, grads: grads as tf.Tensor[] };
    });
  } catch (error) {
    if (!xs.includes(value)) value.dispose();
    throw error;
  }
}

const marked = engine as unknown as Record<symbol, boolean>;
if (!marked[MARK]) {
  marked[MARK] = true;
  engine.gradients = gradients;
}
