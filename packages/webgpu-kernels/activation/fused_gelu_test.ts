import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { fusedGelu } from "./fused_gelu.ts";

// torch.nn.functional.gelu and its gradient in double precision (PyTorch 2.13), printed by tools/oracles/gelu.py.
const PYTORCH = [
  [-12, 0, -2.5756604828e-31],
  [-5, -1.43325785934e-06, -7.1469460018e-06],
  [-1.5, -0.100210801903, -0.12746919223],
  [-0.5, -0.154268769363, 0.132504875344],
  [0, 0, 0.5],
  [0.3, 0.185373426657, 0.732327766827],
  [1, 0.841344746069, 1.08331547059],
  [4, 3.99987331503, 1.00050364966],
  [20, 20, 1],
] as const;

for (const repeats of [1, 4]) { // an odd count, and one that goes by fours
  testOnBackends(`fusedGelu: value and gradient equal PyTorch's, ${repeats} × ${PYTORCH.length} numbers`, async () => {
    const x = tf.tile(tf.tensor1d(PYTORCH.map(([x]) => x)), [repeats]);
    const y = await fusedGelu(x).data();
    const slopes = await tf.grad((t) => tf.sum(tf.mul(fusedGelu(t), 3)))(x).data();
    for (let i = 0; i < x.size; i++) {
      const [at, value, slope] = PYTORCH[i % PYTORCH.length]!;
      assert.ok(Math.abs(y[i]! - value) <= 1e-6, `gelu(${at}): got ${y[i]}, expected ${value}`);
      assert.ok(Math.abs(slopes[i]! - 3 * slope) <= 3e-6, `gelu'(${at}): got ${slopes[i]! / 3}, expected ${slope}`);
    }
  });
}

testOnBackends("fusedGelu: keeps shapes, passes NaN on, leaves nothing behind and refuses integers", async () => {
  const x = tf.tensor3d([[[1, NaN, -1]]]);
  const { numTensors, numDataBuffers } = tf.memory();
  const y = fusedGelu(x);
  assert.deepEqual(y.shape, [1, 1, 3]);
  assert.ok(Number.isNaN((await y.data())[1]));
  y.dispose();
  assert.deepEqual(fusedGelu(tf.zeros([0, 2])).shape, [0, 2]);
  tf.dispose(tf.grad((t) => fusedGelu(t))(x));
  assert.equal(tf.memory().numTensors, numTensors + 2); // the two empty ones
  assert.equal(tf.memory().numDataBuffers, numDataBuffers + 2);
  assert.throws(() => fusedGelu(tf.scalar(1, "int32")), /got int32, expected float32/);
});
