import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";

/** The most bytes of tensors alive while a body runs, seen at every operation. */
function peakOf(body: () => void): number {
  const engine = tf.engine() as unknown as { runKernelFunc(...args: unknown[]): unknown };
  const run = engine.runKernelFunc;
  let peak = 0;
  engine.runKernelFunc = function (...args) {
    const result = run.apply(this, args);
    peak = Math.max(peak, tf.memory().numBytes);
    return result;
  };
  try {
    const before = tf.memory().numBytes;
    body();
    return peak - before;
  } finally {
    delete (engine as Partial<typeof engine>).runKernelFunc;
  }
}

testOnBackends("gradients: a chain of n operations needs memory for n + a few results, not for 2n", () => {
  const x = tf.ones([64, 64]);
  const bytes = 4 * x.size;
  const [steps, views] = [20, 2]; // each result counts twice while its saved clone, which is no copy, is alive
  const chain = (x: tf.Tensor): tf.Tensor => {
    let y = x;
    for (let i = 0; i < steps; i++) y = tf.tanh(y); // saves its output
    return y;
  };
  const peak = peakOf(() => tf.grad(chain)(x).dispose());
  assert.ok(peak >= steps * bytes, `${peak / bytes}`);
  assert.ok(peak <= (steps * views + 6) * bytes, `${peak / bytes} results`);
});

testOnBackends("gradients: what a gradient function shares, holds or passes on is right and stays alive", async () => {
  const x = tf.tensor1d([1, 2]);
  const [held, start] = [tf.tensor1d([5, 7]), tf.tensor1d([1, 10])];
  const constant = tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor), gradFunc: () => held }));
  const both = tf.customGrad((a, b) => ({ value: tf.add(a as tf.Tensor, b as tf.Tensor), gradFunc: (dy) => [dy, dy] }));
  const of = async (f: (x: tf.Tensor) => tf.Tensor): Promise<number[]> => Array.from(await tf.grad(f)(x, start).data());
  assert.deepEqual(await of((x) => constant(constant(x))), [5, 7]);
  assert.deepEqual(await of((x) => both(x, x)), [2, 20]);
  assert.deepEqual(await of((x) => both(both(x, x), tf.mul(x, 3))), [5, 50]);
  assert.deepEqual(await of((x) => tf.add(tf.clone(x), tf.reshape(tf.reshape(x, [2, 1]), [2]))), [2, 20]);
  assert.ok(!held.isDisposed && !start.isDisposed);
  const [[a], [b, c]] = [tf.grads((a: tf.Tensor) => tf.square(a))([x]), tf.grads(both)([x, x.clone()])];
  assert.deepEqual([a, b, c].map((gradient) => gradient!.isDisposed), [false, false, false]);
});

testOnBackends("gradients: those of an intermediate result come with those of the input", async () => {
  const x = tf.tensor1d([1, 2]);
  const grads = tf.tidy(() => {
    let middle: tf.Tensor | undefined;
    const { value, grads } = tf.engine().gradients(
      () => tf.sum(tf.square(middle = tf.keep(tf.mul(x, 3)))) as tf.Scalar,
      [x],
    );
    value.dispose();
    middle!.dispose();
    return grads;
  });
  assert.deepEqual(Array.from(await grads[0]!.data()), [18, 36]);
});

testOnBackends(
  "gradients: taken on the way back of others, of the second order, and after an error, they are right",
  async () => {
    const x = tf.tensor1d([1, 2, 3]);
    const inner = tf.customGrad((x, save) => {
      (save as tf.GradSaveFunc)([x as tf.Tensor]);
      const gradient = tf.grad((x: tf.Tensor) => tf.square(x));
      return { value: tf.square(x as tf.Tensor), gradFunc: (dy, [x]) => tf.mul(dy, gradient(x!)) };
    });
    assert.deepEqual(Array.from(await tf.grad((x) => tf.mul(inner(tf.mul(x, 2)), 1))(x).data()), [8, 16, 24]);
    const second = tf.grad((x: tf.Tensor) => tf.sum(tf.grad((x: tf.Tensor) => tf.mul(tf.square(x), x))(x)));
    assert.deepEqual(Array.from(await second(x).data()), [6, 12, 18]);

    const before = tf.memory().numTensors;
    const broken = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: () => {
        throw new Error("on the way back");
      },
    }));
    assert.throws(() => tf.grad((x: tf.Tensor) => tf.square(broken(tf.square(x))))(x), /on the way back/);
    assert.throws(() =>
      tf.grad((x: tf.Tensor) => {
        tf.square(tf.exp(x));
        throw new Error("on the way forward");
      })(x), /on the way forward/);
    assert.throws(() => tf.grad(() => tf.tensor1d([1]))(x), /Cannot compute gradient of y=f\(x\)/);
    assert.equal(tf.memory().numTensors, before, "nothing is left behind");
    assert.deepEqual(Array.from(await tf.grad((x: tf.Tensor) => tf.square(x))(x).data()), [2, 4, 6]);
  },
);
