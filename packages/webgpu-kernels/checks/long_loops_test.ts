/**
 * Every own kernel beyond 65,535 of what a plain loop would walk: llvmpipe ends an invocation's loops there without a word. Held to sums in double
 * precision. Those of the loss, of matMul, of conv3d and of transport stand beside them.
 */
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import {
  type AdamSlot,
  fusedAdamStep,
  fusedAttention,
  fusedDropout,
  fusedGelu,
  fusedGroupNorm,
  fusedInstanceNorm,
  fusedLayerNorm,
  fusedMovingAverage,
  globalNorm,
  resizeTrilinear,
} from "../mod.ts";
import { testOnBackends } from "../testing.ts";
import { attendPlainly, normalisePlainly, poolPlainly, unresizePlainly } from "./testdata/plain_kernels.ts";

/** A test of shaders, which cpu has none of. */
function testShaders(name: string, body: () => Promise<void>): void {
  testOnBackends(`beyond 65,535: ${name}`, async ({ backend }) => {
    if (backend === "webgpu") await body();
  });
}

/** Numbers from −1 to 1 that no axis repeats, made fast. */
function noise(size: number, seed: number): Float32Array {
  let state = seed * 2654435761 >>> 0;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 23 - 1;
  });
}

function sampled(size: number, count = 50): number[] {
  const random = new Random(`sampled/${size}`);
  return [0, size - 1, ...Array.from({ length: count }, () => random.integer(0, size - 1))];
}

const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: got ${actual}, expected ${expected}`);

type Three = [tf.Tensor, tf.Tensor1D, tf.Tensor1D];

const NORMS: {
  name: string;
  shape: number[];
  /** Numbers normalised together: the group's number of each number. */
  groupOf: (at: number) => number;
  run: (...inputs: Three) => tf.Tensor;
}[] = [
  {
    name: "instance norm of 96³",
    shape: [1, 96, 96, 96, 4],
    groupOf: (at) => at % 4,
    run: (...inputs) => fusedInstanceNorm(...inputs, { leakySlope: 0.1 }),
  },
  {
    name: "instance norm of 70,000 volumes",
    shape: [70_000, 3, 5],
    groupOf: (at) => Math.floor(at / 15) * 5 + at % 5,
    run: (...inputs) => fusedInstanceNorm(...inputs, { leakySlope: 0.1 }),
  },
  {
    name: "group norm of 300,000 cells",
    shape: [2, 300_000, 4],
    groupOf: (at) => Math.floor(at / 1_200_000) * 2 + Math.floor(at % 4 / 2),
    run: (...inputs) => fusedGroupNorm(...inputs, { groups: 2, leakySlope: 0.1 }),
  },
  {
    name: "layer norm of rows of 280,004",
    shape: [3, 280_004],
    groupOf: (at) => Math.floor(at / 280_004),
    run: (...inputs) => fusedLayerNorm(...inputs),
  },
  {
    name: "layer norm of rows of 70,001",
    shape: [2, 70_001],
    groupOf: (at) => Math.floor(at / 70_001),
    run: (...inputs) => fusedLayerNorm(...inputs),
  },
  {
    name: "layer norm of 600,000 rows",
    shape: [600_000, 4],
    groupOf: (at) => Math.floor(at / 4),
    run: (...inputs) => fusedLayerNorm(...inputs),
  },
];

for (const { name, shape, groupOf, run } of NORMS) {
  testShaders(name, async () => {
    const [size, channels] = [tf.util.sizeFromShape(shape), shape.at(-1)!];
    const [x, dy] = [noise(size, 1).map((v, i) => 3 * v + (i % 3)), noise(size, 2)];
    const [scale, offset] = [noise(channels, 3).map((v) => v + 2), noise(channels, 4)];
    const slope = name.startsWith("layer") ? 1 : 0.1;
    const expected = normalisePlainly({ x, dy, scale, offset }, { groupOf, slope, epsilon: 1e-5 });
    const inputs: Three = [tf.tensor(x, shape), tf.tensor1d(scale), tf.tensor1d(offset)];
    const y = await run(...inputs).data();
    const gradients = tf.grads((...t) => tf.sum(tf.mul(run(...t as Three), tf.tensor(dy, shape))))(inputs);
    const [dx, dScale, dOffset] = [await gradients[0]!.data(), await gradients[1]!.data(), await gradients[2]!.data()];
    for (const at of sampled(size)) {
      near(y[at]!, expected.y[at]!, 1e-4, `value ${at}`);
      near(dx[at]!, expected.dx[at]!, 1e-4, `gradient ${at}`);
    }
    for (const channel of sampled(channels, 10)) {
      const most = 1e-4 * Math.sqrt(size / channels);
      near(dScale[channel]!, expected.dScale[channel]!, most, `scale ${channel}`);
      near(dOffset[channel]!, expected.dOffset[channel]!, most, `offset ${channel}`);
    }
  });
}

for (
  const [groups, queries, keys, width, biasGroups] of [[1, 2, 70_001, 3, 0], [1, 2, 119_999, 4, 0], [
    1,
    130_001,
    2,
    4,
    0,
  ], [66_000, 1, 2, 1, 1]] as const
) {
  testShaders(`attention of ${groups} × ${queries} × ${keys}, ${biasGroups} biases`, async () => {
    const shapes: [number, number, number][] = [[groups, queries, width], [groups, keys, width], [groups, keys, width]];
    if (biasGroups > 0) shapes.push([biasGroups, queries, keys]);
    const arrays = shapes.map((shape, i) => noise(tf.util.sizeFromShape(shape), i + 1));
    const dy = noise(groups * queries * width, 9);
    const expected = attendPlainly({ query: arrays[0]!, key: arrays[1]!, value: arrays[2]!, bias: arrays[3], dy }, {
      groups,
      queries,
      keys,
      width,
    });
    const run = (...[q, k, v, bias]: tf.Tensor[]): tf.Tensor =>
      fusedAttention(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, bias ? { bias: bias as tf.Tensor3D } : {});
    const inputs = arrays.map((values, i) => tf.tensor3d(values, shapes[i]!));
    const y = await run(...inputs).data();
    for (const at of sampled(y.length)) near(y[at]!, expected.output[at]!, 1e-5, `value ${at}`);
    const gradients = tf.grads((...t) => tf.sum(tf.mul(run(...t), tf.tensor(dy, shapes[0]))))(inputs);
    for (const [i, gradient] of gradients.entries()) {
      const [values, wanted] = [await gradient.data(), expected.gradients[i]!];
      const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const at of sampled(values.length)) near(values[at]!, wanted[at]!, 1e-4 * scale, `gradient ${i} at ${at}`);
    }
  });
}

testShaders("GELU, dropout, sums, broadcasts, slices and joins of 4,500,000 numbers", async () => {
  const [rows, width] = [1_500_000, 3];
  const values = noise(rows * width, 1);
  const x = tf.tensor2d(values, [rows, width]);
  const gelu = await fusedGelu(x).data();
  const kept = await fusedDropout(x, 0.5, 7).data();
  const bias = await tf.add(x, tf.tensor1d([1, 2, 3])).data();
  const slice = await tf.slice(x, [1, 1], [rows - 1, 2]).data();
  const joined = await tf.concat([x, tf.neg(x)], 1).data();
  const tail = (v: number): number => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
  for (const at of sampled(values.length, 500)) {
    const [row, column] = [Math.floor(at / width), at % width];
    near(gelu[at]!, tail(values[at]!), 1e-3, `gelu ${at}`);
    assert.ok(kept[at] === 0 || kept[at] === 2 * values[at]!, `dropout ${at}`);
    near(bias[at]!, values[at]! + column + 1, 1e-6, `bias ${at}`);
    near(joined[row * 6 + 3 + column]!, -values[at]!, 0, `join ${at}`);
    if (row > 0 && column > 0) near(slice[(row - 1) * 2 + column - 1]!, values[at]!, 0, `slice ${at}`);
  }
  let dropped = 0;
  for (const value of kept) if (value === 0) dropped++;
  near(dropped / kept.length, 0.5, 2e-3, "share dropped");
  const sums = [0, 0, 0];
  values.forEach((value, at) => sums[at % width]! += value);
  const [sum, mean] = [await tf.sum(x, 0).data(), await tf.mean(x, 0).data()];
  sums.forEach((expected, column) => {
    near(sum[column]!, expected, 0.05, `sum ${column}`);
    near(mean[column]!, expected / rows, 1e-6, `mean ${column}`);
  });
  const ones = await tf.sum(tf.ones([rows, width]), 0).data();
  assert.deepEqual([...ones], [rows, rows, rows]);
});

testShaders("cumulative sums along 70,000", async () => {
  const values = noise(140_000, 1);
  const sums = await tf.cumsum(tf.tensor2d(values, [70_000, 2]), 0).data();
  const running = [0, 0];
  values.forEach((value, at) => {
    running[at % 2]! += value;
    if (at % 997 === 0 || at > 139_990) near(sums[at]!, running[at % 2]!, 1e-3, `${at}`);
  });
});

testShaders("the norm of 17,500,000 numbers, and their sum", async () => {
  const values = noise(17_500_000, 1);
  const x = tf.tensor1d(values);
  let [squares, sum] = [0, 0];
  for (const value of values) {
    squares += value * value;
    sum += value;
  }
  near((await globalNorm([x, x]).data())[0]!, Math.sqrt(2 * squares), 1e-5 * Math.sqrt(squares), "norm");
  near((await tf.sum(x).data())[0]!, sum, 5, "sum");
});

testShaders("Adam and moving averages of 4,500,000 numbers", async () => {
  const size = 4_500_000;
  const [values, gradients] = [noise(size, 1), noise(size, 2)];
  const slot: AdamSlot = {
    parameter: tf.variable(tf.tensor1d(values)),
    average: tf.variable(tf.zeros([size])),
    square: tf.variable(tf.zeros([size])),
    gradient: tf.tensor1d(gradients),
    step: 1,
  };
  const average = tf.variable(tf.zeros([size]));
  fusedAdamStep([slot], { learningRate: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0, decoupled: false });
  fusedMovingAverage([{ average, value: slot.gradient }], 0.75);
  const [stepped, averaged] = [await slot.parameter.data(), await average.data()];
  for (let at = 0; at < size; at++) {
    // The first step is the learning rate against the gradient's sign.
    const expected = values[at]! - 0.01 * gradients[at]! / (Math.abs(gradients[at]!) + 1e-8);
    if (!(Math.abs(stepped[at]! - expected) <= 1e-6)) {
      assert.fail(`Adam ${at}: got ${stepped[at]}, expected ${expected}`);
    }
    if (!(Math.abs(averaged[at]! - gradients[at]! / 4) <= 1e-7)) assert.fail(`average ${at}: ${averaged[at]}`);
  }
  tf.dispose([slot.parameter, slot.average, slot.square, average]);
});

for (
  const [grid, target, alignCorners] of [
    [[3, 3, 3], [48, 48, 48], true],
    [[3, 4, 3], [48, 64, 48], false],
    [[3, 1, 3], [48, 16, 48], true],
  ] as const
) {
  testShaders(`gradient of resizing [${grid}] to [${target}], alignCorners ${alignCorners}`, async () => {
    const [depth, height, width] = target;
    const dy = noise(depth * height * width * 2, 1);
    const x = tf.ones([1, ...grid, 2]) as tf.Tensor5D;
    const weights = tf.tensor5d(dy, [1, ...target, 2]);
    const gradient = await tf.grad((v) =>
      tf.sum(tf.mul(resizeTrilinear(v as tf.Tensor5D, [...target], { alignCorners }), weights))
    )(x).data();
    const expected = unresizePlainly(dy, { grid, target, channels: 2, alignCorners });
    expected.forEach((value, at) => near(gradient[at]!, value, 2e-3, `${at}`));
  });
}

for (
  const [size, filter, stride, pad] of [
    [[50, 49, 51], [48, 47, 49], [40, 47, 25], "same"],
    [[45, 44, 46], [41, 42, 43], [2, 1, 3], "valid"],
    [[42, 43, 44], [41, 41, 41], [30, 31, 33], 3],
  ] as const
) {
  testShaders(`pooling of [${size}] in windows of [${filter}], stride [${stride}], pad ${pad}`, async () => {
    const shape: [number, number, number, number, number] = [2, ...size, 2];
    // Whole numbers, many of them equal, so that of equal maxima the first must be told.
    const values = noise(tf.util.sizeFromShape(shape), 1).map((v) => Math.round(v * 2000));
    const x = tf.tensor5d(values, shape);
    for (const kind of ["max", "avg"] as const) {
      const run = (t: tf.Tensor): tf.Tensor =>
        tf[`${kind}Pool3d`](t as tf.Tensor5D, [...filter], [...stride], pad, pad === 3 ? "floor" : undefined);
      const y = run(x);
      const dy = noise(y.size, 2);
      const expected = poolPlainly(kind, { values, dy }, { shape, outputs: y.shape.slice(1, 4), filter, stride, pad });
      const actual = await y.data();
      expected.y.forEach((value, at) => near(actual[at]!, value, 1e-3 * Math.max(1, Math.abs(value)), `${kind} ${at}`));
      const gradient = await tf.grad((t) => tf.sum(tf.mul(run(t), tf.tensor(dy, y.shape))))(x).data();
      const scale = expected.dx.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expected.dx.forEach((value, at) => {
        if (!(Math.abs(gradient[at]! - value) <= 1e-4 * scale)) {
          assert.fail(`${kind} gradient ${at}: ${gradient[at]}, ${value}`);
        }
      });
    }
  });
}
