/**
 * Times the fused norms beside the same from TensorFlow.js' operations, forward and with gradients.
 *
 *     deno task bench norms [--runs 5]
 */
import * as tf from "@tensorflow/tfjs-core";
import { type ComparedOperation, runOperationsBench } from "./_operations.ts";

const EPSILON = 1e-5;

/** Normalises over some axes, scales and shifts; ranks up to 4, at which stock TensorFlow.js is right. */
function normalise(x: tf.Tensor, axes: number[], [scale, offset]: readonly tf.Tensor[]): tf.Tensor {
  const { mean, variance } = tf.moments(x, axes, true);
  const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, EPSILON)));
  return tf.add(tf.mul(normal, scale!), offset!);
}

function instanceNorm(title: string, shape: readonly [number, number, number, number, number]): ComparedOperation {
  const [batch, depth, height, width, channels] = shape;
  return {
    title: `instance + leaky ReLU ${title}`,
    shapes: [shape, [channels], [channels]],
    ours: ({ fusedInstanceNorm }, [x, scale, offset]) =>
      fusedInstanceNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, { epsilon: EPSILON, leakySlope: 0.01 }),
    composed: ([x, ...affine]) => {
      const rows = tf.reshape(x!, [batch, depth * height * width, channels]);
      return tf.reshape(tf.leakyRelu(normalise(rows, [1], affine), 0.01), [...shape]);
    },
  };
}

function groupNorm(
  title: string,
  shape: readonly [number, number, number, number, number],
  groups: number,
): ComparedOperation {
  const [batch, depth, height, width, channels] = shape;
  return {
    title: `group (${groups}) ${title}`,
    shapes: [shape, [channels], [channels]],
    ours: ({ fusedGroupNorm }, [x, scale, offset]) =>
      fusedGroupNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, { groups, epsilon: EPSILON }),
    composed: ([x, ...affine]) => {
      const grouped = [groups, channels / groups];
      const cells = tf.reshape(x!, [batch, depth * height * width, ...grouped]);
      return tf.reshape(normalise(cells, [1, 3], affine.map((vector) => tf.reshape(vector, grouped))), [...shape]);
    },
  };
}

function layerNorm(rows: number, width: number): ComparedOperation {
  return {
    title: `layer ${rows}×${width}`,
    shapes: [[rows, width], [width], [width]],
    ours: ({ fusedLayerNorm }, [x, scale, offset]) =>
      fusedLayerNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, { epsilon: EPSILON }),
    composed: ([x, ...affine]) => normalise(x!, [1], affine),
  };
}

await runOperationsBench(import.meta.filename!, {
  title: "Norms, forward and with gradients, float32",
  operations: [
    instanceNorm("2×32×48×32×8", [2, 32, 48, 32, 8]),
    instanceNorm("2×8×12×8×32", [2, 8, 12, 8, 32]),
    instanceNorm("1×64³×16", [1, 64, 64, 64, 16]),
    groupNorm("1×32³×32", [1, 32, 32, 32, 32], 8),
    groupNorm("2×16³×64", [2, 16, 16, 16, 64], 8),
    layerNorm(512, 768), // a ViT on 128³ in patches of 16³
    layerNorm(32768, 96), // nnFormer's first stage
  ],
});
