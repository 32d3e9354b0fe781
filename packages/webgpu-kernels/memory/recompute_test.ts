import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { fusedDropout } from "../activation/fused_dropout.ts";
import { fusedInstanceNorm } from "../norm/fused_instance_norm.ts";
import { testOnBackends } from "../testing.ts";
import { recompute } from "./recompute.ts";

/** A tensor of fixed values, the same on every backend. */
function wave(shape: number[], phase: number): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  return tf.tensor(Float32Array.from({ length: size }, (_, i) => Math.sin(phase + 0.7 * i)), shape);
}

/** Two layers, each of convolution, instance norm and dropout, whose first output is also an output: as a stage with a skip. */
function makeNetwork() {
  const kernels = [tf.variable(wave([3, 3, 3, 2, 4], 1)), tf.variable(wave([3, 3, 3, 4, 4], 2))];
  const scales = [tf.variable(wave([4], 3)), tf.variable(wave([4], 4))];
  const layer = (x: tf.Tensor, i: number): tf.Tensor => {
    const y = tf.conv3d(x as tf.Tensor5D, kernels[i] as unknown as tf.Tensor5D, 1, "same");
    return fusedDropout(fusedInstanceNorm(y, scales[i] as unknown as tf.Tensor1D, tf.zeros([4])), 0.3, 7 + i);
  };
  const stage = (x: tf.Tensor): tf.Tensor[] => {
    const first = layer(x, 0);
    return [first, layer(first, 1)];
  };
  return { variables: [...kernels, ...scales], layer, stage };
}

/** Loss and gradients with respect to the input and all variables. */
async function gradientsOf(
  variables: readonly tf.Variable[],
  x: tf.Tensor,
  run: (x: tf.Tensor) => tf.Tensor[],
): Promise<Float32Array[]> {
  const loss = (): tf.Scalar => tf.addN(run(x).map((y, i) => tf.sum(tf.mul(y, wave(y.shape, 5 + i))))) as tf.Scalar;
  const { value, grads } = tf.tidy(() => tf.engine().gradients(loss, [x, ...variables]));
  const values = await Promise.all([value, ...grads].map((tensor) => tensor.data() as Promise<Float32Array>));
  tf.dispose([value, ...grads]);
  return values;
}

function assertSame(got: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): void {
  assert.equal(got.length, expected.length);
  got.forEach((values, i) => assert.deepEqual(Array.from(values), Array.from(expected[i]!), `gradient ${i}`));
}

testOnBackends("recompute: gradients of inputs and variables are the same bits, several outputs, batch 2", async () => {
  const { variables, stage } = makeNetwork();
  const x = wave([2, 4, 5, 3, 2], 6);
  const expected = await gradientsOf(variables, x, stage);
  assert.ok(expected.slice(1).every((gradient) => gradient.some((value) => value !== 0)));
  const part = (x: tf.Tensor): tf.Tensor[] => recompute({ inputs: [x], variables }, stage);
  assertSame(await gradientsOf(variables, x, part), expected);
});

testOnBackends("recompute: parts may follow each other and hold others", async () => {
  const { variables, layer } = makeNetwork();
  const x = wave([2, 4, 5, 3, 2], 6);
  const expected = await gradientsOf(variables, x, (x) => [layer(layer(x, 0), 1)]);
  const each = (x: tf.Tensor, i: number): tf.Tensor => recompute({ inputs: [x], variables }, (x) => layer(x, i));
  assertSame(await gradientsOf(variables, x, (x) => [each(each(x, 0), 1)]), expected);
  const nested = (x: tf.Tensor): tf.Tensor[] => [recompute({ inputs: [x], variables }, (x) => each(each(x, 0), 1))];
  assertSame(await gradientsOf(variables, x, nested), expected);
});

testOnBackends(
  "recompute: an output that nothing uses, an input that comes back, an input without a gradient",
  async () => {
    const { variables, stage, layer } = makeNetwork();
    const x = wave([2, 4, 5, 3, 2], 6);
    const expected = await gradientsOf(variables, x, (x) => [stage(x)[1]!]);
    assertSame(await gradientsOf(variables, x, (x) => [recompute({ inputs: [x], variables }, stage)[1]!]), expected);
    const twice = (x: tf.Tensor): tf.Tensor[] => [tf.mul(x, 2), x];
    const through = (x: tf.Tensor): tf.Tensor[] => recompute({ inputs: [x], variables: [] }, twice);
    assertSame(await gradientsOf([], x, through), await gradientsOf([], x, twice));
    let inputGradients = 0;
    const watched = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: (dy) => (inputGradients++, dy),
    }));
    const { grads } = tf.variableGrads(
      () => tf.sum(recompute({ inputs: [x], variables }, (x) => layer(watched(x), 0))) as tf.Scalar,
      variables,
    );
    assert.ok(grads[variables[0]!.name]);
    assert.equal(inputGradients, 0, "nobody asked for the gradient of the input");
  },
);

testOnBackends("recompute: without a tape, and in gradients of gradients, it is the function itself", async () => {
  const x = tf.tensor1d([1, 2, 3]);
  const cube = (x: tf.Tensor): tf.Tensor => recompute({ inputs: [x], variables: [] }, (x) => tf.mul(tf.square(x), x));
  assert.deepEqual(Array.from(await cube(x).data()), [1, 8, 27]);
  const second = tf.grad((x: tf.Tensor) => tf.sum(tf.grad((x: tf.Tensor) => tf.sum(cube(x)))(x)));
  assert.deepEqual(Array.from(await second(x).data()), [6, 12, 18]);
});

testOnBackends("recompute: a variable that was not told, and a part that changes, are refused", () => {
  const { variables, stage } = makeNetwork();
  const x = wave([1, 4, 4, 4, 2], 6);
  const before = tf.memory().numTensors;
  const run = (dependencies: tf.Variable[], forward: (x: tf.Tensor) => tf.Tensor[]) => () =>
    tf.variableGrads(() => {
      const outputs = recompute({ inputs: [x], variables: dependencies }, forward);
      return tf.sum(outputs.at(-1)!) as tf.Scalar;
    }, variables);
  assert.throws(
    run(variables.slice(1), stage),
    (error) =>
      error instanceof TypeError &&
      /it uses a trainable variable that was not told: got one of shape \[3,3,3,2,4\]/.test(error.message),
  );
  let calls = 0;
  assert.throws(
    run(variables, (x) => calls++ === 0 ? stage(x) : stage(x).map((y) => tf.reshape(y, [-1]))),
    /the second run gave other shapes: got \[256\], \[256\], expected \[1,4,4,4,4\], \[1,4,4,4,4\]/,
  );
  assert.equal(tf.memory().numTensors, before, "nothing is left behind");
});

testOnBackends("recompute: leaves no tensors behind over 20 steps", () => {
  const { variables, stage } = makeNetwork();
  const x = wave([1, 4, 4, 4, 2], 6);
  const counts = Array.from({ length: 20 }, () => {
    const { value, grads } = tf.variableGrads(
      () => tf.sum(recompute({ inputs: [x], variables }, stage)[1]!) as tf.Scalar,
      variables,
    );
    tf.dispose([value, grads]);
    return tf.memory().numTensors;
  });
  assert.deepEqual(new Set(counts).size, 1, String(counts));
});
