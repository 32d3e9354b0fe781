import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { GpuError } from "../guard/gpu_error.ts";
import { fusedInstanceNorm } from "../norm/fused_instance_norm.ts";
import { fusedAdamStep } from "../optim/fused_adam.ts";
import { globalNorm } from "../optim/global_norm.ts";
import { testOnBackends } from "../testing.ts";
import { deviceMemory, resetPeakBytes, trimBuffers } from "./device_memory.ts";
import { planMemory } from "./plan_memory.ts";
import { recompute } from "./recompute.ts";

const MIB = 2 ** 20;

/** Two steps of training a stage of two convolutions, its parts recomputed or not; the model is made anew. */
async function train({ size, channels, batch, again }: Setting): Promise<void> {
  const kernels = [1, channels].map((inputs) =>
    tf.variable(tf.tidy(() => tf.fill([3, 3, 3, inputs, channels], 0.1 / inputs)))
  );
  const scale = tf.ones([channels]) as tf.Tensor1D;
  const offset = tf.zeros([channels]) as tf.Tensor1D;
  const volume = tf.randomNormal<tf.Rank.R5>([batch, size, size, size, 1], 0, 1, "float32", 1);
  const layer = (x: tf.Tensor, kernel: tf.Variable): tf.Tensor =>
    fusedInstanceNorm(tf.conv3d(x as tf.Tensor5D, kernel as unknown as tf.Tensor5D, 1, "same"), scale, offset, {
      leakySlope: 0.01,
    });
  const stage = (x: tf.Tensor): tf.Tensor => kernels.reduce(layer, x);
  const moments = kernels.map(({ shape }) => [tf.variable(tf.zeros(shape)), tf.variable(tf.zeros(shape))] as const);
  for (let step = 0; step < 2; step++) {
    const { value, grads } = tf.variableGrads(() => {
      const y = again ? recompute({ inputs: [volume], variables: kernels }, stage) : stage(volume);
      return tf.mean(tf.square(y)) as tf.Scalar;
    }, kernels);
    const gradients = kernels.map(({ name }) => grads[name]!);
    const norm = globalNorm(gradients);
    const slots = kernels.map((parameter, i) => {
      const [average, square] = moments[i]!;
      return { parameter, gradient: gradients[i]!, average, square, step: step + 1 };
    });
    fusedAdamStep(slots, { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0, decoupled: true });
    tf.dispose(gradients);
    await tf.stack([value, norm]).data();
    tf.dispose([value, norm]);
  }
  tf.dispose([volume, ...kernels, ...moments.flat()]);
}

interface Setting {
  readonly size: number;
  readonly channels: number;
  readonly batch: number;
  readonly again: boolean;
}

testOnBackends("planMemory: the plan of training steps equals what the device then needs", async ({ backend }) => {
  for (
    const setting of [
      { size: 16, channels: 8, batch: 2, again: false },
      { size: 24, channels: 4, batch: 1, again: true },
      { size: 9, channels: 3, batch: 1, again: false },
    ]
  ) {
    const plan = await planMemory(() => train(setting));
    assert.equal(tf.getBackend(), backend);
    assert.ok(plan.largestTensor!.bytes >= 4 * setting.batch * setting.size ** 3 * setting.channels);
    assert.ok(plan.dispatches > 40);
    if (backend === "cpu") continue; // has planned for a device that it has not
    await tf.add(tf.tensor1d([1]), 1).data();
    trimBuffers();
    resetPeakBytes();
    const before = deviceMemory()!.usedBytes;
    tf.engine().startScope();
    await train(setting);
    tf.engine().endScope();
    const { peakUsedBytes, peakBytes } = deviceMemory()!;
    assert.deepEqual([peakUsedBytes - before, peakBytes - before], [plan.peakUsedBytes, plan.peakBytes]);
  }
});

testOnBackends("planMemory: 128³ take no longer than writing the commands, and no memory", async () => {
  const plan = await planMemory(() => train({ size: 128, channels: 8, batch: 1, again: true }));
  const [first] = plan.tensorsAtPeak;
  assert.deepEqual(first!.shape, [1, 128, 128, 128, 8]);
  assert.equal(first!.bytes, first!.count * 64 * MIB);
  assert.match(first!.madeBy, /conv3d|instanceNorm/);
  assert.ok(plan.peakUsedBytes > 5 * 64 * MIB && plan.peakUsedBytes < 8 * 64 * MIB, `${plan.peakUsedBytes / MIB} MiB`);
});

testOnBackends(
  "planMemory: a tensor too large for a buffer, and one beyond the budget, are refused by name",
  async () => {
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof GpuError && error.kind === "limit" && message.test(error.message);
    const setting = { size: 64, channels: 16, batch: 1, again: false };
    await assert.rejects(
      planMemory(() => train(setting), { maxTensorBytes: 8 * MIB }),
      refused(/got \[1,64,64,64,16\] float32, 16\.0 MiB, expected at most 8\.0 MiB/),
    );
    await assert.rejects(
      planMemory(() => train(setting), { budgetBytes: 60 * MIB }),
      refused(
        /memory is used up: got \[1,64,64,64,16\] float32, 16\.0 MiB more than the .* MiB in use, expected at most 60\.0 MiB/,
      ),
    );
    await assert.rejects(planMemory(() => {}, { budgetBytes: -1 }), /budgetBytes is wrong: got -1/);
  },
);

testOnBackends("planMemory: without an adapter it plans for what every device offers", async () => {
  const adapters = Object.getPrototypeOf(navigator.gpu) as GPU;
  const { requestAdapter } = adapters;
  adapters.requestAdapter = () => Promise.resolve(null);
  try {
    const { largestTensor } = await planMemory(() => train({ size: 16, channels: 8, batch: 1, again: true }));
    assert.ok(largestTensor!.bytes >= 4 * 16 ** 3 * 8);
    await assert.rejects(
      planMemory(() => train({ size: 64, channels: 160, batch: 1, again: true })),
      /got \[1,64,64,64,160\] float32, 160\.0 MiB, expected at most 128\.0 MiB/,
    );
  } finally {
    adapters.requestAdapter = requestAdapter;
  }
});

testOnBackends(
  "planMemory: leaves tensors, variables, backend and values outside as they were",
  async ({ backend }) => {
    const outside = tf.variable(tf.tensor1d([1, 2, 3]));
    const constant = tf.add(tf.tensor1d([4, 5, 6]), 0);
    const { numTensors, numDataBuffers, numBytes } = tf.memory();
    const present = tf.backend();
    const plan = await planMemory(async () => {
      const { value, grads } = tf.variableGrads(() => tf.sum(tf.mul(tf.square(outside), constant)) as tf.Scalar, [
        outside,
      ]);
      outside.assign(tf.sub(outside, grads[outside.name]!));
      assert.deepEqual(Array.from(await value.data()), [0], "nothing is computed");
      return tf.add(tf.variable(tf.ones([1000])), 1);
    });
    assert.ok(plan.peakUsedBytes >= 8000);
    await assert.rejects(
      planMemory(() => {
        outside.assign(tf.ones([3]));
        throw new Error("from within");
      }),
      /from within/,
    );
    assert.deepEqual([tf.getBackend(), tf.backend()], [backend, present]);
    const after = tf.memory();
    assert.deepEqual(
      [after.numTensors, after.numDataBuffers, after.numBytes],
      [numTensors, numDataBuffers, numBytes],
    );
    assert.deepEqual(Array.from(await outside.data()), [1, 2, 3]);
    assert.deepEqual(Array.from(await tf.mul(outside, constant).data()), [4, 10, 18]);
  },
);
