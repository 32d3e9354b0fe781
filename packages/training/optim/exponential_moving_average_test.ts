import { createParameter, disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { assertClose } from "../testdata/assert_close.ts";
import { ExponentialMovingAverage } from "./exponential_moving_average.ts";

for (const warmUp of [true, false]) {
  testOnBackends(
    `ExponentialMovingAverage: follows its recurrence ${warmUp ? "with" : "without"} warm-up`,
    async ({ tolerance }) => {
      const before = tf.memory().numTensors;
      const parameters = new Map([["x", createParameter(Float32Array.of(1), [1])]]);
      const average = new ExponentialMovingAverage(parameters, { decay: 0.5, warmUp });
      let expected = 1;
      for (let n = 0; n < 20; n++) {
        tf.tidy(() => parameters.get("x")!.assign(tf.tensor1d([n + 2])));
        average.update(n);
        const decay = warmUp ? Math.min(0.5, (1 + n) / (10 + n)) : 0.5;
        expected = decay * expected + (1 - decay) * (n + 2);
      }
      assertClose(await average.parameters.get("x")!.data(), [expected], tolerance);
      assertClose(await parameters.get("x")!.data(), [21], 0);
      average.dispose();
      disposeParameters(parameters);
      assert.equal(tf.memory().numTensors, before);
    },
  );
}

Deno.test("ExponentialMovingAverage: a decay of 1 is refused", () => {
  assert.throws(() => new ExponentialMovingAverage(new Map(), { decay: 1 }), /decay is wrong: got 1, expected/);
});
