import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import "../backend.ts";

/** For every cell of `shape`, row-major, its coordinates. */
function cells(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (outer, size) => outer.flatMap((cell) => Array.from({ length: size }, (_, i) => [...cell, i])),
    [[]],
  );
}

function offset(shape: readonly number[], cell: readonly number[]): number {
  return cell.reduce((sum, coordinate, axis) => sum * shape[axis]! + coordinate, 0);
}

/** Distinct values at every cell, none of them near 0. */
function ramp(shape: readonly number[]): tf.Tensor {
  const size = shape.reduce((a, b) => a * b);
  return tf.tensor(Float32Array.from({ length: size }, (_, i) => ((i * 37) % 101) - 50.5), [...shape]);
}

/** An operation that moves cells: for every cell of the output which one of the input it shows, or none. */
interface Move {
  readonly name: string;
  readonly shape: readonly number[];
  readonly output: readonly number[];
  readonly apply: (x: tf.Tensor) => tf.Tensor;
  readonly source: (cell: readonly number[]) => readonly number[] | undefined;
  readonly filling?: number;
}

const FIVE = [2, 3, 4, 5, 3];
const SIX = [2, 3, 2, 4, 3, 2];

/** Where a padded axis of `size` shows the cell that it mirrors. */
function mirrored(i: number, size: number, mode: "reflect" | "symmetric"): number {
  const edge = mode === "reflect" ? 0 : 1;
  if (i < 0) return -i - edge;
  return i >= size ? 2 * size - 2 - i + edge : i;
}

function padding(shape: readonly number[], pads: [number, number][], filling = 0): Move {
  return {
    name: `pad ${JSON.stringify(pads)} with ${filling}`,
    shape,
    output: shape.map((size, axis) => size + pads[axis]![0] + pads[axis]![1]),
    apply: (x) => tf.pad(x, pads, filling),
    source: (cell) => {
      const from = cell.map((i, axis) => i - pads[axis]![0]);
      return from.every((i, axis) => i >= 0 && i < shape[axis]!) ? from : undefined;
    },
    filling,
  };
}

function mirroring(shape: readonly number[], pads: [number, number][], mode: "reflect" | "symmetric"): Move {
  return {
    ...padding(shape, pads),
    name: `mirrorPad ${JSON.stringify(pads)} ${mode}`,
    apply: (x) => tf.mirrorPad(x, pads, mode),
    source: (cell) => cell.map((i, axis) => mirrored(i - pads[axis]![0], shape[axis]!, mode)),
  };
}

function slicing(shape: readonly number[], begin: number[], size: number[]): Move {
  return {
    name: `slice [${begin}] [${size}]`,
    shape,
    output: size,
    apply: (x) => tf.slice(x, begin, size),
    source: (cell) => cell.map((i, axis) => i + begin[axis]!),
  };
}

function reversing(shape: readonly number[], axes: number[]): Move {
  return {
    name: `reverse [${axes}]`,
    shape,
    output: shape,
    apply: (x) => tf.reverse(x, axes),
    source: (cell) => cell.map((i, axis) => axes.includes(axis) ? shape[axis]! - 1 - i : i),
  };
}

function tiling(shape: readonly number[], reps: number[]): Move {
  return {
    name: `tile [${reps}]`,
    shape,
    output: shape.map((size, axis) => size * reps[axis]!),
    apply: (x) => tf.tile(x, reps),
    source: (cell) => cell.map((i, axis) => i % shape[axis]!),
  };
}

const MOVES: Move[] = [
  padding(FIVE, [[0, 0], [1, 1], [1, 2], [0, 3], [0, 0]]),
  padding(FIVE, [[1, 0], [0, 2], [1, 1], [2, 0], [0, 1]], 7),
  padding(FIVE, [[0, 0], [0, 0], [0, 0], [0, 0], [2, 1]]),
  padding(FIVE, [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0]], -1),
  padding(FIVE, [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0]]),
  padding(SIX, [[0, 1], [1, 0], [1, 1], [0, 2], [2, 0], [1, 1]], 3),
  padding(SIX, [[0, 0], [1, 0], [0, 0], [0, 0], [2, 0], [0, 0]]),
  mirroring(FIVE, [[0, 0], [1, 1], [2, 1], [0, 3], [0, 0]], "reflect"),
  mirroring(FIVE, [[1, 0], [0, 2], [1, 1], [2, 0], [0, 1]], "symmetric"),
  slicing(FIVE, [0, 1, 1, 2, 0], [2, 2, 2, 3, 3]),
  slicing(FIVE, [1, 0, 0, 0, 2], [1, 3, 4, 5, 1]),
  slicing(SIX, [0, 1, 0, 2, 1, 1], [2, 1, 2, 2, 2, 1]),
  reversing(FIVE, [1, 3]),
  reversing(FIVE, [0, 1, 2, 3, 4]),
  reversing(SIX, [2, 5]),
  tiling(FIVE, [1, 2, 1, 1, 3]),
  tiling([1, 1, 1, 1, 4], [2, 3, 2, 5, 1]),
  tiling([2, 1, 2, 1, 1, 2], [1, 3, 2, 2, 1, 1]),
];

for (const { name, shape, output, apply, source, filling = 0 } of MOVES) {
  testOnBackends(`${name} of [${shape}]: value and gradient equal cells moved one by one`, async () => {
    const x = ramp(shape);
    const values = await x.data();
    const y = apply(x);
    assert.deepEqual(y.shape, output);
    const sources = cells(output).map((cell) => {
      const from = source(cell);
      return from && offset(shape, from);
    });
    assert.deepEqual(Array.from(await y.data()), sources.map((from) => from === undefined ? filling : values[from]));
    const weights = ramp(output);
    const dy = await weights.data();
    const expected = new Float32Array(values.length);
    sources.forEach((from, to) => {
      if (from !== undefined) expected[from]! += dy[to]!;
    });
    const gradient = tf.grad((z) => tf.sum(tf.mul(apply(z), weights)))(x);
    assert.deepEqual(gradient.shape, shape);
    assert.deepEqual(Array.from(await gradient.data()), Array.from(expected));
  });
}

for (const shape of [[3, 4], [2, 7, 3], FIVE, SIX]) {
  for (const axis of [0, shape.length - 2, shape.length - 1]) {
    for (const [exclusive, reverse] of [[false, false], [true, false], [false, true], [true, true]] as const) {
      testOnBackends(
        `cumsum of [${shape}] along ${axis}, exclusive ${exclusive}, reverse ${reverse}: value and gradient`,
        async () => {
          const x = ramp(shape);
          const weights = ramp(shape);
          const [values, dy] = [await x.data(), await weights.data()];
          const [y, gradient] = [new Float32Array(values.length), new Float32Array(values.length)];
          for (const cell of cells(shape)) {
            for (let i = 0; i < shape[axis]!; i++) {
              const [here, there] = [cell[axis]!, i];
              const counts = exclusive
                ? (reverse ? there > here : there < here)
                : reverse
                ? there >= here
                : there <= here;
              if (!counts) continue;
              const [to, from] = [offset(shape, cell), offset(shape, cell.with(axis, i))];
              y[to]! += values[from]!;
              gradient[from]! += dy[to]!;
            }
          }
          assert.deepEqual(Array.from(await tf.cumsum(x, axis, exclusive, reverse).data()), Array.from(y));
          const actual = tf.grad((z) => tf.sum(tf.mul(tf.cumsum(z, axis, exclusive, reverse), weights)))(x);
          assert.deepEqual(Array.from(await actual.data()), Array.from(gradient));
        },
      );
    }
  }
}

testOnBackends("cumprod: at rank 5 it equals plain products", async () => {
  const shape = [2, 3, 2, 2, 2];
  const values = Float32Array.from({ length: 48 }, (_, i) => (i % 5) - 2);
  const expected = cells(shape).map((cell) =>
    Array.from({ length: cell[1]! + 1 }, (_, i) => values[offset(shape, cell.with(1, i))]!).reduce((a, b) => a * b)
  );
  const actual = Array.from(await tf.cumprod(tf.tensor(values, shape), 1).data());
  actual.forEach((value, i) => assert.equal(value + 0, expected[i]! + 0));
});

for (const shape of [FIVE, SIX]) {
  testOnBackends(`where: at rank ${shape.length} it chooses by cell, row and broadcast, with gradients`, async () => {
    const [t, e] = [ramp(shape), tf.neg(tf.add(ramp(shape), 1))];
    const [ts, es] = [await t.data(), await e.data()];
    const bits = Array.from(ts, (_, i) => (i * 7) % 3 === 0);
    const condition = tf.tensor(bits, shape, "bool");
    assert.deepEqual(
      Array.from(await tf.where(condition, t, e).data()),
      bits.map((bit, i) => bit ? ts[i] : es[i]),
    );
    const weights = ramp(shape);
    const dy = await weights.data();
    const [dt, de] = tf.grads((a, b) => tf.sum(tf.mul(tf.where(condition, a!, b!), weights)))([t, e]) as [
      tf.Tensor,
      tf.Tensor,
    ];
    assert.deepEqual(Array.from(await dt.data(), (v) => v + 0), bits.map((bit, i) => bit ? dy[i] : 0));
    assert.deepEqual(Array.from(await de.data(), (v) => v + 0), bits.map((bit, i) => bit ? 0 : dy[i]));
    const broadcast = await tf.where(condition, t, tf.scalar(9)).data();
    assert.deepEqual(Array.from(broadcast), bits.map((bit, i) => bit ? ts[i] : 9));
  });

  testOnBackends(`leakyRelu, prelu, clipByValue: values and gradients at rank ${shape.length}`, async () => {
    const [x, weights] = [ramp(shape), ramp(shape)];
    const [values, dy] = [await x.data(), await weights.data()];
    const check = async (f: (x: tf.Tensor) => tf.Tensor, y: (v: number) => number, slope: (v: number) => number) => {
      assert.deepEqual(Array.from(await f(x).data()), Array.from(values, (v) => Math.fround(y(v))));
      const gradient = await tf.grad((z) => tf.sum(tf.mul(f(z), weights)))(x).data();
      assert.deepEqual(Array.from(gradient, (v) => v + 0), Array.from(values, (v, i) => slope(v) * dy[i]! + 0));
    };
    await check((z) => tf.leakyRelu(z, 0.25), (v) => v < 0 ? v / 4 : v, (v) => v < 0 ? 0.25 : 1);
    await check((z) => tf.prelu(z, tf.fill(shape, 0.5)), (v) => v < 0 ? v / 2 : v, (v) => v < 0 ? 0.5 : 1);
    await check(
      (z) => tf.clipByValue(z, -20, 30),
      (v) => Math.min(30, Math.max(-20, v)),
      (v) => v >= -20 && v <= 30 ? 1 : 0,
    );
  });
}

testOnBackends("pad, reverse, tile: integers and truth values keep their type at rank 5", async () => {
  const x = tf.tensor([0, 1, 2, 3], [1, 2, 1, 2, 1], "int32");
  for (
    const y of [tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0], [0, 0]]), tf.reverse(x, 1), tf.tile(x, [2, 1, 1, 1, 2])]
  ) {
    assert.equal(y.dtype, "int32");
    assert.ok((await y.data()) instanceof Int32Array);
  }
});

testOnBackends("rank-5 kernels: tensors that go through them leave nothing behind", () => {
  const x = ramp(FIVE);
  const before = tf.memory().numTensors;
  for (let turn = 0; turn < 5; turn++) {
    tf.tidy(() =>
      void tf.grad((z) => tf.tile(tf.reverse(tf.pad(z, [[1, 0], [0, 2], [1, 1], [2, 0], [0, 1]])), [1, 1, 2, 1, 1]))(x)
    );
  }
  assert.equal(tf.memory().numTensors, before);
  assert.equal(tf.memory().numDataBuffers, 1);
});
