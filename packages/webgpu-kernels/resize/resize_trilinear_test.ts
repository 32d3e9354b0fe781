import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { testOnBackends } from "../testing.ts";
import { resizeTrilinear } from "./resize_trilinear.ts";
import cases from "./testdata/pytorch_resize.json" with { type: "json" };

type Grid = [number, number, number];
type Shape = [number, number, number, number, number];

async function assertClose(actual: tf.Tensor, expected: ArrayLike<number>, tolerance: number): Promise<void> {
  const values = await actual.data();
  assert.equal(values.length, expected.length);
  for (let i = 0; i < values.length; i++) {
    assert.ok(Math.abs(values[i]! - expected[i]!) <= tolerance, `[${i}]: got ${values[i]}, expected ${expected[i]}`);
  }
}

for (const { shape, size, alignCorners, x, y, upstream, gradient } of cases) {
  testOnBackends(
    `resizeTrilinear: [${shape}] to [${size}], alignCorners ${alignCorners}, equals PyTorch's value and gradient`,
    async () => {
      const volume = tf.tensor5d(x, shape as Shape);
      const resized = resizeTrilinear(volume, size as Grid, { alignCorners });
      assert.deepEqual(resized.shape, [shape[0], ...size, shape[4]]);
      await assertClose(resized, y, 5e-6);
      const weights = tf.tensor5d(upstream, resized.shape);
      const slope = tf.grad((v) =>
        tf.sum(tf.mul(resizeTrilinear(v as tf.Tensor5D, size as Grid, { alignCorners }), weights))
      );
      await assertClose(slope(volume), gradient, 1e-5);
    },
  );
}

testOnBackends(
  "resizeTrilinear: a ramp stays one, the same size changes nothing, and second gradients are the differences'",
  async () => {
    const ramp = tf.tile(tf.reshape(tf.range(0, 8), [1, 1, 1, 8, 1]), [1, 2, 2, 1, 1]) as tf.Tensor5D;
    await assertClose(resizeTrilinear(ramp, [2, 2, 8]), await ramp.data(), 0);
    const wide = await resizeTrilinear(ramp, [1, 1, 15], { alignCorners: true }).data();
    wide.forEach((value, i) => assert.ok(Math.abs(value - i / 2) < 1e-5));

    const draw = new Random("resize").normal();
    const tensor = (shape: Shape): tf.Tensor5D =>
      tf.tensor5d(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, draw), shape);
    const [x, weights, direction] = [tensor([1, 3, 4, 2, 4]), tensor([1, 3, 4, 2, 4]), tensor([1, 3, 4, 2, 4])];
    // The gradient of Σ resized² with respect to x, weighted: its own gradient goes through the gradient kernel.
    const slope = tf.grad((v) => tf.sum(tf.square(resizeTrilinear(v as tf.Tensor5D, [5, 4, 5]))));
    const outer = (v: tf.Tensor): tf.Scalar => tf.sum(tf.mul(slope(v), weights));
    const expected =
      (await tf.sub(outer(tf.add(x, tf.mul(direction, 0.5))), outer(tf.sub(x, tf.mul(direction, 0.5)))).data())[0]!;
    const actual = (await tf.sum(tf.mul(tf.grad(outer)(x), direction)).data())[0]!;
    assert.ok(
      Math.abs(actual - expected) <= 1e-3 * Math.max(1, Math.abs(expected)),
      `got ${actual}, expected ${expected}`,
    );
  },
);

testOnBackends("resizeTrilinear: leaves nothing behind and refuses what does not fit", () => {
  const x = tf.ones<tf.Rank.R5>([1, 2, 2, 2, 4]);
  const { numTensors, numDataBuffers } = tf.memory();
  resizeTrilinear(x, [4, 4, 4]).dispose();
  tf.dispose(tf.grad((v) => resizeTrilinear(v as tf.Tensor5D, [4, 4, 4]))(x));
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  const refuses = (message: RegExp, run: () => unknown): void => assert.throws(run, { name: "RangeError", message });
  refuses(/the size is wrong: got \[0,4,4\]/, () => resizeTrilinear(x, [0, 4, 4]));
  refuses(
    /the size is wrong: got \[4,4,33\], expected three integers from 1 to \[32,32,32\]/,
    () => resizeTrilinear(x, [4, 4, 33]),
  );
  refuses(/the input is wrong: got \[1,2,2,2,0\]/, () => resizeTrilinear(tf.zeros([1, 2, 2, 2, 0]), [4, 4, 4]));
  refuses(
    /the input is wrong: got \[2,2\]/,
    () => resizeTrilinear(tf.ones([2, 2]) as unknown as tf.Tensor5D, [4, 4, 4]),
  );
});
