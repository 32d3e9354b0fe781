/**
 * Gradients of operations that select, which TensorFlow.js lacks or that throw, on every backend: StridedSlice, TopK (of its values), Prod, and those of
 * truth values (zero).
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' own gradients first
import { replaceGradient } from "./_replace_gradient.ts";

/** Spreads values over zeros: each goes to the cell of that index into the flat result. */
function spread(values: tf.Tensor, indices: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const size = tf.util.sizeFromShape([...shape]);
  const flat = tf.scatterND(tf.reshape(indices, [-1, 1]), tf.reshape(values, [-1]), [size]);
  return tf.reshape(flat, [...shape]);
}

replaceGradient({
  kernelName: "StridedSlice",
  inputsToSave: ["x"],
  gradFunc: (dy, saved, attrs) => {
    const { shape } = saved[0]!;
    return {
      x: () => {
        if ((dy as tf.Tensor).size === 0) return tf.zeros(shape);
        // The same slice of the indices of all cells tells where each number came from.
        const places = tf.reshape(tf.range(0, tf.util.sizeFromShape(shape), 1, "int32"), shape);
        return spread(dy as tf.Tensor, tf.engine().runKernel("StridedSlice", { x: places }, attrs) as tf.Tensor, shape);
      },
    };
  },
});

replaceGradient({
  kernelName: "TopK",
  inputsToSave: ["x"],
  outputsToSave: [false, true],
  gradFunc: (gradients, saved) => {
    const [x, indices] = saved as [tf.Tensor, tf.Tensor];
    const width = x.shape.at(-1)!;
    const rows = x.size / width;
    const starts = tf.mul(tf.reshape(tf.range(0, rows, 1, "int32"), [rows, 1]), tf.scalar(width, "int32"));
    return {
      x: () => spread((gradients as tf.Tensor[])[0]!, tf.add(tf.reshape(indices, [rows, -1]), starts), x.shape),
    };
  },
});

replaceGradient({
  kernelName: "Prod",
  inputsToSave: ["x"],
  gradFunc: (dy, saved, attrs) => ({
    x: () => {
      const x = saved[0]!;
      const axes = tf.util.parseAxisParam((attrs as unknown as { axis: number | number[] }).axis, x.shape);
      const order = [...x.shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
      const moved = tf.transpose(x, order);
      const count = tf.util.sizeFromShape(axes.map((axis) => x.shape[axis]!));
      const rows = tf.reshape(moved, [-1, count]);
      // The product of all others is that of those before times that of those behind: right where some are 0.
      const others = tf.mul(tf.cumprod(rows, 1, true), tf.cumprod(rows, 1, true, true));
      const gradient = tf.reshape(tf.mul(others, tf.reshape(dy as tf.Tensor, [-1, 1])), moved.shape);
      return tf.transpose(gradient, order.map((_, axis) => order.indexOf(axis)));
    },
  }),
});

for (
  const [kernelName, inputs] of [
    ["LogicalAnd", ["a", "b"]],
    ["LogicalOr", ["a", "b"]],
    ["LogicalNot", ["x"]],
    ["All", ["x"]],
    ["Any", ["x"]],
  ] as const
) {
  replaceGradient({
    kernelName,
    inputsToSave: [...inputs],
    gradFunc: (_dy, saved) => Object.fromEntries(inputs.map((input, i) => [input, () => tf.zeros(saved[i]!.shape)])),
  });
}
