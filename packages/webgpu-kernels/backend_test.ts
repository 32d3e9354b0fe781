import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "./testing.ts";

testOnBackends("selectBackend: the chosen backend computes gradients", async ({ backend }) => {
  assert.equal(tf.getBackend(), backend);
  const gradient = tf.grad((x) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2, 3]));
  assert.deepEqual(Array.from(await gradient.data()), [2, 4, 6]);
});
