/**
 * TensorFlow.js' own WebGPU kernels that a training step uses, and the loss, where their workgroups exceed 65,535 and are folded into two or three dimensions: held to
 * the cpu backend.
 */
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { selectBackend } from "../backend.ts";
import { fusedDiceCrossEntropy } from "../loss/fused_dice_cross_entropy.ts";
import { testOnBackends } from "../testing.ts";

const made = new Map<string, Float32Array>();

/** Whole numbers, many of them alike, so that sums are exact. */
function numbers(shape: number[], step = 7): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  const key = `${size}/${step}`;
  if (!made.has(key)) made.set(key, Float32Array.from({ length: size }, (_, i) => ((i * step) % 251) - 125));
  return tf.tensor(made.get(key)!, shape);
}

const ROWS = 70_001;
/** More than 65,535 workgroups of 64. */
const MANY = 4_200_000;

const float = (x: tf.Tensor): tf.Tensor => tf.cast(x, "float32");
const rows = (): tf.Tensor => numbers([ROWS, 5]);
const many = (): tf.Tensor => numbers([MANY / 60, 3, 4, 5]);
const five = (): tf.Tensor => numbers([1, MANY / 60, 3, 4, 5]);

// A workgroup for each row.
const BY_ROW: Record<string, () => tf.Tensor> = {
  "sum of rows": () => tf.sum(rows(), -1),
  "mean of rows": () => tf.mean(rows(), -1),
  "max of rows": () => tf.max(rows(), -1),
  "min over an inner axis": () => tf.min(tf.reshape(rows(), [ROWS, 5, 1]), 1),
  "sum of integers": () => float(tf.sum(tf.cast(rows(), "int32"), -1)),
  "any of rows": () => float(tf.any(tf.greater(rows(), 100), -1)),
  "argMax of rows": () => float(tf.argMax(rows(), -1)),
  "argMax of long rows": () => float(tf.argMax(numbers([70, 70_000]), -1)),
  "argMin of long columns": () => float(tf.argMin(numbers([70_000, 70]), 0)),
  "argMax of integers": () => float(tf.argMax(tf.cast(numbers([3, 2000, 70]), "int32"), 1)),
  "argMax of one row of 4,300,000": () => {
    const row = tf.concat([tf.zeros([4_250_000]), tf.tensor1d([-1, 7, 7, 3]), tf.zeros([49_996])]);
    return tf.stack([float(tf.argMax(row)), float(tf.argMin(row))]);
  },
  softmax: () => tf.softmax(tf.mul(rows(), 0.01)),
  logSoftmax: () => tf.logSoftmax(tf.mul(rows(), 0.01)),
  logSumExp: () => tf.logSumExp(tf.mul(rows(), 0.01), -1),
  variance: () => tf.moments(rows(), -1).variance,
  "gradient of softmax": () => tf.grad((x) => tf.sum(tf.mul(tf.softmax(x), rows())))(tf.mul(rows(), 0.01)),
};

/** The loss, whose sums take a workgroup each, and its gradient; MONAI's at small sizes. */
const BY_SUM: Record<string, () => tf.Tensor> = {
  "the loss of 30,000 images": () => {
    const labels = tf.reshape(tf.cast(tf.mod(tf.range(0, 90_000, 1), 3), "int32"), [30_000, 3]);
    const loss = (x: tf.Tensor): tf.Scalar => fusedDiceCrossEntropy(x, labels);
    const logits = tf.mul(numbers([30_000, 3, 3]), 0.02);
    return tf.concat([tf.reshape(loss(logits), [1]), tf.reshape(tf.mul(tf.grad(loss)(logits), 30_000), [-1])]);
  },
};

// 64 numbers for each workgroup.
const BY_NUMBER: Record<string, () => tf.Tensor> = {
  square: () => tf.square(many()),
  sigmoid: () => tf.sigmoid(many()),
  relu: () => tf.relu(many()),
  "gradient of leakyRelu": () => tf.grad((x) => tf.sum(tf.leakyRelu(x, 0.25)))(five()),
  "add of equal shapes": () => tf.add(many(), numbers([MANY / 60, 3, 4, 5], 11)),
  "multiply of broadcast shapes": () => tf.mul(many(), numbers([MANY / 60, 1, 4, 1], 11)),
  "divide by a scalar": () => tf.div(many(), 4),
  addN: () => tf.addN([many(), many(), many()]),
  cast: () => float(tf.cast(tf.greater(many(), 0), "int32")),
  where: () => tf.where(tf.greater(five(), 0), five(), tf.neg(five())),
  fill: () => tf.fill([MANY], 3),
  pad: () => tf.pad(five(), [[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]),
  "mirror pad": () => tf.mirrorPad(five(), [[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]], "reflect"),
  tile: () => tf.tile(numbers([MANY / 120, 3, 4, 5]), [1, 1, 2, 1]),
  reverse: () => tf.reverse(five(), [1, 3]),
  transpose: () => tf.transpose(five(), [0, 4, 1, 2, 3]),
  "transpose of integers": () => float(tf.transpose(tf.cast(five(), "int32"), [0, 4, 1, 2, 3])),
  gather: () => tf.gather(many(), tf.cast(tf.range(MANY / 60 - 1, -1, -1), "int32")),
  "strided slice": () => tf.stridedSlice(five(), [0, 0, 0, 0, 4], [1, MANY / 60, 3, 4, -6], [1, 1, 1, 1, -1]),
  "concat of eight": () => tf.concat(Array.from({ length: 8 }, () => numbers([MANY / 240, 3, 4, 5])), 3),
  "cumulative sum": () => tf.cumsum(five(), 4),
  oneHot: () => tf.oneHot(tf.cast(tf.range(0, MANY / 6, 1), "int32"), 7, 1, 0, "float32"),
  clip: () => tf.clipByValue(many(), -50, 50),
  range: () => tf.range(0, MANY, 1),
  "scatter by the gradient of gather": () =>
    tf.grad((x) => tf.sum(tf.mul(tf.gather(x, tf.tensor1d([2, 0, 2], "int32"), 1), many())))(many()),
  "max pooling": () => tf.maxPool3d(numbers([1, 70, 100, 150, 5]) as tf.Tensor5D, 2, 1, "same"),
  "batch norm": () => {
    const [mean, variance] = [tf.tensor1d([1, 2, 3, 4, 5]), tf.tensor1d([1, 4, 9, 16, 25])];
    return tf.batchNorm(many(), mean, variance, mean, variance, 1e-3);
  },
  "resize, nearest": () => tf.image.resizeNearestNeighbor(numbers([1, 600, 700, 3]) as tf.Tensor4D, [1200, 1400]),
  "resize, bilinear": () => tf.image.resizeBilinear(numbers([1, 600, 700, 3]) as tf.Tensor4D, [1200, 1400]),
  "depth to space": () => tf.depthToSpace(numbers([1, 600, 600, 12]) as tf.Tensor4D, 2, "NHWC"),
};

for (const [name, run] of Object.entries({ ...BY_ROW, ...BY_SUM, ...BY_NUMBER })) {
  testOnBackends(`more than 65,535 workgroups: ${name}`, async ({ backend }) => {
    if (backend === "cpu") return; // is what webgpu is held to
    await selectBackend({ backend: "cpu" });
    const expected = await tf.tidy(run).data();
    await selectBackend({ backend });
    const actual = await tf.tidy(run).data();
    assert.equal(actual.length, expected.length);
    for (let i = 0; i < expected.length; i++) {
      const most = 1e-5 * Math.max(1, Math.abs(expected[i]!));
      if (!(Math.abs(actual[i]! - expected[i]!) <= most)) {
        assert.fail(`[${i}]: got ${actual[i]}, expected ${expected[i]}`);
      }
    }
  });
}
