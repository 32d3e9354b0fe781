import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import fixture from "./testdata/pytorch_conv3d.json" with { type: "json" };

type Shape5D = [number, number, number, number, number];
type Triple = [number, number, number];

/** The inputs that the oracle made by the same rule. */
function made(shape: number[], step: number): tf.Tensor5D {
  const values = Float32Array.from(
    { length: shape.reduce((a, b) => a * b) },
    (_, i) => ((i * step) % 97) / 48 - 1,
  );
  return tf.tensor5d(values, shape as Shape5D);
}

async function assertEverySeventh(tensor: tf.Tensor, expected: number[], tolerance: number): Promise<void> {
  const values = (await tensor.data()).filter((_, index) => index % 7 === 0);
  assert.equal(values.length, expected.length);
  const magnitude = Math.max(...expected.map(Math.abs));
  expected.forEach((value, index) => {
    assert.ok(Math.abs(values[index]! - value) <= tolerance * magnitude, `${7 * index}: ${values[index]} ≠ ${value}`);
  });
}

for (const { kind, batch, size, channels, kernel, stride, padding, dilation, shape, ...expected } of fixture.cases) {
  const title = `${batch}×[${size}] ${
    channels.join("→")
  } kernel [${kernel}] stride [${stride}] padding ${padding} dilation [${dilation}]`;
  const name = kind === "conv" ? "conv3d" : "conv3dTranspose";
  testOnBackends(`${name}: value and gradients equal PyTorch's, ${title}`, async ({ tolerance }) => {
    const [inChannels, outChannels] = channels as [number, number];
    const strides = stride as Triple;
    const x = made([batch, ...size, inChannels], 31);
    const w = made([...kernel, ...(kind === "conv" ? [inChannels, outChannels] : [outChannels, inChannels])], 53);
    const weights = made(shape, 71);
    const apply = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      kind === "conv"
        // A number as padding is what TensorFlow.js takes, though it does not declare it.
        ? tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, strides, padding as never, "NDHWC", dilation as Triple)
        : tf.conv3dTranspose(a as tf.Tensor5D, b as tf.Tensor5D, shape as Shape5D, strides, "valid");
    const y = apply(x, w);
    assert.deepEqual(y.shape, shape);
    await assertEverySeventh(y, expected.y, tolerance);
    const [dx, dw] = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(apply(a, b), weights)))([x, w]);
    await assertEverySeventh(dx!, expected.dx, tolerance);
    await assertEverySeventh(dw!, expected.dw, tolerance);
  });
}
