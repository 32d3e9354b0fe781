import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { assertClose, draw } from "../testdata/numbers.ts";
import { testOnBackends } from "../testing.ts";
import { fusedInstanceNorm } from "./fused_instance_norm.ts";
import { fusedLayerNorm } from "./fused_layer_norm.ts";

type Three = [tf.Tensor, tf.Tensor1D, tf.Tensor1D];

/** What the fused operation is to equal, out of TensorFlow.js' own operations. */
function composed([x, scale, offset]: Three, slope: number): tf.Tensor {
  const voxels = tf.reshape(x, [x.shape[0]!, -1, scale.size]);
  const centred = tf.sub(voxels, tf.mean(voxels, 1, true));
  const variance = tf.mean(tf.square(centred), 1, true);
  const y = tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5))), scale), offset);
  return tf.reshape(tf.sub(tf.mul(y, slope), tf.mul(tf.relu(y), slope - 1)), x.shape);
}

for (
  const [shape, slope] of [
    [[1, 3, 4, 5, 8], 0.01],
    [[2, 3, 5, 7, 3], 0.01],
    [[2, 4, 3, 2, 4], 1],
    [[3, 1, 2, 4, 5], 1],
    [[2, 70, 6], 0],
    [[1, 24, 24, 24, 4], 0.2],
  ] as [number[], number][]
) {
  testOnBackends(
    `fusedInstanceNorm: value and gradients equal the composed ones, [${shape}] slope ${slope}`,
    async ({ tolerance }) => {
      const channels = shape.at(-1)!;
      const inputs = [
        draw(`x${shape}`, shape, { mean: 3, deviation: 2 }),
        draw("scale", [channels], { mean: 1 }),
        draw("offset", [channels]),
      ] as Three;
      const weights = draw("weights", shape);
      const fused = (...[x, scale, offset]: tf.Tensor[]): tf.Tensor =>
        fusedInstanceNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, { leakySlope: slope });
      await assertClose(fused(...inputs), composed(inputs, slope), tolerance);
      const actual = tf.grads((...t) => tf.sum(tf.mul(fused(...t), weights)))(inputs);
      const expected = tf.grads((...t) => tf.sum(tf.mul(composed(t as Three, slope), weights)))(inputs);
      for (const [index, gradient] of actual.entries()) await assertClose(gradient, expected[index]!, 10 * tolerance);
    },
  );
}

testOnBackends("fusedInstanceNorm: the gradient equals finite differences", async () => {
  const [x, scale, offset] = [draw("fx", [2, 3, 2, 2, 4]), draw("fs", [4]), draw("fo", [4])] as Three;
  const weights = draw("fw", x.shape);
  const loss = (z: tf.Tensor): tf.Tensor =>
    tf.sum(tf.mul(fusedInstanceNorm(z, scale, offset, { leakySlope: 0.3 }), weights));
  const gradient = await tf.grad(loss)(x).data();
  const values = await x.data();
  for (const cell of [0, 5, 17, 31, 46]) {
    const at = async (step: number): Promise<number> => {
      const moved = Float32Array.from(values);
      moved[cell]! += step;
      return (await loss(tf.tensor(moved, x.shape)).data())[0]!;
    };
    const slope = (await at(4e-3) - await at(-4e-3)) / 8e-3;
    assert.ok(Math.abs(slope - gradient[cell]!) < 2e-2 * Math.max(1, Math.abs(slope)), `${slope} ${gradient[cell]}`);
  }
});

testOnBackends("fusedInstanceNorm: a mean of a thousand deviations costs no digits", async () => {
  const x = draw("far", [1, 16, 16, 16, 4], { mean: 1000, deviation: 1 });
  const y = fusedInstanceNorm(x, tf.ones([4]), tf.zeros([4]));
  const { mean, variance } = tf.moments(tf.reshape(y, [-1, 4]), 0);
  for (const value of await mean.data()) assert.ok(Math.abs(value) < 1e-3, `mean ${value}`);
  for (const value of await variance.data()) assert.ok(Math.abs(value - 1) < 1e-3, `variance ${value}`);
});

testOnBackends("fusedInstanceNorm: a constant volume gives the offset", async () => {
  const y = fusedInstanceNorm(tf.fill([1, 4, 4, 4, 2], 7), tf.ones([2]), tf.tensor1d([1, 2]));
  assert.deepEqual(Array.from((await y.data()).slice(0, 4)), [1, 2, 1, 2]);
});

testOnBackends("fusedInstanceNorm: leaves no tensors behind", () => {
  const inputs = [draw("lx", [1, 2, 2, 2, 4]), draw("ls", [4]), draw("lo", [4])] as Three;
  const { numTensors, numDataBuffers } = tf.memory();
  for (let turn = 0; turn < 5; turn++) {
    tf.dispose(fusedInstanceNorm(...inputs));
    tf.dispose(
      tf.grads((x, scale, offset) => fusedInstanceNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D))(inputs),
    );
  }
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
});

testOnBackends("fusedInstanceNorm: refuses what does not fit", () => {
  const [scale, offset] = [tf.ones([4]) as tf.Tensor1D, tf.zeros([4]) as tf.Tensor1D];
  const refuses = (message: RegExp, body: () => unknown): void => assert.throws(body, { name: "RangeError", message });
  refuses(/wrong rank: got \[2,4\]/, () => fusedInstanceNorm(tf.ones([2, 4]), scale, offset));
  refuses(/scale has the wrong shape: got \[3\]/, () => fusedInstanceNorm(tf.ones([1, 2, 4]), tf.ones([3]), offset));
  refuses(/offset has the wrong shape: got \[3\]/, () => fusedInstanceNorm(tf.ones([1, 2, 4]), scale, tf.ones([3])));
  refuses(/empty/, () => fusedInstanceNorm(tf.ones([1, 0, 4]), scale, offset));
  refuses(/epsilon/, () => fusedInstanceNorm(tf.ones([1, 2, 4]), scale, offset, { epsilon: 0 }));
  refuses(/leakySlope/, () => fusedInstanceNorm(tf.ones([1, 2, 4]), scale, offset, { leakySlope: 2 }));
});

for (const shape of [[3, 8], [2, 5, 7], [300, 48], [1, 2, 3, 2, 16], [6], [2, 20_001], [3, 20_000]]) {
  testOnBackends(`fusedLayerNorm: value and gradients equal the composed ones, [${shape}]`, async ({ tolerance }) => {
    const width = shape.at(-1)!;
    const inputs = [
      draw(`layer${shape}`, shape, { mean: 2 }),
      draw("layer scale", [width], { mean: 1 }),
      draw("layer offset", [width]),
    ] as Three;
    const weights = draw("layer weights", shape);
    const fused = (...[x, scale, offset]: tf.Tensor[]): tf.Tensor =>
      fusedLayerNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, { epsilon: 1e-3 });
    const plain = (...[x, scale, offset]: tf.Tensor[]): tf.Tensor => {
      const centred = tf.sub(x!, tf.mean(x!, -1, true));
      const root = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-3));
      return tf.add(tf.mul(tf.mul(centred, root), scale!), offset!);
    };
    await assertClose(fused(...inputs), plain(...inputs), tolerance);
    const actual = tf.grads((...t) => tf.sum(tf.mul(fused(...t), weights)))(inputs);
    const expected = tf.grads((...t) => tf.sum(tf.mul(plain(...t), weights)))(inputs);
    for (const [index, gradient] of actual.entries()) await assertClose(gradient, expected[index]!, 10 * tolerance);
  });
}

testOnBackends("fusedLayerNorm: leaves no tensors behind and refuses what does not fit", () => {
  const [scale, offset] = [tf.ones([4]) as tf.Tensor1D, tf.zeros([4]) as tf.Tensor1D];
  const x = tf.ones([3, 4]);
  const { numTensors, numDataBuffers } = tf.memory();
  tf.dispose(fusedLayerNorm(x, scale, offset));
  tf.dispose(tf.grads((...t) => fusedLayerNorm(t[0]!, t[1] as tf.Tensor1D, t[2] as tf.Tensor1D))([x, scale, offset]));
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  const refuses = (message: RegExp, body: () => unknown): void => assert.throws(body, { name: "RangeError", message });
  refuses(/wrong rank/, () => fusedLayerNorm(tf.scalar(1), scale, offset));
  refuses(/empty/, () => fusedLayerNorm(tf.ones([0, 4]), scale, offset));
  refuses(/scale has the wrong shape: got \[3\]/, () => fusedLayerNorm(x, tf.ones([3]), offset));
  refuses(/offset has the wrong shape: got \[3\]/, () => fusedLayerNorm(x, scale, tf.ones([3])));
  refuses(/epsilon/, () => fusedLayerNorm(x, scale, offset, { epsilon: -1 }));
});
