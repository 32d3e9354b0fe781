import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { fusedInstanceNorm } from "../norm/fused_instance_norm.ts";
import { testOnBackends } from "../testing.ts";

testOnBackends("own kernels: integers and truth values that were cast to floats are read as numbers", async () => {
  const integers = tf.tensor(Int32Array.from({ length: 64 }, (_, i) => 3 * i), [1, 4, 4, 4, 1], "int32");
  for (const given of [integers, tf.greater(integers, 50)]) {
    const values = Float32Array.from(await given.data());
    const cast = tf.cast(given, "float32") as tf.Tensor5D;
    const plain = tf.tensor5d(values, [1, 4, 4, 4, 1]);
    const before = tf.memory().numDataBuffers;
    const twice = tf.conv3d(cast, tf.fill([1, 1, 1, 1, 1], 2), 1, "same");
    assert.equal(tf.memory().numDataBuffers, before + 2); // the result and the filter
    assert.deepEqual(await twice.data(), values.map((value) => 2 * value));
    const [scale, offset] = [tf.ones([1]) as tf.Tensor1D, tf.zeros([1]) as tf.Tensor1D];
    const normal = (x: tf.Tensor): tf.Tensor => fusedInstanceNorm(x, scale, offset);
    assert.deepEqual(await normal(cast).data(), await normal(plain).data());
  }
});
