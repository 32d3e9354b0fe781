import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { testOnBackends } from "../testing.ts";
import "./conv3d_kernels.ts";
import { plainConvolution } from "./testdata/plain_convolution.ts";

type Triple = [number, number, number];

interface Case {
  readonly batch: number;
  readonly size: Triple;
  readonly kernel: Triple;
  readonly channels: [number, number];
  readonly strides: Triple;
  readonly pad: "same" | "valid";
}

const CASES: Case[] = [
  { batch: 1, size: [5, 6, 7], kernel: [3, 3, 3], channels: [4, 8], strides: [1, 1, 1], pad: "same" },
  { batch: 2, size: [4, 3, 17], kernel: [3, 3, 3], channels: [8, 12], strides: [1, 1, 1], pad: "same" },
  { batch: 2, size: [5, 5, 11], kernel: [3, 3, 3], channels: [3, 5], strides: [1, 1, 1], pad: "valid" },
  { batch: 1, size: [7, 6, 9], kernel: [3, 3, 3], channels: [4, 8], strides: [2, 2, 2], pad: "same" },
  { batch: 2, size: [6, 8, 19], kernel: [3, 3, 3], channels: [1, 8], strides: [1, 2, 2], pad: "same" },
  { batch: 1, size: [8, 4, 12], kernel: [2, 2, 2], channels: [8, 4], strides: [2, 2, 2], pad: "valid" },
  { batch: 2, size: [3, 4, 10], kernel: [1, 1, 1], channels: [16, 2], strides: [1, 1, 1], pad: "same" },
  { batch: 1, size: [4, 5, 9], kernel: [1, 1, 1], channels: [4, 4], strides: [2, 2, 2], pad: "same" },
  { batch: 2, size: [8, 8, 16], kernel: [4, 4, 4], channels: [1, 6], strides: [4, 4, 4], pad: "valid" },
  { batch: 1, size: [6, 5, 13], kernel: [5, 5, 5], channels: [4, 3], strides: [1, 1, 1], pad: "same" },
  { batch: 1, size: [7, 9, 14], kernel: [5, 5, 5], channels: [2, 8], strides: [3, 2, 3], pad: "same" },
  { batch: 2, size: [4, 6, 9], kernel: [1, 3, 3], channels: [6, 7], strides: [1, 2, 2], pad: "same" },
  { batch: 1, size: [5, 7, 23], kernel: [3, 1, 7], channels: [8, 8], strides: [1, 1, 1], pad: "same" },
  { batch: 1, size: [3, 3, 40], kernel: [1, 2, 16], channels: [4, 9], strides: [1, 1, 16], pad: "same" },
  { batch: 1, size: [1, 1, 1], kernel: [3, 3, 3], channels: [1, 1], strides: [1, 1, 1], pad: "same" },
  { batch: 1, size: [4, 4, 7], kernel: [2, 2, 2], channels: [4, 4], strides: [3, 3, 3], pad: "valid" },
  { batch: 1, size: [2, 3, 50], kernel: [1, 1, 33], channels: [8, 16], strides: [1, 1, 1], pad: "same" },
];

function draw(random: Random, shape: number[]): Float32Array {
  const normal = random.normal();
  return Float32Array.from({ length: shape.reduce((a, b) => a * b) }, normal);
}

/** `tf.grads` of a function of two rank-5 tensors. */
function gradientsOf(
  f: (a: tf.Tensor5D, b: tf.Tensor5D) => tf.Tensor,
): (inputs: [tf.Tensor5D, tf.Tensor5D]) => [tf.Tensor, tf.Tensor] {
  return tf.grads(f as (...inputs: tf.Tensor[]) => tf.Tensor) as (inputs: tf.Tensor[]) => [tf.Tensor, tf.Tensor];
}

/** Largest difference over the largest expected magnitude. */
function relativeError(actual: ArrayLike<number>, expected: Float64Array): number {
  assert.equal(actual.length, expected.length);
  let [difference, magnitude] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    magnitude = Math.max(magnitude, Math.abs(expected[i]!));
  }
  return difference / magnitude;
}

for (const { batch, size, kernel, channels: [inChannels, outChannels], strides, pad } of CASES) {
  const title = `${batch}×[${size}] ${inChannels}→${outChannels} kernel [${kernel}] stride [${strides}] ${pad}`;
  testOnBackends(`conv3d: value and both gradients equal plain sums, ${title}`, async ({ tolerance }) => {
    const random = new Random(`conv3d/${title}`);
    const xShape = [batch, ...size, inChannels] as [number, number, number, number, number];
    const filterShape = [...kernel, inChannels, outChannels] as [number, number, number, number, number];
    const [x, filter] = [draw(random, xShape), draw(random, filterShape)];
    const expected = plainConvolution({ x, xShape, filter, filterShape, strides, pad });
    const weights = draw(random, expected.shape);
    const gradients = expected.gradients(weights);
    const [xTensor, filterTensor] = [tf.tensor5d(x, xShape), tf.tensor5d(filter, filterShape)];
    const dy = tf.tensor(weights, expected.shape);
    const y = tf.conv3d(xTensor, filterTensor, strides, pad);
    assert.deepEqual(y.shape, expected.shape);
    assert.ok(relativeError(await y.data(), expected.y) < tolerance, "value");
    const [dx, dFilter] = gradientsOf((a, b) => tf.sum(tf.mul(tf.conv3d(a, b, strides, pad), dy)))(
      [xTensor, filterTensor],
    );
    assert.ok(relativeError(await dx.data(), gradients.x) < tolerance, "input gradient");
    assert.ok(relativeError(await dFilter.data(), gradients.filter) < tolerance, "filter gradient");
  });

  testOnBackends(`conv3dTranspose: value and both gradients equal plain sums, ${title}`, async ({ tolerance }) => {
    const random = new Random(`conv3dTranspose/${title}`);
    const bigShape = [batch, ...size, inChannels] as [number, number, number, number, number];
    const filterShape = [...kernel, inChannels, outChannels] as [number, number, number, number, number];
    const [big, filter] = [draw(random, bigShape), draw(random, filterShape)];
    // y = Cᵀx with weights `big`: Σ big·Cᵀx = Σ C(big)·x, hence dx = C(big), and dFilter is that of C at (big, x).
    const expected = plainConvolution({ x: big, xShape: bigShape, filter, filterShape, strides, pad });
    const small = draw(random, expected.shape);
    const gradients = expected.gradients(small);
    const [x, w] = [tf.tensor(small, expected.shape) as tf.Tensor5D, tf.tensor5d(filter, filterShape)];
    const apply = (a: tf.Tensor5D, b: tf.Tensor5D): tf.Tensor5D => tf.conv3dTranspose(a, b, bigShape, strides, pad);
    assert.ok(relativeError(await apply(x, w).data(), gradients.x) < tolerance, "value");
    const weights = tf.tensor5d(big, bigShape);
    const [dx, dFilter] = gradientsOf((a, b) => tf.sum(tf.mul(apply(a, b), weights)))(
      [x, w],
    );
    assert.ok(relativeError(await dx.data(), expected.y) < tolerance, "input gradient");
    assert.ok(relativeError(await dFilter.data(), gradients.filter) < tolerance, "filter gradient");
  });
}

testOnBackends("conv3d: dilation spreads the taps", async ({ tolerance }) => {
  const random = new Random("conv3d/dilation");
  const xShape: [number, number, number, number, number] = [1, 6, 7, 13, 4];
  const filterShape: [number, number, number, number, number] = [3, 3, 3, 4, 8];
  const [x, filter] = [draw(random, xShape), draw(random, filterShape)];
  const dilations: Triple = [1, 2, 3];
  const expected = plainConvolution({ x, xShape, filter, filterShape, strides: [1, 1, 1], pad: "same", dilations });
  const y = tf.conv3d(tf.tensor5d(x, xShape), tf.tensor5d(filter, filterShape), 1, "same", "NDHWC", dilations);
  assert.ok(relativeError(await y.data(), expected.y) < tolerance);
});

testOnBackends(
  "conv3d: the filter gradient at 64³ is right, where the stock kernel's loops are cut short",
  async ({ backend }) => {
    if (backend === "cpu") return; // takes a minute there, and is what plain sums are checked against above
    // Fields that are products of one factor per axis have sums that are products of sums, so every weight can be checked in double precision.
    const [n, inChannels, outChannels] = [64, 8, 16];
    const random = new Random("conv3d/64");
    const factors = (channels: number): Float32Array[] => [n, n, n, channels].map((length) => draw(random, [length]));
    const [xFactors, dyFactors] = [factors(inChannels), factors(outChannels)];
    const field = (of: Float32Array[]): tf.Tensor5D =>
      of.map((factor, axis) => {
        const shape: [number, number, number, number, number] = [1, 1, 1, 1, 1];
        shape[axis + 1] = factor.length;
        return tf.tensor5d(factor, shape);
      }).reduce((product, factor) => tf.mul(product, factor));
    /** Σ over cells of x one step before, at, or one step behind, times dy; and the sum of the magnitudes. */
    const alongAxis = [0, 1, 2].map((axis) =>
      [-1, 0, 1].map((shift) => {
        let [sum, magnitude] = [0, 0];
        for (let at = Math.max(0, -shift); at < Math.min(n, n - shift); at++) {
          const product = xFactors[axis]![at + shift]! * dyFactors[axis]![at]!;
          sum += product;
          magnitude += Math.abs(product);
        }
        return { sum, magnitude };
      })
    );
    const filter = tf.zeros([3, 3, 3, inChannels, outChannels]) as tf.Tensor5D;
    const dy = field(dyFactors);
    const gradient = await gradientsOf((a, w) => tf.sum(tf.mul(tf.conv3d(a, w, 1, "same"), dy)))([
      field(xFactors),
      filter,
    ])[1]
      .data();
    let worst = 0;
    gradient.forEach((value, index) => {
      const [o, i, tap] = [
        index % outChannels,
        Math.floor(index / outChannels) % inChannels,
        Math.floor(index / outChannels / inChannels),
      ];
      const along = [Math.floor(tap / 9), Math.floor(tap / 3) % 3, tap % 3].map((shift, axis) =>
        alongAxis[axis]![shift]!
      );
      const channel = xFactors[3]![i]! * dyFactors[3]![o]!;
      const [sum, magnitude] = [
        along.reduce((p, a) => p * a.sum, channel),
        along.reduce((p, a) => p * a.magnitude, Math.abs(channel)),
      ];
      worst = Math.max(worst, Math.abs(value - sum) / magnitude);
    });
    assert.ok(worst < 1e-6, `off by ${worst} of the sum of magnitudes`);
  },
);

testOnBackends("conv3d: gradients give the same bits when computed again", async () => {
  const [x, w] = [
    tf.randomNormal([2, 12, 12, 12, 4], 0, 1, "float32", 1),
    tf.randomNormal([3, 3, 3, 4, 8], 0, 1, "float32", 2),
  ];
  const gradient = (): Promise<Float32Array> =>
    tf.grad((f: tf.Tensor) => tf.sum(tf.square(tf.conv3d(x as tf.Tensor5D, f as tf.Tensor5D, 1, "same"))))(w)
      .data() as Promise<Float32Array>;
  assert.deepEqual(await gradient(), await gradient());
});
