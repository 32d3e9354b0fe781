import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { BatchNorm3d, disposeParameters, GroupNorm3d, joinParameters, loadStateDict, saveStateDict } from "./mod.ts";

const volume = (...shape: [number, number, number, number, number]): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape, 2, 3, "float32", 1);

testOnBackends(
  "BatchNorm3d: norms by the running statistics unless training, and moves them in training alone",
  async ({ tolerance }) => {
    const norm = new BatchNorm3d(2);
    const x = volume(2, 3, 2, 4, 2);
    const rows = tf.reshape(x, [-1, 2]);
    const read = async (name: string): Promise<number[]> => Array.from(await norm.buffers.get(name)!.data());
    const near = (got: readonly number[], wanted: readonly number[]): void =>
      got.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) < 10 * tolerance, `${got} is not ${wanted}`));

    near(
      [...await norm.apply(x).data()],
      (await x.data() as Float32Array).reduce<number[]>((all, v) => [...all, v], []),
    );
    assert.deepEqual([await read("running_mean"), await read("num_batches_tracked")], [[0, 0], [0]]);
    norm.apply(x, { training: true, updateStatistics: false });
    assert.deepEqual(await read("running_var"), [1, 1]);

    norm.apply(x, { training: true });
    const { mean, variance } = tf.moments(rows, 0);
    const [means, variances] = [Array.from(await mean.data()), Array.from(await variance.data())];
    near(await read("running_mean"), means.map((m) => 0.1 * m));
    near(await read("running_var"), variances.map((v) => 0.9 + 0.1 * v * 48 / 47));
    assert.deepEqual(await read("num_batches_tracked"), [1]);

    const bent = await norm.apply(x, { training: true, leakySlope: 0 }).data();
    assert.ok(bent.every((value) => value >= 0) && bent.some((value) => value > 0));
    disposeParameters(joinParameters({ weights: norm.parameters, buffers: norm.buffers }));
  },
);

testOnBackends("BatchNorm3d: a step leaves no tensors behind, and buffers get no gradient", () => {
  const norm = new BatchNorm3d(2);
  const x = volume(1, 2, 2, 2, 2);
  const step = (): void => {
    const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(norm.apply(x, { training: true }))));
    assert.deepEqual(Object.keys(grads).length, 2);
    tf.dispose([value, grads as tf.NamedTensorMap]);
  };
  step();
  const { numTensors } = tf.memory();
  for (let i = 0; i < 20; i++) step();
  assert.equal(tf.memory().numTensors, numTensors);
  disposeParameters(joinParameters({ weights: norm.parameters, buffers: norm.buffers }));
});

testOnBackends("loadStateDict: takes PyTorch's 64-bit count of batches", async () => {
  const norm = new BatchNorm3d(1);
  const saved = await saveStateDict(norm.buffers);
  saved.set("num_batches_tracked", { dtype: "I64", shape: [], data: BigInt64Array.of(7n) });
  loadStateDict(norm.buffers, saved);
  assert.deepEqual([...await norm.buffers.get("num_batches_tracked")!.data()], [7]);
  disposeParameters(joinParameters({ weights: norm.parameters, buffers: norm.buffers }));
});

testOnBackends("BatchNorm3d, GroupNorm3d: refuse what is out of range", () => {
  const refuses = (run: () => unknown, message: RegExp): void => assert.throws(run, message);
  refuses(() => new BatchNorm3d(0), /RangeError: Cannot make a BatchNorm3d: the number of channels/);
  refuses(() => new BatchNorm3d(1, { momentum: 0 }), /RangeError: .*momentum is out of range: got 0/);
  refuses(() => new BatchNorm3d(1, { epsilon: 0 }), /RangeError: .*epsilon is wrong/);
  refuses(() => new GroupNorm3d(2, 3), /RangeError: .*do not divide the channels: got 2 groups of 3/);
  const norm = new BatchNorm3d(2);
  refuses(() => norm.apply(volume(1, 2, 2, 2, 3)), /RangeError: .*the input has the wrong shape/);
  refuses(() => norm.apply(volume(1, 1, 1, 1, 2), { training: true }), /RangeError: .*one voxel has no variance/);
  disposeParameters(joinParameters({ weights: norm.parameters, buffers: norm.buffers }));
});
