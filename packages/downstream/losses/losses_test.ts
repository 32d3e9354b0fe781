import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import {
  binaryCrossEntropyLoss,
  crossEntropyLoss,
  meanSquaredErrorLoss,
  ordinalLoss,
} from "./classification_losses.ts";
import { deepSupervisionLoss } from "./deep_supervision_loss.ts";
import { diceCrossEntropyLoss } from "./dice_cross_entropy_loss.ts";
import { focalLoss } from "./focal_loss.ts";
import cases from "./testdata/losses.json" with { type: "json" };
import { tverskyLoss } from "./tversky_loss.ts";

type Case = (typeof cases)[number];

/** The loss of a fixture as a function of its logits. */
function lossOf({ kind, shape, options, targets }: Case): (logits: tf.Tensor) => tf.Scalar {
  const grid = shape.slice(0, -1);
  const labels = (): tf.Tensor4D => tf.tensor<tf.Rank.R4>(targets, grid as [number, number, number, number], "int32");
  const classes = (): tf.Tensor1D => tf.tensor1d(targets, "int32");
  const values = (): tf.Tensor2D => tf.tensor2d(targets, shape as [number, number]);
  switch (kind) {
    case "regions":
      return (x) => diceCrossEntropyLoss(x as tf.Tensor5D, labels(), options);
    case "focal":
      return (x) => focalLoss(x as tf.Tensor5D, labels(), options);
    case "tversky":
      return (x) => tverskyLoss(x as tf.Tensor5D, labels(), options);
    case "cross-entropy":
      return (x) => crossEntropyLoss(x as tf.Tensor2D, classes(), options);
    case "binary":
      return (x) => binaryCrossEntropyLoss(x as tf.Tensor2D, values(), options);
    default:
      return (x) => meanSquaredErrorLoss(x as tf.Tensor2D, values());
  }
}

for (const [index, entry] of cases.entries()) {
  testOnBackends(
    `losses: case ${index}, ${entry.kind} ${JSON.stringify(entry.options)} equals the reference's value and gradient`,
    async ({ tolerance }) => {
      const loss = lossOf(entry);
      const logits = tf.tensor(entry.logits, entry.shape);
      const value = (await loss(logits).data())[0]!;
      assert.ok(Math.abs(value - entry.loss) <= tolerance * entry.loss, `got ${value}, expected ${entry.loss}`);
      const gradient = await tf.grad(loss)(logits).data();
      const scale = Math.max(...entry.gradient.map(Math.abs));
      entry.gradient.forEach((expected, i) =>
        assert.ok(
          Math.abs(gradient[i]! - expected) <= 2 * tolerance * scale,
          `[${i}]: ${gradient[i]}, expected ${expected}`,
        )
      );
    },
  );
}

testOnBackends("losses: ignored voxels change neither value nor gradient, whatever they are predicted as", async () => {
  const grid: [number, number, number, number] = [1, 2, 3, 4];
  const labels = Array.from({ length: 24 }, (_, i) => i % 5 === 0 ? 9 : i % 3);
  const logits = Float32Array.from({ length: 72 }, (_, i) => Math.sin(i));
  const other = logits.map((value, i) => labels[Math.floor(i / 3)] === 9 ? 5 * Math.cos(i) : value);
  const y = tf.tensor4d(labels, grid, "int32");
  const tensor = (values: Float32Array): tf.Tensor5D => tf.tensor5d(values, [...grid, 3]);
  for (const options of [{ ignoreLabel: 9 }, { ignoreLabel: 9, regions: [[1, 2], [2], [1]] }]) {
    for (const loss of [diceCrossEntropyLoss, focalLoss, tverskyLoss]) {
      const of = (x: tf.Tensor): tf.Scalar => loss(x as tf.Tensor5D, y, options);
      const [one, two] = [(await of(tensor(logits)).data())[0]!, (await of(tensor(other)).data())[0]!];
      assert.ok(Math.abs(one - two) < 1e-5, `${loss.name}: ${one} and ${two}`);
      const gradient = await tf.grad(of)(tensor(logits)).data();
      labels.forEach((label, voxel) => {
        const size = Math.hypot(...gradient.slice(3 * voxel, 3 * voxel + 3));
        assert.equal(
          size > 1e-7,
          label !== 9,
          `${loss.name}: voxel ${voxel} of label ${label} has a gradient of ${size}`,
        );
      });
    }
  }
});

testOnBackends(
  "ordinalLoss: it is the mean surprise of the thresholds, and grows with the distance to the class",
  async () => {
    const logits = tf.tensor2d([[2, -1, -3]]);
    const at = async (label: number): Promise<number> =>
      (await ordinalLoss(logits, tf.tensor1d([label], "int32")).data())[0]!;
    const surprise = (x: number): number => Math.log1p(Math.exp(-x));
    assert.ok(Math.abs(await at(1) - (surprise(2) + surprise(1) + surprise(3)) / 3) < 1e-5);
    assert.ok(await at(1) < await at(2) && await at(2) < await at(3));
  },
);

testOnBackends(
  "deepSupervisionLoss: labels are taken at the middles of coarse cells, weights are normalised",
  async () => {
    const labels = tf.tensor([0, 0, 1, 1, 2, 2, 0, 0], [1, 1, 1, 8], "int32") as tf.Tensor4D;
    const sure = (values: number[]): tf.Tensor5D =>
      tf.reshape(tf.mul(tf.oneHot(tf.tensor1d(values, "int32"), 3), 50), [1, 1, 1, values.length, 3]);
    const levels = [sure([0, 0, 1, 1, 2, 2, 0, 0]), sure([0, 1, 2, 0])];
    assert.ok((await deepSupervisionLoss(levels, labels, focalLoss).data())[0]! < 1e-6);
    const worse = [levels[0]!, sure([0, 1, 2, 2])];
    const wrong =
      (await focalLoss(worse[1]!, tf.tensor([0, 1, 2, 0], [1, 1, 1, 4], "int32") as tf.Tensor4D).data())[0]!;
    const total = (await deepSupervisionLoss(worse, labels, focalLoss).data())[0]!;
    assert.ok(Math.abs(total - wrong / 3) < 1e-4 * wrong, `${total}, ${wrong}`);
    assert.throws(() => deepSupervisionLoss(levels, labels, focalLoss, { weights: [1] }), /weights are wrong/);
    assert.throws(() => deepSupervisionLoss(levels, labels, focalLoss, { weights: [0, 0] }), /weights are wrong/);
  },
);

testOnBackends("losses: what does not fit is refused by name", () => {
  const logits = tf.zeros([1, 2, 2, 2, 3]) as tf.Tensor5D;
  const labels = tf.zeros([1, 2, 2, 2], "int32") as tf.Tensor4D;
  const floats = tf.zeros([1, 2, 2, 2]) as tf.Tensor4D;
  assert.throws(() => diceCrossEntropyLoss(logits, floats), /labels do not fit/);
  assert.throws(() => focalLoss(logits, labels, { regions: [[1]] }), /regions do not fit/);
  assert.throws(
    () => diceCrossEntropyLoss(logits, labels, { regions: [[1], [2], [3]], classWeights: [1, 1, 1] }),
    /class weights/,
  );
  assert.throws(() => focalLoss(logits, labels, { gamma: -1 }), /gamma is out of range/);
  assert.throws(() => focalLoss(logits, labels, { classWeights: [1] }), /class weights do not fit/);
  assert.throws(() => tverskyLoss(logits, labels, { falsePositiveWeight: NaN }), /falsePositiveWeight is out of range/);
  const rows = tf.zeros([2, 3]) as tf.Tensor2D;
  assert.throws(() => crossEntropyLoss(rows, tf.zeros([3], "int32") as tf.Tensor1D), /labels or weights do not fit/);
  assert.throws(() => binaryCrossEntropyLoss(rows, tf.zeros([2, 2])), /shapes differ/);
  assert.throws(() => ordinalLoss(rows, tf.zeros([2]) as tf.Tensor1D), /labels do not fit/);
});
