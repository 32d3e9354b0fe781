import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";

/** Normally distributed numbers, the same for the same seed. */
export function draw<R extends tf.Rank>(
  seed: string,
  shape: tf.ShapeMap[R] | readonly number[],
  { mean = 0, deviation = 1 } = {},
): tf.Tensor<R> {
  const normal = new Random(seed).normal(mean, deviation);
  const values = Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, normal);
  return tf.tensor(values, [...shape] as tf.ShapeMap[R]);
}

/** Asserts that no number is further from the expected one than the tolerance times the largest magnitude expected; shapes of tensors must agree. */
export async function assertClose(
  actual: tf.Tensor,
  expected: tf.Tensor | ArrayLike<number>,
  tolerance: number,
  what = "",
): Promise<void> {
  if (expected instanceof tf.Tensor) assert.deepEqual(actual.shape, expected.shape, what);
  const values = await actual.data();
  const wanted = Float64Array.from(expected instanceof tf.Tensor ? await expected.data() : expected);
  assert.equal(values.length, wanted.length, what);
  const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  wanted.forEach((value, i) =>
    assert.ok(
      Math.abs(values[i]! - value) <= tolerance * scale,
      `${what}[${i}]: got ${values[i]}, expected ${value} of ${scale}`,
    )
  );
}
