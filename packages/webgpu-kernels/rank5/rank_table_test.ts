import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { selectBackend } from "../backend.ts";
import { testOnBackends } from "../testing.ts";

const FIVE = [2, 3, 4, 5, 3];
const SIX = [2, 3, 2, 4, 3, 2];

/** Distinct values from −1 to 1, none at a place where an operation below has a corner. */
function ramp(shape: readonly number[], step = 37): tf.Tensor {
  const size = tf.util.sizeFromShape([...shape]);
  const order = Float32Array.from({ length: size }, (_, i) => ((i * step) % 1009) / 504.6 - 0.999);
  return tf.tensor(order, [...shape]);
}

/** A shape with 1 in place of the axes that `keep` does not name. */
function kept(shape: readonly number[], keep: (axis: number) => boolean): number[] {
  return shape.map((size, axis) => keep(axis) ? size : 1);
}

const float = (x: tf.Tensor): tf.Tensor => tf.cast(x, "float32");
const indices = (...values: number[]): tf.Tensor1D => tf.tensor1d(values, "int32");

type Operation = (x: tf.Tensor) => tf.Tensor;

/** Operations for tensors of a shape. Those under `flat` have no slope, or one that no difference shows. */
function operations(shape: readonly number[]): { smooth: Record<string, Operation>; flat: Record<string, Operation> } {
  const rank = shape.length;
  const odd = (axis: number): boolean => axis % 2 === 1;
  const some = ramp(kept(shape, odd), 11);
  const others = ramp(kept(shape, (axis) => !odd(axis)), 13);
  const tail = ramp(shape.slice(2), 17);
  const channels = ramp(shape.slice(-1), 19);
  const mixed = [...shape.keys()].map((axis) => (axis + 2) % rank);
  return {
    smooth: {
      pad: (x) => tf.pad(x, shape.map((_, axis) => [axis % 2, 1]), 0.5),
      "mirrorPad reflect": (x) => tf.mirrorPad(x, shape.map((_, axis) => [axis % 2, 1]), "reflect"),
      "mirrorPad symmetric": (x) => tf.mirrorPad(x, shape.map((_, axis) => [axis % 2, 2]), "symmetric"),
      slice: (x) => tf.slice(x, shape.map((_, axis) => axis % 2), shape.map((size, axis) => size - axis % 2)),
      stridedSlice: (x) => tf.stridedSlice(x, shape.map(() => 0), [...shape], shape.map((_, axis) => 1 + axis % 2)),
      "stridedSlice backwards": (x) =>
        tf.stridedSlice(x, shape.map((n) => n - 1), shape.map((n) => -n - 1), shape.map(() => -1)),
      split: (x) => tf.split(x, [1, 2], 1)[1]!,
      unstack: (x) => tf.unstack(x, 1)[2]!,
      reverse: (x) => tf.reverse(x, [0, 2, rank - 1]),
      cumsum: (x) => tf.cumsum(x, 2),
      tile: (x) => tf.tile(x, shape.map((_, axis) => 1 + axis % 2)),
      broadcastTo: (x) => tf.broadcastTo(tf.slice(x, 0, 1), [3, ...shape.slice(1)]),
      "transpose backwards": (x) => tf.transpose(x),
      "transpose front": (x) => tf.transpose(x, [1, 0, ...[...shape.keys()].slice(2)]),
      "transpose turned": (x) => tf.transpose(x, mixed),
      "gather first": (x) => tf.gather(x, indices(1, 0, 1), 0),
      "gather inner": (x) => tf.gather(x, indices(1, 0), 2),
      "gather last": (x) => tf.gather(x, indices(1, 1, 0), rank - 1),
      gatherND: (x) => tf.gatherND(x, tf.tensor2d([[1, 0], [0, 2], [1, 0]], undefined, "int32")),
      "concat first": (x) => tf.concat([x, tf.square(x)], 0),
      "concat inner": (x) => tf.concat([x, x, tf.square(x)], 2),
      "concat last": (x) => tf.concat([x, tf.square(x)], -1),
      "add some axes": (x) => tf.add(x, some),
      "add a tail": (x) => tf.add(tail, x),
      "subtract from other axes": (x) => tf.sub(others, x),
      "multiply channels": (x) => tf.mul(x, channels),
      "multiply some by other axes": (x) => tf.mul(tf.mul(x, some), others),
      "divide by some axes": (x) => tf.div(x, tf.add(some, 3)),
      "maximum of some axes": (x) => tf.maximum(x, tf.add(some, 3.5)),
      "minimum of a tail": (x) => tf.minimum(tail, tf.add(x, 3.5)),
      squaredDifference: (x) => tf.squaredDifference(x, others),
      "sum of all": (x) => tf.sum(x),
      "sum of some axes": (x) => tf.sum(x, [1, 3]),
      "sum of the first": (x) => tf.sum(x, 0, true),
      "sum of the last": (x) => tf.sum(x, -1),
      "mean of some axes": (x) => tf.mean(x, [0, 2, 4]),
      "mean of spatial axes": (x) => tf.mean(x, [1, 2, 3]),
      variance: (x) => tf.moments(x, [1, 2]).variance,
      norm: (x) => tf.norm(x, "euclidean", [3]),
      prod: (x) => tf.prod(tf.add(x, 1.5), [2, 0]),
      softmax: (x) => tf.softmax(x),
      logSumExp: (x) => tf.logSumExp(x, 2),
      "max of an inner axis": (x) => tf.max(x, 1),
      "max of the last": (x) => tf.max(x, -1, true),
      "min of some axes": (x) => tf.min(x, [2, 3]),
      topk: (x) => tf.topk(x, 2).values,
      where: (x) => tf.where(tf.greater(others, 0), x, tf.square(x)),
      leakyRelu: (x) => tf.leakyRelu(x, 0.1),
      prelu: (x) => tf.prelu(x, channels),
      elu: (x) => tf.elu(x),
      selu: (x) => tf.selu(x),
      sigmoid: (x) => tf.sigmoid(x),
      clip: (x) => tf.clipByValue(x, -0.4, 0.3),
      "matMul with itself": (x) => tf.matMul(x, x, false, true),
      "matMul with a matrix": (x) => tf.matMul(x, ramp([shape.at(-1)!, 4])),
      batchNorm: (x) =>
        tf.batchNorm(
          x,
          channels as tf.Tensor1D,
          tf.add(tf.square(channels), 1) as tf.Tensor1D,
          channels as tf.Tensor1D,
          channels as tf.Tensor1D,
        ),
      addN: (x) => tf.addN([x, x, x]),
    },
    flat: {
      cumprod: (x) => tf.cumprod(x, 1),
      argMax: (x) => float(tf.argMax(x, 1)),
      "argMax of the last": (x) => float(tf.argMax(x, -1)),
      argMin: (x) => float(tf.argMin(x, 0)),
      greater: (x) => float(tf.greater(x, tail)),
      notEqual: (x) => float(tf.notEqual(x, some)),
      logicalAnd: (x) => float(tf.logicalAnd(tf.greater(x, 0), tf.less(x, channels))),
      all: (x) => float(tf.all(tf.greater(x, -0.9), 1)),
      any: (x) => float(tf.any(tf.greater(x, 0.9), [1, 2])),
      "transpose of truth values": (x) => float(tf.transpose(tf.greater(x, 0), mixed)),
      "transpose of integers": (x) => float(tf.transpose(tf.cast(tf.mul(x, 100), "int32"), mixed)),
      "reductions of integers": (x) => {
        const integers = tf.cast(tf.mul(x, 100), "int32");
        const reduced = [tf.sum(integers, 1), tf.max(integers, 1), tf.min(integers, [1]), tf.argMax(integers, 1)];
        return tf.stack(
          [...reduced.map(float), float(tf.reshape(tf.sum(integers, 1, true), reduced[0]!.shape))].map((t) =>
            tf.reshape(t, [-1])
          ),
        );
      },
      floor: (x) => tf.floor(tf.mul(x, 10)),
    },
  };
}

async function assertClose(actual: tf.Tensor, expected: { shape: number[]; values: Float32Array }, what: string) {
  assert.deepEqual(actual.shape, expected.shape, what);
  const values = await actual.data();
  const scale = expected.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  expected.values.forEach((value, i) =>
    assert.ok(Math.abs(values[i]! - value) <= 1e-5 * scale, `${what}[${i}]: got ${values[i]}, expected ${value}`)
  );
}

await selectBackend({ backend: "cpu" }); // the table makes tensors
for (const shape of [FIVE, SIX]) {
  for (const kind of ["smooth", "flat"] as const) {
    for (const name of Object.keys(operations(shape)[kind])) {
      testOnBackends(
        `rank ${shape.length}, ${name}: equals cpu's, and the gradient is the differences'`,
        async ({ backend }) => {
          const run = (x: tf.Tensor): tf.Tensor => operations(shape)[kind][name]!(x);
          const loss = (x: tf.Tensor): tf.Scalar => {
            const y = run(x);
            return tf.sum(tf.mul(y, ramp(y.shape, 41)));
          };
          const gradientOf = (): tf.Tensor => tf.grad(loss)(ramp(shape));
          if (backend === "webgpu") {
            await selectBackend({ backend: "cpu" });
            const keep = async (t: tf.Tensor) => ({ shape: t.shape, values: Float32Array.from(await t.data()) });
            const value = await keep(run(ramp(shape)));
            const gradient = kind === "smooth" ? await keep(gradientOf()) : undefined;
            await selectBackend({ backend });
            await assertClose(run(ramp(shape)), value, "value");
            if (gradient) await assertClose(gradientOf(), gradient, "gradient");
          } else if (kind === "smooth") {
            const direction = ramp(shape, 53);
            const slope = (await tf.sum(tf.mul(gradientOf(), direction)).data())[0]!;
            const at = async (step: number): Promise<number> =>
              (await loss(tf.add(ramp(shape), tf.mul(direction, step))).data())[0]!;
            const measured = (await at(5e-4) - await at(-5e-4)) / 1e-3;
            const magnitude = (await tf.norm(tf.mul(gradientOf(), direction), 1).data())[0]!;
            assert.ok(
              Math.abs(measured - slope) <= 1e-2 * magnitude,
              `got ${slope}, measured ${measured} of ${magnitude}`,
            );
          }
        },
      );
    }
  }
}
