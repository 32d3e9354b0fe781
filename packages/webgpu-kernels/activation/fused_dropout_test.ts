import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { fusedDropout } from "./fused_dropout.ts";

for (const shape of [[40_000], [3, 7, 11], [5]]) {
  testOnBackends(
    `fusedDropout: keeps the share, the scale and, in the gradient, the same places, [${shape}]`,
    async () => {
      const x = tf.ones(shape);
      const values = await fusedDropout(x, 0.3, 7).data();
      for (const value of values) assert.ok(value === 0 || Math.abs(value - 1 / 0.7) < 1e-6, `${value}`);
      const dropped = [...values].filter((value) => value === 0).length;
      const deviation = Math.sqrt(0.3 * 0.7 * x.size);
      assert.ok(Math.abs(dropped - 0.3 * x.size) <= 4 * deviation, `${dropped} of ${x.size}`);
      const gradient = tf.grad((t) => tf.sum(tf.mul(fusedDropout(t, 0.3, 7), 2)))(x);
      assert.deepEqual(await gradient.data(), values.map((value: number) => value * 2));
      assert.deepEqual(await fusedDropout(x, 0, 7).data(), await x.data());
    },
  );
}

testOnBackends("fusedDropout: the draw depends on the seed and the index, and not on the backend", async () => {
  const kept = async (seed: number): Promise<string> =>
    [...await fusedDropout(tf.ones([32]), 0.5, seed).data()].map((value) => value === 0 ? 0 : 1).join("");
  assert.equal(await kept(4_294_967_295), KEPT);
  assert.notEqual(await kept(1), await kept(2));
  // Neighbours in one draw, and the same place in neighbouring seeds, are dropped together as often as chance has it.
  const [a, b] = [
    await fusedDropout(tf.ones([10_000]), 0.5, 1).data(),
    await fusedDropout(tf.ones([10_000]), 0.5, 2).data(),
  ];
  let [neighbours, seeds] = [0, 0];
  for (let i = 0; i < 9_999; i++) {
    if (a[i] === a[i + 1]) neighbours++;
    if (a[i] === b[i]) seeds++;
  }
  for (const count of [neighbours, seeds]) assert.ok(Math.abs(count - 5000) < 200, `${count}`);
});

/** Which of the first 32 are kept: what cpu and webgpu must both draw. */
const KEPT = "00000101011010111000010011001110";

testOnBackends("fusedDropout: leaves nothing behind and refuses what is out of range", () => {
  const x = tf.ones([6]);
  const { numTensors, numDataBuffers } = tf.memory();
  fusedDropout(x, 0.5, 1).dispose();
  tf.dispose(tf.grad((t) => fusedDropout(t, 0.5, 1))(x));
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  const refuses = (message: RegExp, run: () => unknown): void => assert.throws(run, { name: "RangeError", message });
  refuses(/rate is out of range: got 1,/, () => fusedDropout(x, 1, 1));
  refuses(/seed is wrong: got -1/, () => fusedDropout(x, 0.5, -1));
  refuses(/got int32, expected float32/, () => fusedDropout(tf.scalar(1, "int32"), 0.5, 1));
});
