import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { testOnBackends } from "../testing.ts";

function draw(seed: string, shape: readonly number[]): Float32Array {
  return Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, new Random(seed).normal());
}

async function assertClose(actual: tf.Tensor, expected: ArrayLike<number>, tolerance: number): Promise<void> {
  const values = await actual.data();
  assert.equal(values.length, expected.length);
  for (let i = 0; i < values.length; i++) {
    const most = tolerance * Math.max(1, Math.abs(expected[i]!));
    assert.ok(Math.abs(values[i]! - expected[i]!) <= most, `[${i}]: got ${values[i]}, expected ${expected[i]}`);
  }
}

const OPERATORS = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
};

// Large enough for the own shaders, by fours and not, and shapes that the stock ones keep.
const PAIRS: [number[], number[]][] = [
  [[2, 9, 10, 12, 8], [8]],
  [[2, 9, 10, 32, 3], [3]],
  [[40, 600], [1, 600]],
  [[600], [40, 600]],
  [[5, 4, 30, 30], [30, 30]],
  [[17_000, 2], [17_000, 1]],
  [[16_400], [1]],
  [[3, 5], [5]],
  [[20_000], [20_000]],
];

for (const [name, operator] of Object.entries(OPERATORS)) {
  for (const [left, right] of PAIRS) {
    testOnBackends(`${name} of [${left}] and [${right}]: value and gradients`, async ({ tolerance }) => {
      const apply = tf[name as "add"];
      const [a, b] = [tf.tensor(draw("a", left), left), tf.tensor(draw("b", right), right)];
      const [x, y] = [await a.data(), await b.data()];
      const shape = tf.broadcast_util.assertAndGetBroadcastShape(left, right);
      const size = tf.util.sizeFromShape(shape);
      /** Index into an operand for each element of the result. */
      const indices = (own: readonly number[]): number[] => {
        const padded = [...shape.map(() => 1), ...own].slice(-shape.length);
        return Array.from({ length: size }, (_, index) => {
          let [rest, at, stride] = [index, 0, 1];
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            const place = rest % shape[axis]!;
            rest = Math.floor(rest / shape[axis]!);
            if (padded[axis]! > 1) at += place * stride;
            stride *= padded[axis]!;
          }
          return at;
        });
      };
      const [ofA, ofB] = [indices(left), indices(right)];
      await assertClose(apply(a, b), ofA.map((i, index) => operator(x[i]!, y[ofB[index]!]!)), 1e-6);

      const weights = draw("w", shape);
      const gradients = tf.grads((p, q) => tf.sum(tf.mul(apply(p!, q!), tf.tensor(weights, shape))))([a, b]);
      const expected = [new Float64Array(a.size), new Float64Array(b.size)] as const;
      weights.forEach((weight, index) => {
        const [i, j] = [ofA[index]!, ofB[index]!];
        expected[0][i]! += weight * (name === "mul" ? y[j]! : 1);
        expected[1][j]! += weight * (name === "mul" ? x[i]! : name === "sub" ? -1 : 1);
      });
      for (const [i, gradient] of gradients.entries()) await assertClose(gradient, expected[i]!, 30 * tolerance);
    });
  }
}

const REDUCTIONS: [number[], number[] | number, boolean][] = [
  [[2, 9, 10, 12, 8], [0, 1, 2, 3], false],
  [[2, 9, 10, 32, 3], [1, 2, 3], true],
  [[3, 5000, 5], 1, false],
  [[100_000, 4], 0, false],
  [[4, 100, 60], [1, 0], false],
  [[4, 100, 60], -1, true],
  [[4, 100, 60], [0, 2], false],
  [[17, 1200], 0, true],
  [[5, 6], 0, false],
];

for (const [shape, axes, keepDims] of REDUCTIONS) {
  testOnBackends(`sum and mean of [${shape}] over ${axes}, keepDims ${keepDims}`, async ({ tolerance }) => {
    const values = draw("sum", shape);
    const x = tf.tensor(values, shape);
    const reduced = tf.util.parseAxisParam(axes, shape);
    const kept = shape.map((size, axis) => reduced.includes(axis) ? 1 : size);
    const expected = new Float64Array(tf.util.sizeFromShape(kept));
    values.forEach((value, index) => {
      let [rest, at, stride] = [index, 0, 1];
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        if (kept[axis]! > 1) at += (rest % shape[axis]!) * stride;
        rest = Math.floor(rest / shape[axis]!);
        stride *= kept[axis]!;
      }
      expected[at]! += value;
    });
    const outputShape = keepDims ? kept : shape.filter((_, axis) => !reduced.includes(axis));
    const cells = x.size / expected.length;
    const before = tf.memory().numDataBuffers;
    const [sum, mean] = [tf.sum(x, axes, keepDims), tf.mean(x, axes, keepDims)];
    assert.deepEqual([sum.shape, mean.shape], [outputShape, outputShape]);
    assert.equal(tf.memory().numDataBuffers, before + 2);
    await assertClose(sum, expected, 30 * tolerance);
    await assertClose(mean, expected.map((value) => value / cells), tolerance);
  });
}

const SLICES: [number[], number[], number[]][] = [
  [[2, 9, 10, 12, 16], [0, 0, 0, 0, 8], [-1, -1, -1, -1, 8]],
  [[2, 9, 10, 40, 7], [0, 0, 0, 0, 2], [2, 9, 10, 40, 5]],
  [[3, 33, 21, 33, 4], [1, 1, 0, 1, 0], [2, 32, 20, 31, 4]],
  [[6, 5, 40, 40], [2, 1, 3, 0], [3, 4, 37, 40]],
  [[40_000], [7], [20_000]],
  [[2, 3, 4, 5, 6, 60], [1, 0, 1, 0, 2, 3], [1, 3, 3, 5, 4, 57]],
  [[5, 4], [1, 1], [2, 3]],
];

for (const [shape, begin, size] of SLICES) {
  testOnBackends(`slice of [${shape}] from [${begin}], size [${size}]: value and gradient`, async () => {
    const x = tf.tensor(draw("slice", shape), shape);
    const values = await x.data();
    const sizes = size.map((n, axis) => n < 0 ? shape[axis]! - begin[axis]! : n);
    const picked: number[] = [];
    const walk = (axis: number, at: number): void => {
      if (axis === shape.length) return void picked.push(at);
      for (let i = 0; i < sizes[axis]!; i++) walk(axis + 1, at * shape[axis]! + begin[axis]! + i);
    };
    walk(0, 0);
    const result = tf.slice(x, begin, size);
    assert.deepEqual(result.shape, sizes);
    await assertClose(result, picked.map((at) => values[at]!), 0);
    const weights = draw("slice weights", sizes);
    const expected = new Float32Array(x.size);
    picked.forEach((at, i) => expected[at] = weights[i]!);
    await assertClose(
      tf.grad((y) => tf.sum(tf.mul(tf.slice(y, begin, size), tf.tensor(weights, sizes))))(x),
      expected,
      0,
    );
  });
}

for (
  const [shapes, axis] of [
    [[[2, 5, 8, 8, 16], [2, 5, 8, 8, 8]], 4],
    [[[30, 300], [30, 301], [30, 0], [30, 4]], 1],
    [[[2, 90, 64], [3, 90, 64]], 0],
    [[[4, 3, 400], [4, 5, 400], [4, 6, 400]], -2],
    [[[2, 3], [2, 2]], 1],
    [Array.from({ length: 9 }, () => [50, 60]), 0],
  ] as [number[][], number][]
) {
  testOnBackends(`concat of ${JSON.stringify(shapes)} along ${axis}: value and gradients`, async () => {
    const parts = shapes.map((shape, i) => tf.tensor(draw(`${i}`, shape), shape));
    const along = axis < 0 ? axis + shapes[0]!.length : axis;
    const outer = tf.util.sizeFromShape(shapes[0]!.slice(0, along));
    const rows = await Promise.all(
      parts.map(async (part) => ({ width: part.size / outer, values: await part.data() })),
    );
    const expected: number[] = [];
    for (let row = 0; row < outer; row++) {
      for (const { width, values } of rows) expected.push(...values.subarray(row * width, (row + 1) * width));
    }
    const joined = tf.concat(parts, axis);
    await assertClose(joined, expected, 0);
    const factors = tf.tensor(draw("factors", joined.shape), joined.shape);
    const gradients = tf.grads((...p) => tf.sum(tf.mul(tf.concat(p, axis), factors)))(parts);
    const weights = await factors.data();
    let start = 0;
    for (const [i, { width }] of rows.entries()) {
      const total = joined.size / outer;
      const own = Array.from(
        { length: width * outer },
        (_, at) => weights[Math.floor(at / width) * total + start + at % width]!,
      );
      await assertClose(gradients[i]!, own, 0);
      start += width;
    }
  });
}

testOnBackends("split: pieces of unequal width, and integers, equal those of the tensor", async () => {
  const x = tf.tensor(draw("split", [4, 70, 100]), [4, 70, 100]);
  const whole = await x.data();
  const pieces = tf.split(x, [30, 5, 35], 1);
  assert.deepEqual(pieces.map(({ shape }) => shape[1]), [30, 5, 35]);
  for (const [i, start] of [0, 30, 35].entries()) {
    const values = await pieces[i]!.data();
    values.forEach((value, at) => {
      const [block, rest] = [Math.floor(at / (pieces[i]!.shape[1]! * 100)), at % (pieces[i]!.shape[1]! * 100)];
      assert.equal(value, whole[block * 7000 + start * 100 + rest]);
    });
  }
  const integers = tf.split(tf.range(0, 40_000, 1, "int32"), 2);
  assert.equal(integers[1]!.dtype, "int32");
  assert.equal((await integers[1]!.data())[0], 20_000);
});
