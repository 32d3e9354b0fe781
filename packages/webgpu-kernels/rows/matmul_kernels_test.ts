import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";

/** Small whole numbers, so that every sum of products is exact in float32. */
function numbers(shape: readonly number[], modulus: number): tf.Tensor {
  const size = tf.util.sizeFromShape([...shape]);
  return tf.tensor(Float32Array.from({ length: size }, (_, i) => (i * 7) % modulus - 2), [...shape]);
}

/** The entry of a product at a few places, by its definition. */
async function checkPlaces(
  [a, b]: readonly [tf.Tensor, tf.Tensor],
  [transposeA, transposeB]: readonly [boolean, boolean],
  places: readonly (readonly [batch: number, row: number, column: number])[],
): Promise<void> {
  const before = tf.memory();
  const product = tf.matMul(a, b, transposeA, transposeB);
  assert.equal(tf.memory().numDataBuffers, before.numDataBuffers + 1);
  const [x, y, z] = [await a.data(), await b.data(), await product.data()];
  const [[rowsA, columnsA], [rowsB, columnsB]] = [a.shape.slice(-2), b.shape.slice(-2)] as [
    [number, number],
    [number, number],
  ];
  const inner = transposeA ? rowsA : columnsA;
  const [rows, columns] = product.shape.slice(-2) as [number, number];
  for (const [batch, row, column] of places) {
    let sum = 0;
    const [startA, startB] = [a.rank > 2 ? batch * rowsA * columnsA : 0, b.rank > 2 ? batch * rowsB * columnsB : 0];
    for (let k = 0; k < inner; k++) {
      sum += x[startA + (transposeA ? k * columnsA + row : row * columnsA + k)]! *
        y[startB + (transposeB ? column * columnsB + k : k * columnsB + column)]!;
    }
    assert.equal(z[(batch * rows + row) * columns + column], sum, `[${batch},${row},${column}]`);
  }
}

for (const [transposeA, transposeB] of [[true, false], [false, true], [false, false], [true, true]] as const) {
  testOnBackends(
    `matMul: an inner dimension of 70,000 is summed to its end, transposed ${transposeA} ${transposeB}`,
    async () => {
      const a = numbers(transposeA ? [70_000, 64] : [64, 70_000], 5);
      const b = numbers(transposeB ? [64, 70_000] : [70_000, 64], 7);
      await checkPlaces([a, b], [transposeA, transposeB], [[0, 0, 0], [0, 63, 63], [0, 17, 40]]);
    },
  );
}

testOnBackends("matMul: the gradient of a weight over 70,000 rows is the whole sum", async () => {
  const rows = numbers([70_000, 48], 5) as tf.Tensor2D;
  const weight = numbers([48, 40], 3) as tf.Tensor2D;
  const gradient = tf.grad((w) => tf.sum(tf.matMul(rows, w as tf.Tensor2D)))(weight);
  const x = await rows.data();
  let sum = 0;
  for (let row = 0; row < 70_000; row++) sum += x[row * 48 + 11]!;
  const values = await gradient.data();
  for (const column of [0, 39]) assert.equal(values[11 * 40 + column], sum);
});

testOnBackends(
  "matMul: a batch of 70,000 products, of one matrix with a batch, and of a long inner dimension in a batch",
  async () => {
    const pairs: [tf.Tensor, tf.Tensor][] = [
      [numbers([70_000, 2, 3], 5), numbers([70_000, 3, 2], 7)],
      [numbers([2, 3], 5), numbers([70_000, 3, 2], 7)],
      [numbers([70_000, 2, 3], 5), numbers([3, 2], 7)],
    ];
    for (const pair of pairs) {
      await checkPlaces(pair, [false, false], [[0, 0, 0], [65_534, 1, 1], [65_535, 0, 1], [69_999, 1, 0]]);
    }
    await checkPlaces([numbers([2, 3, 40_000], 5), numbers([2, 40_000, 2], 7)], [false, false], [[0, 2, 1], [1, 0, 0]]);
  },
);

testOnBackends("matMul: more than 2,097,120 rows or columns, transposed or not", async () => {
  const long = 2_100_000;
  const places: [number, number, number][] = [[0, 0, 1], [0, 2_097_119, 0], [0, 2_097_120, 1], [0, long - 1, 1]];
  await checkPlaces([numbers([long, 3], 5), numbers([3, 2], 7)], [false, false], places);
  await checkPlaces([numbers([3, long], 5), numbers([2, 3], 7)], [true, true], places);
  const turned = places.map(([batch, row, column]) => [batch, column, row] as const);
  await checkPlaces([numbers([2, 3], 5), numbers([3, long], 7)], [false, false], turned);
});

testOnBackends("fused.matMul: in portions too bias and activation follow", async () => {
  const [a, b] = [numbers([4, 70_000], 5) as tf.Tensor2D, numbers([70_000, 3], 7) as tf.Tensor2D];
  const bias = tf.tensor1d([-1e6, 5, 1e6]);
  const product = await tf.matMul(a, b).data();
  const bent = {
    linear: (v: number) => v,
    relu: (v: number) => Math.max(0, v),
    leakyrelu: (v: number) => v < 0 ? v * 0.25 : v,
    prelu: (v: number) => v < 0 ? v * 0.5 : v,
  };
  for (const [activation, bend] of Object.entries(bent)) {
    const actual = tf.fused.matMul({
      a,
      b,
      bias,
      activation: activation as "linear",
      leakyreluAlpha: 0.25,
      ...(activation === "prelu" ? { preluActivationWeights: tf.scalar(0.5) } : {}),
    });
    const values = await actual.data();
    product.forEach((value: number, i: number) => assert.equal(values[i], bend(value + [-1e6, 5, 1e6][i % 3]!)));
  }
});

testOnBackends("transpose: matrices of more than 1,048,560 rows or columns, and truth values", async () => {
  for (const shape of [[1_100_000, 2], [3, 1_048_561]] as [number, number][]) {
    const x = numbers(shape, 97);
    const [values, turned] = [await x.data(), await tf.transpose(x).data()];
    for (const row of [0, 1, shape[0] - 1]) {
      for (const column of [0, 1, shape[1] - 1]) {
        assert.equal(turned[column * shape[0] + row], values[row * shape[1] + column]);
      }
    }
  }
  const truths = tf.transpose(tf.greater(numbers([2, 3, 4], 5), 0), [2, 0, 1]);
  assert.equal(truths.dtype, "bool");
  const values = await numbers([2, 3, 4], 5).data();
  (await truths.data()).forEach((truth: number, i: number) => {
    const [c, a, b] = [Math.floor(i / 6), Math.floor(i / 3) % 2, i % 3];
    assert.equal(truth, values[(a * 3 + b) * 4 + c]! > 0 ? 1 : 0);
  });
});
