import { Conv3d, disposeParameters, InstanceNorm3d, joinParameters } from "@med3d/nn";
import { deviceMemory, GpuError, setMemoryPolicy } from "@med3d/webgpu-kernels";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Random } from "random";
import { CheckpointStore } from "./checkpoint/checkpoint_store.ts";
import { AdamW } from "./optim/adam.ts";
import { constant } from "./schedules.ts";
import { withFolder } from "./testdata/folder.ts";
import { train } from "./train.ts";
import type { StepRecord, TrainingOptions } from "./training_options.ts";

type Options = Partial<TrainingOptions<tf.Tensor5D>> & { readonly side?: number };

/** Trains a convolution, an instance norm and a projection to reproduce noise. */
async function trainConvolution({ side = 4, ...options }: Options): Promise<void> {
  const random = new Random("convolution");
  const conv = new Conv3d(1, 4, { kernelSize: 3, initialisation: "he", random });
  const norm = new InstanceNorm3d(4);
  const head = new Conv3d(4, 1, { kernelSize: 1, initialisation: "he", random });
  const parameters = joinParameters({ conv: conv.parameters, norm: norm.parameters, head: head.parameters });
  const optimizer = new AdamW(parameters);
  try {
    await train<tf.Tensor5D>({
      parameters,
      optimizer,
      loadBatch: (step) => {
        const next = new Random(`batch/${step}`).normal();
        return Promise.resolve(
          tf.tensor5d(Float32Array.from({ length: 2 * side ** 3 }, next), [2, side, side, side, 1]),
        );
      },
      disposeBatch: (batch) => batch.dispose(),
      loss: (batch) => {
        const y = head.apply(norm.apply(conv.apply(batch), { leakySlope: 0.01 }));
        return { total: tf.mean(tf.squaredDifference(y, batch)) as tf.Scalar, terms: {} };
      },
      schedule: constant(1e-3),
      maxGradientNorm: 1,
      steps: 10,
      configuration: {},
      ...options,
    });
  } finally {
    optimizer.dispose();
    disposeParameters(parameters);
  }
}

testOnBackends("train: tensors, buffers and bytes stay flat over 500 steps", async ({ backend }) => {
  const seen: Record<string, number>[] = [];
  let last: StepRecord | undefined;
  await trainConvolution({
    steps: 502,
    onStep: (record) => {
      last = record;
      const { numTensors, numDataBuffers, numBytes } = tf.memory();
      const { usedBuffers = 0, usedBytes = 0, pooledBuffers = 0, pooledBytes = 0 } = deviceMemory() ?? {};
      const counts = { numTensors, numDataBuffers, numBytes };
      // Used and pooled buffers change places with the moment at which a read arrives; their sum does not.
      seen.push({ ...counts, buffers: usedBuffers + pooledBuffers, bytes: usedBytes + pooledBytes });
    },
  });
  assert.equal(last!.step, 501);
  // The moment at which a loss is read moves: two small tensors more or fewer are alive then. One left behind in 100 steps would make five.
  const settled = seen.slice(19, 500); // the last two have no next batch at hand
  const most = { numTensors: 2, numDataBuffers: 2, numBytes: 16, buffers: 2, bytes: 64 };
  for (const [count, allowed] of Object.entries(most)) {
    const values = settled.map((counts) => counts[count]!);
    const range = Math.max(...values) - Math.min(...values);
    assert.ok(range <= allowed, `${count} range over ${range}: from ${Math.min(...values)} to ${Math.max(...values)}`);
  }
  if (backend === "webgpu") assert.ok(settled[0]!.bytes! > 0);
});

testOnBackends(
  "train: a step that finds no room on the device stops by name, and the last checkpoint is sound",
  ({ backend }) =>
    withFolder(async (folder) => {
      if (backend === "cpu") return; // has no device
      const store = new CheckpointStore(join(folder, "checkpoints"));
      const before = tf.memory().numTensors;
      try {
        const run = trainConvolution({
          side: 24,
          checkpoints: { store, everySteps: 1 },
          onStep: ({ step }) => {
            if (step === 2) setMemoryPolicy({ limitBytes: deviceMemory()!.usedBytes + 2 ** 18 });
          },
        });
        await assert.rejects(
          run,
          (error) =>
            error instanceof GpuError && error.kind === "limit" &&
            /memory is used up: got \[2,24,24,24,4\] float32/.test(error.message),
        );
      } finally {
        setMemoryPolicy({});
      }
      const newest = (await store.loadNewest())!;
      assert.ok(newest.step >= 2 && newest.step <= 4, `${newest.step}`);
      assert.deepEqual(newest.notices, []);
      assert.equal(tf.memory().numTensors, before, "nothing is left behind");
      await trainConvolution({ steps: 2 }); // the device is well
    }),
);
