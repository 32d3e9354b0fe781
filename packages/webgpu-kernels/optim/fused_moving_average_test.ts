import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { fusedMovingAverage, hasFusedMovingAverage } from "./fused_moving_average.ts";

testOnBackends("fusedMovingAverage: follows its recurrence on many averages, on WebGPU alone", async ({ backend }) => {
  assert.equal(hasFusedMovingAverage(), backend === "webgpu");
  const shared = tf.variable(tf.fill([1100], 2));
  const slots = Array.from({ length: 20 }, (_, i) => ({
    average: tf.variable(tf.fill([i === 3 ? 1100 : i + 1], i)),
    value: i === 3 ? shared : tf.fill([i + 1], 10 * i),
  }));
  const again = { average: tf.variable(tf.fill([1100], 4)), value: shared }; // a value may be taken twice
  if (backend === "cpu") {
    assert.throws(() => fusedMovingAverage(slots, 0.5), /got "cpu", expected "webgpu"/);
  } else {
    fusedMovingAverage([...slots, again], 0.5); // now every average has memory of its own
    const { numTensors, numDataBuffers } = tf.memory();
    for (let step = 1; step < 3; step++) fusedMovingAverage([...slots, again], 0.5);
    assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
    for (const [i, { average }] of slots.entries()) {
      const target = i === 3 ? 2 : 10 * i;
      const expected = new Float32Array(average.size).fill(target + (i - target) / 8);
      assert.deepEqual(await average.data(), expected, `average ${i}`);
    }
    assert.deepEqual(await again.average.data(), new Float32Array(1100).fill(2.25));
    assert.throws(() => fusedMovingAverage([slots[0]!, slots[0]!], 0.5), /would be written twice/);
  }
  tf.dispose([shared, again.average, ...slots.map(({ average }) => average)]);
});
