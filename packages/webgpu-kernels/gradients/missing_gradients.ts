/**
 * Gradients that TensorFlow.js lacks or that throw, on every backend: Einsum, GatherNd, comparisons (zero), matMul of batches that broadcast, maximum,
 * minimum and squaredDifference of shapes that broadcast, and batchNorm from rank 5 on.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' own gradients first
import "./mirror_pad_gradient.ts";
import { replaceGradient } from "./_replace_gradient.ts";
import "./selection_gradients.ts";

/** Adds up along the axes that were broadcast. */
function sumTo(gradient: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes([...shape], gradient.shape);
  const sum = axes.length > 0 ? tf.sum(gradient, axes) : gradient;
  return tf.reshape(sum, [...shape]);
}

/** Registers a gradient of an operation on `a` and `b` that broadcast, given the factors on the gradient that comes in. */
function registerBinary(
  kernelName: string,
  factors: (a: tf.Tensor, b: tf.Tensor) => { a: () => tf.Tensor; b: () => tf.Tensor },
): void {
  replaceGradient({
    kernelName,
    inputsToSave: ["a", "b"],
    gradFunc: (dy, saved) => {
      const [a, b] = saved as [tf.Tensor, tf.Tensor];
      const factor = factors(a, b);
      return {
        a: () => sumTo(tf.mul(dy as tf.Tensor, factor.a()), a.shape),
        b: () => sumTo(tf.mul(dy as tf.Tensor, factor.b()), b.shape),
      };
    },
  });
}

const float = (condition: tf.Tensor): tf.Tensor => tf.cast(condition, "float32");

registerBinary("Maximum", (a, b) => ({ a: () => float(tf.greaterEqual(a, b)), b: () => float(tf.less(a, b)) }));
registerBinary("Minimum", (a, b) => ({ a: () => float(tf.lessEqual(a, b)), b: () => float(tf.greater(a, b)) }));
registerBinary("SquaredDifference", (a, b) => ({
  a: () => tf.mul(2, tf.sub(a, b)),
  b: () => tf.mul(2, tf.sub(b, a)),
}));

// Steps are flat where they have a slope at all.
for (const kernelName of ["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual"]) {
  replaceGradient({
    kernelName,
    inputsToSave: ["a", "b"],
    gradFunc: (_dy, saved) => {
      const [a, b] = saved as [tf.Tensor, tf.Tensor];
      return { a: () => tf.zerosLike(a), b: () => tf.zerosLike(b) };
    },
  });
}

const stockMatMul = tf.getGradient("BatchMatMul");
replaceGradient({
  kernelName: "BatchMatMul",
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved, attrs) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const gradients = stockMatMul.gradFunc(dy, saved, attrs);
    return { a: () => sumTo(gradients.a!(), a.shape), b: () => sumTo(gradients.b!(), b.shape) };
  },
});

replaceGradient({
  kernelName: "GatherNd",
  inputsToSave: ["params", "indices"],
  gradFunc: (dy, saved) => {
    const [params, indices] = saved as [tf.Tensor, tf.Tensor];
    return {
      params: () => tf.scatterND(indices, dy as tf.Tensor, params.shape as never),
      indices: () => tf.zerosLike(indices),
    };
  },
});

/** Gradient of one operand of an einsum: of what comes in and the other operand, spread over what was summed alone. */
function einsumGradient(
  { own, other, out }: { own: string; other: string; out: string },
  { dy, operand, shape }: { dy: tf.Tensor; operand: tf.Tensor | undefined; shape: readonly number[] },
): tf.Tensor {
  const met = [...own].filter((label) => out.includes(label) || other.includes(label)).join("");
  const product = (): tf.Tensor => {
    if (!operand) return tf.einsum(`${out}->${met}`, dy);
    if (out === "") return tf.mul(dy, tf.einsum(`${other}->${met}`, operand));
    return tf.einsum(`${out},${other}->${met}`, dy, operand);
  };
  const narrow = out === "" && met === "" && !operand ? dy : product();
  const spread = [...own].map((label, axis) => met.includes(label) ? shape[axis]! : 1);
  return tf.mul(tf.reshape(narrow, spread), tf.ones([...shape]));
}

replaceGradient({
  kernelName: "Einsum",
  saveAllInputs: true, // an array
  gradFunc: (dy, saved, attrs) => {
    const { equation } = attrs as unknown as { equation: string };
    const [inputs, out] = equation.replaceAll(" ", "").split("->") as [string, string];
    const labels = inputs.split(",");
    return Object.fromEntries(labels.map((own, i) => [
      i,
      () =>
        einsumGradient(
          { own, other: labels[1 - i] ?? "", out },
          { dy: dy as tf.Tensor, operand: labels.length > 1 ? saved[1 - i] : undefined, shape: saved[i]!.shape },
        ),
    ]));
  },
});

const stockBatchNorm = tf.getGradient("FusedBatchNorm");
replaceGradient({
  kernelName: "FusedBatchNorm",
  inputsToSave: ["x", "mean", "variance", "scale"],
  gradFunc: (dy, saved, attrs) => {
    const [, , variance, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const { varianceEpsilon } = attrs as unknown as { varianceEpsilon: number };
    return {
      ...stockBatchNorm.gradFunc(dy, saved, attrs),
      x: () => tf.mul(tf.mul(dy as tf.Tensor, tf.rsqrt(tf.add(variance, varianceEpsilon))), scale),
    };
  },
});
