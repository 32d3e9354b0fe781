import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { assertClose, draw } from "../testdata/numbers.ts";
import { testOnBackends } from "../testing.ts";
import { fusedGroupNorm } from "./fused_group_norm.ts";
import { fusedInstanceNorm } from "./fused_instance_norm.ts";

type Three = [tf.Tensor, tf.Tensor1D, tf.Tensor1D];

/** The formula in TensorFlow.js' operations. */
function composed(
  x: tf.Tensor,
  [scale, offset]: tf.Tensor[],
  { groups, slope }: { groups: number; slope: number },
): tf.Tensor {
  const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
  const parts = tf.reshape(x, [batch, -1, groups, channels / groups]);
  const centred = tf.sub(parts, tf.mean(parts, [1, 3], true));
  const normal = tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), [1, 3], true), 1e-3)));
  const y = tf.add(tf.mul(tf.reshape(normal, x.shape), scale!), offset!);
  return tf.sub(tf.mul(y, slope), tf.mul(tf.relu(y), slope - 1));
}

for (
  const [shape, groups, slope] of [
    [[2, 3, 4, 5, 8], 2, 1],
    [[2, 3, 4, 5, 8], 1, 0.01],
    [[1, 7, 6], 3, 0.2],
    [[3, 40, 30, 12], 4, 1],
    [[2, 30, 30, 30, 4], 2, 0.01],
  ] as [number[], number, number][]
) {
  testOnBackends(
    `fusedGroupNorm: [${shape}] in ${groups} groups, slope ${slope}: value and gradients`,
    async ({ tolerance }) => {
      const channels = shape.at(-1)!;
      const inputs = [
        draw(`x${shape}`, shape, { mean: 2 }),
        draw("scale", [channels], { mean: 1 }),
        draw("offset", [channels]),
      ] as Three;
      const weights = draw("weights", shape);
      const fused = (...[x, scale, offset]: tf.Tensor[]): tf.Tensor =>
        fusedGroupNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, { groups, epsilon: 1e-3, leakySlope: slope });
      const plain = (...[x, ...affine]: tf.Tensor[]): tf.Tensor => composed(x!, affine, { groups, slope });
      await assertClose(fused(...inputs), plain(...inputs), tolerance);
      const actual = tf.grads((...t) => tf.sum(tf.mul(fused(...t), weights)))(inputs);
      const expected = tf.grads((...t) => tf.sum(tf.mul(plain(...t), weights)))(inputs);
      for (const [i, gradient] of actual.entries()) await assertClose(gradient, expected[i]!, 10 * tolerance);
    },
  );
}

testOnBackends(
  "fusedGroupNorm: one channel a group is instance norm; far from zero no digits cancel",
  async ({ tolerance }) => {
    const affine = [draw("scale", [6], { mean: 1 }), draw("offset", [6])] as [tf.Tensor1D, tf.Tensor1D];
    const x = draw("x", [2, 4, 5, 6]);
    const expected = fusedInstanceNorm(x, ...affine, { leakySlope: 0.1 });
    await assertClose(fusedGroupNorm(x, ...affine, { groups: 6, leakySlope: 0.1 }), expected, tolerance);
    const far = fusedGroupNorm(tf.add(x, 1000), ...affine, { groups: 2 });
    await assertClose(far, fusedGroupNorm(x, ...affine, { groups: 2 }), 1e-3);
  },
);

testOnBackends("fusedGroupNorm: leaves nothing behind and refuses what does not fit", () => {
  const [scale, offset] = [tf.ones([4]) as tf.Tensor1D, tf.zeros([4]) as tf.Tensor1D];
  const x = tf.ones([1, 2, 4]);
  const { numTensors, numDataBuffers } = tf.memory();
  fusedGroupNorm(x, scale, offset, { groups: 2 }).dispose();
  tf.dispose(
    tf.grads((...t) => fusedGroupNorm(t[0]!, t[1] as tf.Tensor1D, t[2] as tf.Tensor1D, { groups: 2 }))([
      x,
      scale,
      offset,
    ]),
  );
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  const refuses = (message: RegExp, body: () => unknown): void => assert.throws(body, { name: "RangeError", message });
  refuses(/groups is wrong: got 3, expected a divisor of 4/, () => fusedGroupNorm(x, scale, offset, { groups: 3 }));
  refuses(/wrong rank/, () => fusedGroupNorm(tf.ones([2, 4]), scale, offset, { groups: 2 }));
  refuses(/scale has the wrong shape: got \[3\]/, () => fusedGroupNorm(x, tf.ones([3]), offset, { groups: 2 }));
  refuses(/empty/, () => fusedGroupNorm(tf.ones([1, 0, 4]), scale, offset, { groups: 2 }));
  refuses(/epsilon/, () => fusedGroupNorm(x, scale, offset, { groups: 2, epsilon: 0 }));
  refuses(/leakySlope/, () => fusedGroupNorm(x, scale, offset, { groups: 2, leakySlope: -1 }));
});
