import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import "../backend.ts";
import { draw } from "../testdata/numbers.ts";
import { testOnBackends } from "../testing.ts";

/** Holds the gradients of a weighted sum of `run` to difference quotients along a drawn direction of each input. */
async function checkGradients(
  run: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  { step = 1e-2, tolerance = 2e-3 } = {},
): Promise<void> {
  const weights = draw("weights", run(...inputs).shape);
  const loss = (...t: tf.Tensor[]): tf.Scalar => tf.sum(tf.mul(run(...t), weights));
  const gradients = tf.grads(loss)(inputs);
  for (const [i, input] of inputs.entries()) {
    assert.deepEqual(gradients[i]!.shape, input.shape);
    const direction = draw(`direction ${i}`, input.shape);
    const slope = (await tf.sum(tf.mul(gradients[i]!, direction)).data())[0]!;
    const at = async (size: number): Promise<number> =>
      (await loss(...inputs.map((t, n) => n === i ? tf.add(t, tf.mul(direction, size)) : t)).data())[0]!;
    const measured = (await at(step) - await at(-step)) / (2 * step);
    assert.ok(
      Math.abs(measured - slope) <= tolerance * Math.max(1, Math.abs(slope)),
      `input ${i}: got ${slope}, measured ${measured}`,
    );
  }
}

/** Numbers of which no two are nearer than 0.05, so that no step of a difference quotient changes their order. */
function spaced(seed: string, shape: readonly number[], from = 0): tf.Tensor {
  const count = tf.util.sizeFromShape([...shape]);
  const order = new Random(seed).shuffle(Array.from({ length: count }, (_, i) => i));
  return tf.tensor(order.map((place) => 0.05 * place + from - 0.025 * count), [...shape]);
}

for (
  const [size, filter, stride, pad] of [
    [[5, 6, 7], 3, 1, "same"],
    [[5, 6, 7], 3, 2, "same"],
    [[6, 6, 6], 2, 2, "valid"],
    [[7, 5, 6], [2, 3, 1], [2, 1, 3], "same"],
    [[6, 7, 5], 3, 2, 1],
  ] as [number[], number, number, "same"][]
) {
  const shape = [2, ...size, 3];
  testOnBackends(
    `avgPool3d and maxPool3d of [${size}], filter ${filter}, stride ${stride}, pad ${pad}: gradients`,
    async () => {
      await checkGradients((x) => tf.avgPool3d(x as tf.Tensor5D, filter, stride, pad), [draw("x", shape)]);
      await checkGradients((x) => tf.maxPool3d(x as tf.Tensor5D, filter, stride, pad), [spaced("x", shape)], {
        step: 2e-3,
        tolerance: 5e-3,
      });
    },
  );
}

testOnBackends(
  "maxPool3d: of equal maxima the first gets the gradient, and windows in the padding count no zeros",
  async () => {
    const gradient = (x: tf.Tensor5D): tf.Tensor =>
      tf.grad((y) => tf.sum(tf.maxPool3d(y as tf.Tensor5D, 2, 2, "valid")))(x);
    assert.deepEqual([...await gradient(tf.ones([1, 2, 2, 2, 1])).data()], [1, 0, 0, 0, 0, 0, 0, 0]);
    const negative = tf.fill<tf.Rank.R5>([1, 1, 1, 3, 1], -1);
    const padded = tf.grad((y) => tf.sum(tf.maxPool3d(y as tf.Tensor5D, [1, 1, 3], [1, 1, 3], "same")))(negative);
    assert.deepEqual([...await padded.data()], [1, 0, 0]);
  },
);

for (const pad of ["same", "valid"] as const) {
  testOnBackends(`avgPool and maxPool, pad ${pad}: gradients`, async () => {
    await checkGradients((x) => tf.avgPool(x as tf.Tensor4D, 3, 2, pad), [draw("x", [2, 7, 8, 3])]);
    await checkGradients((x) => tf.avgPool(x as tf.Tensor4D, [2, 3], [3, 1], pad), [draw("x", [2, 7, 8, 3])]);
    await checkGradients((x) => tf.maxPool(x as tf.Tensor4D, [2, 3], [3, 1], pad), [spaced("x", [2, 7, 8, 3])], {
      step: 2e-3,
      tolerance: 5e-3,
    });
    await checkGradients((x) => tf.maxPool(x as tf.Tensor4D, 3, 2, pad), [spaced("x", [2, 7, 8, 3])], {
      step: 2e-3,
      tolerance: 5e-3,
    });
  });
}

testOnBackends("maximum, minimum, squaredDifference: gradients of shapes that broadcast", async () => {
  const [a, b] = [spaced("a", [3, 4, 5]), spaced("b", [4, 1], 0.01)];
  for (const run of [tf.maximum, tf.minimum, tf.squaredDifference]) {
    await checkGradients((x, y) => run(x!, y!), [a, b], { step: 1e-3, tolerance: 1e-2 });
    await checkGradients((x, y) => run(y!, x!), [a, b], { step: 1e-3, tolerance: 1e-2 });
  }
});

testOnBackends("maximum: where both are equal the first gets the gradient, as in TensorFlow.js", async () => {
  const [a, b] = tf.grads((x, y) => tf.sum(tf.maximum(x!, y!)))([tf.tensor1d([1, 2]), tf.tensor1d([1, 1])]);
  assert.deepEqual([[...await a!.data()], [...await b!.data()]], [[1, 1], [0, 0]]);
});

testOnBackends("comparisons on the tape have a zero gradient", async () => {
  for (const compare of [tf.greater, tf.greaterEqual, tf.less, tf.lessEqual, tf.equal, tf.notEqual]) {
    const gradient = tf.grad((x) => tf.sum(tf.mul(x, tf.cast(compare(x, 0.5), "float32"))))(tf.tensor1d([0, 0.5, 1]));
    assert.deepEqual(await gradient.data(), Float32Array.from(await compare(tf.tensor1d([0, 0.5, 1]), 0.5).data()));
  }
});

for (
  const [left, right] of [[[1, 3, 4], [5, 4, 2]], [[5, 2, 3, 4], [1, 1, 4, 2]], [[3, 4], [5, 4, 2]], [[5, 3, 4], [
    4,
    2,
  ]]] as const
) {
  for (const [transposeA, transposeB] of [[false, false], [true, false], [false, true], [true, true]] as const) {
    testOnBackends(
      `matMul of [${left}] and [${right}], transposed ${transposeA} ${transposeB}: gradients`,
      async () => {
        const flip = (shape: readonly number[], wanted: boolean): number[] =>
          wanted ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : [...shape];
        await checkGradients((a, b) => tf.matMul(a!, b!, transposeA, transposeB), [
          draw("a", flip(left, transposeA)),
          draw("b", flip(right, transposeB)),
        ]);
      },
    );
  }
}

testOnBackends("gatherND: gradient, adding up places that are read twice", async () => {
  const indices = tf.tensor2d([[0, 1], [2, 0], [0, 1]], undefined, "int32");
  await checkGradients((x) => tf.gatherND(x!, indices), [draw("x", [3, 2, 4])]);
});

for (
  const [equation, ...shapes] of [
    ["ij,jk->ik", [3, 4], [4, 5]],
    ["bij,bkj->bik", [2, 3, 4], [2, 5, 4]],
    ["i,j->ij", [3], [4]],
    ["ij,ij->", [3, 4], [3, 4]],
    ["ij->i", [3, 4]],
    ["ij->ji", [3, 4]],
    ["ij->", [3, 4]],
    ["bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 5, 4]],
    ["ijk,jl->il", [2, 3, 4], [3, 5]],
  ] as [string, ...number[][]][]
) {
  testOnBackends(`einsum ${equation}: gradients`, async () => {
    await checkGradients((...t) => tf.einsum(equation, ...t), shapes.map((shape, i) => draw(`${i}`, shape)));
  });
}

testOnBackends("batchNorm: gradients at ranks 4 and 5", async () => {
  for (const shape of [[2, 3, 4, 5], [2, 3, 2, 4, 5]]) {
    const variance = tf.add(tf.square(draw("variance", [5])), 0.5);
    await checkGradients(
      (x, mean, v, offset, scale) =>
        tf.batchNorm(x!, mean as tf.Tensor1D, v as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D),
      [draw("x", shape), draw("mean", [5]), variance, draw("offset", [5]), draw("scale", [5])],
      { step: 1e-3, tolerance: 1e-2 },
    );
  }
});
