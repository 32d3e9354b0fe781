import { createParameter, disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { assertClose } from "../testdata/assert_close.ts";
import { clippingScale, computeGradients, globalNorm } from "./gradients.ts";

testOnBackends(
  "computeGradients: equals the derivative, leaves out what the loss does not depend on, counts a shared variable once",
  async ({ tolerance }) => {
    const a = createParameter(Float32Array.of(2, 3), [2]);
    const b = createParameter(Float32Array.of(5), [1]);
    const parameters = new Map([["a", a], ["b", b], ["again", a]]);
    const before = tf.memory().numTensors;
    const gradients = computeGradients(parameters, () => tf.sum(tf.mul(tf.square(a), 3)) as tf.Scalar);
    assert.deepEqual([...gradients.keys()], ["a"]);
    assertClose(await gradients.get("a")!.data(), [12, 18], tolerance);
    tf.dispose([...gradients.values()]);
    assert.equal(tf.memory().numTensors, before);
    disposeParameters(parameters);
  },
);

testOnBackends(
  "globalNorm and clippingScale: a long gradient is cut to the maximum, a short one left",
  async ({ tolerance }) => {
    const gradients = new Map<string, tf.Tensor>([["a", tf.tensor2d([[3, 0], [0, 0]])], ["b", tf.scalar(4)]]);
    const norm = globalNorm(gradients);
    assertClose(await norm.data(), [5], tolerance);
    assertClose(await clippingScale(norm, 1).data(), [0.2], tolerance);
    assertClose(await clippingScale(norm, 50).data(), [1], 0);
  },
);
