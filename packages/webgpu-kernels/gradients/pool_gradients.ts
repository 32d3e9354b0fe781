/**
 * Right gradients of pooling. TensorFlow.js divides that of average pooling by the window's whole size also where part of it lies in the padding,
 * which the pooling itself leaves out: mended on every backend. It mixes up the axes of maxPool3d's windows where they are not cubes: mended on
 * webgpu and cpu. Of equal maxima the first gets the gradient.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' own gradients first
import { MAX_POOL_GRADIENT } from "./_max_pool_kernels.ts";
import { axes2D, axes3D, type PoolAttributes, type PoolAxis } from "./_pool_axes.ts";

/** Whole size of each window over the size of its part inside, `[1, ...outputs, 1]`; undefined where all lie inside. */
function windowFactors(axes: readonly PoolAxis[]): tf.Tensor | undefined {
  const factors = axes.map(({ input, output, filter, stride, before }) =>
    Array.from({ length: output }, (_, i) => {
      const start = i * stride - before;
      return filter / (Math.min(input, start + filter) - Math.max(0, start));
    })
  );
  if (factors.flat().every((factor) => factor === 1)) return undefined;
  const rank = axes.length + 2;
  return factors.map((values, axis) => {
    const shape = new Array<number>(rank).fill(1);
    shape[axis + 1] = values.length;
    return tf.tensor(values, shape);
  }).reduce((a, b) => tf.mul(a, b));
}

for (const [kernelName, axesOf] of [["AvgPool3D", axes3D], ["AvgPool", axes2D]] as const) {
  tf.unregisterGradient(kernelName);
  tf.registerGradient({
    kernelName,
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => ({
      x: () => {
        const x = saved[0]!;
        const factors = windowFactors(axesOf(x.shape, attrs as unknown as PoolAttributes));
        const scaled = factors ? tf.mul(dy as tf.Tensor, factors) : dy as tf.Tensor;
        return tf.engine().runKernel(`${kernelName}Grad`, { dy: scaled, input: x }, attrs) as tf.Tensor;
      },
    }),
  });
}

const stockMaxPool = tf.getGradient("MaxPool3D");
tf.unregisterGradient("MaxPool3D");
tf.registerGradient({
  kernelName: "MaxPool3D",
  inputsToSave: ["x"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attrs) => {
    const x = saved[0]!;
    if (!tf.getKernel(MAX_POOL_GRADIENT, tf.getBackend())) return stockMaxPool.gradFunc(dy, saved, attrs);
    return { x: () => tf.engine().runKernel(MAX_POOL_GRADIENT, { x, dy: dy as tf.Tensor }, attrs) as tf.Tensor };
  },
});
