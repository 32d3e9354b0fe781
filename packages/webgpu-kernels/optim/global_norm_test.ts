import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { testOnBackends } from "../testing.ts";
import { globalNorm } from "./global_norm.ts";

testOnBackends("globalNorm: equals the double-precision norm of many tensors, and leaves nothing behind", async () => {
  const normal = new Random("norm").normal();
  const sizes = [...Array.from({ length: 70 }, (_, i) => 1 + i * 13), 40_000, 0, 1];
  const arrays = sizes.map((size) => Float32Array.from({ length: size }, normal));
  const tensors = arrays.map((values, i) => tf.tensor(values, i % 3 === 0 ? [1, 1, values.length] : [values.length]));
  const before = tf.memory();
  const norm = globalNorm(tensors);
  const expected = Math.sqrt(arrays.reduce((sum, values) => values.reduce((s, v) => s + v * v, sum), 0));
  assert.deepEqual(norm.shape, []);
  assert.ok(Math.abs((await norm.data())[0]! - expected) <= 2e-6 * expected);
  norm.dispose();
  assert.deepEqual(
    [tf.memory().numTensors, tf.memory().numDataBuffers],
    [before.numTensors, before.numDataBuffers],
  );
});

testOnBackends("globalNorm: nothing has norm 0, what is not finite shows, integers are refused", async () => {
  assert.equal((await globalNorm([]).data())[0], 0);
  assert.equal((await globalNorm([tf.zeros([0, 3])]).data())[0], 0);
  assert.ok(Number.isNaN((await globalNorm([tf.tensor1d([1, NaN]), tf.scalar(2)]).data())[0]));
  assert.equal((await globalNorm([tf.tensor1d([1, Infinity])]).data())[0], Infinity);
  assert.throws(() => globalNorm([tf.scalar(1, "int32")]), /the wrong type: got \[\] int32, expected float32/);
});
