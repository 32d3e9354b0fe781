import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { stockGradients } from "./testdata/stock_gradients.ts";
import { testOnBackends } from "../testing.ts";

type Body = (x: tf.Tensor, y: tf.Tensor) => tf.Tensor;

const BODIES: Readonly<Record<string, Body>> = {
  Add: (x, y) => tf.add(x, tf.mul(y, x)),
  "Add, broadcasting": (x, y) => tf.add(x, tf.sum(y, 0)),
  AddN: (x, y) => tf.addN([x, y, tf.mul(x, y)]),
  Concat: (x, y) => tf.mul(tf.concat([x, y, x], 1), 2),
  ExpandDims: (x, y) => tf.mul(tf.expandDims(x, 1), tf.expandDims(y, 1)),
  Mean: (x, y) => tf.mul(tf.mean(x, 1, true), y),
  Reshape: (x, y) => tf.mul(tf.reshape(x, [-1]), tf.reshape(y, [-1])),
  Sub: (x, y) => tf.sub(tf.square(x), tf.sub(tf.sum(y, 0), x)),
  Sum: (x, y) => tf.mul(tf.sum(x, [0, 1]), tf.sum(y)),
};

testOnBackends("gradients: of sums and the like are those that were taken from the tensors", async () => {
  const [x, y] = [tf.tensor2d([1, -2, 3, 4, 5, -6], [2, 3]), tf.tensor2d([2, 3, -1, 0.5, 1, 7], [2, 3])];
  for (const [name, body] of Object.entries(BODIES)) {
    const gradients = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.sum(tf.square(body(x, y))));
    const read = async (tensors: tf.Tensor[]): Promise<number[][]> =>
      await Promise.all(tensors.map(async (tensor) => Array.from(await tensor.data())));
    const got = await read(gradients([x, y]));
    const expected = await read(stockGradients(() => gradients([x, y])));
    assert.deepEqual(got, expected, name);
    assert.ok(got.flat().some((value) => value !== 0), name);
  }
});

testOnBackends("gradients: a chain of sums and views keeps none of its results", () => {
  const x = tf.ones([64, 64]);
  const most = (run: <T>(body: () => T) => T): number => {
    let alive = 0;
    run(() =>
      tf.grad((x: tf.Tensor) => {
        let y = x;
        for (let i = 0; i < 10; i++) {
          const next = tf.tidy(() => tf.add(tf.reshape(tf.add(y, 1), [64, 64]), y));
          if (y !== x) y.dispose();
          y = next;
        }
        alive = tf.memory().numBytes;
        return y;
      })(x).dispose()
    );
    return (alive - tf.memory().numBytes) / (4 * x.size);
  };
  assert.ok(most((body) => body()) < 3, "the last result, and views of it");
  assert.ok(most(stockGradients) >= 10);
});

testOnBackends("gradients: one that somebody registers for such an operation gets its tensors", async () => {
  const stock = tf.getGradient("Sub")!;
  tf.unregisterGradient("Sub");
  tf.registerGradient({
    kernelName: "Sub",
    inputsToSave: ["a", "b"],
    gradFunc: (dy, saved) => ({
      a: () => tf.mul(dy as tf.Tensor, saved[1]!),
      b: () => tf.mul(dy as tf.Tensor, saved[0]!),
    }),
  });
  try {
    const [a, b] = [tf.tensor1d([2, 3]), tf.tensor1d([5, 7])];
    const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sub(a, b))([a, b]);
    assert.deepEqual(await Promise.all(gradients.map(async (g) => Array.from(await g.data()))), [[5, 7], [2, 3]]);
  } finally {
    tf.unregisterGradient("Sub");
    tf.registerGradient(stock);
  }
});
