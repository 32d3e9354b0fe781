import { createParameter, disposeParameters } from "@med3d/nn";
import { GpuError, selectBackend } from "@med3d/webgpu-kernels";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { appendFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointStore } from "./checkpoint/checkpoint_store.ts";
import { Adam } from "./optim/adam.ts";
import { constant } from "./schedules.ts";
import { assertClose } from "./testdata/assert_close.ts";
import { readMetrics, withFolder } from "./testdata/folder.ts";
import { makeBatch, type SmallOutcome, trainSmall } from "./testdata/small_training.ts";
import { train } from "./train.ts";
import type { StepRecord, TrainingOptions } from "./training_options.ts";

const STEPS = 10;

/** Compares parameters, optimiser state, average, buffers and hook. */
function assertSameOutcome(actual: SmallOutcome, expected: SmallOutcome, tolerance: number): void {
  assert.deepEqual(Object.keys(actual.values), Object.keys(expected.values));
  for (const [name, values] of Object.entries(expected.values)) {
    if (tolerance === 0) assert.deepEqual(actual.values[name], values, name);
    else assertClose(actual.values[name]!, values, tolerance);
  }
  assert.equal(actual.counter, expected.counter);
}

testOnBackends(
  "train: a run resumed after an abort and after a lost tail equals the uninterrupted one",
  ({ backend }) =>
    withFolder(async (folder) => {
      const tolerance = backend === "cpu" ? 0 : 1e-5;
      const whole = await trainSmall(join(folder, "whole"), STEPS);
      const parts = join(folder, "parts");

      const stop = new AbortController();
      const aborted = await trainSmall(parts, STEPS, {
        signal: stop.signal,
        loadBatch: (step, microStep) => {
          if (step === 4) stop.abort(); // loaded while step 3 runs
          return makeBatch(step, microStep);
        },
      });
      assert.deepEqual([aborted.result.stopped, aborted.result.completedSteps], ["aborted", 4]);
      // Lines that came after the last checkpoint, the last of them cut off, are what a kill leaves.
      await appendFile(join(parts, "metrics.jsonl"), `{"step":4,"total":9}\n{"step":5,"tot`);

      const resumed = await trainSmall(parts, STEPS);
      assert.deepEqual([resumed.result.stopped, resumed.result.resumedAt], ["completed", 4]);
      assert.deepEqual(resumed.result.notices, []);
      assertSameOutcome(resumed, whole, tolerance);

      const [a, b] = await Promise.all(
        [parts, join(folder, "whole")].map((run) => readMetrics(join(run, "metrics.jsonl"))),
      );
      assert.deepEqual(b!.map(({ step }) => step), Array.from({ length: STEPS }, (_, step) => step));
      if (tolerance === 0) assert.deepEqual(a, b);
      else {a!.forEach((record, i) =>
          assertClose([record.total as number, record.gradientNorm as number], [
            b![i]!.total as number,
            b![i]!.gradientNorm as number,
          ], tolerance)
        );}
    }),
);

testOnBackends(
  "train: loss falls, records come in order, and neither tensors nor buffers pile up",
  () =>
    withFolder(async (folder) => {
      const outside = tf.memory().numTensors;
      const records: StepRecord[] = [];
      const counts: number[] = [];
      await trainSmall(folder, 30, {
        onStep: (record) => {
          records.push(record);
          counts.push(tf.memory().numTensors);
        },
      });
      assert.equal(tf.memory().numTensors, outside);
      assert.deepEqual(records.map(({ step }) => step), Array.from({ length: 30 }, (_, step) => step));
      assert.ok(new Set(counts.slice(4, 20)).size <= 2, `tensor counts: ${counts}`);
      const mean = (part: StepRecord[]): number => part.reduce((sum, { total }) => sum + total, 0) / part.length;
      assert.ok(mean(records.slice(-5)) < 0.6 * mean(records.slice(0, 5)));
      for (const { total, terms } of records) assertClose([terms.error! + terms.size!], [total], 1e-6);
    }),
);

/** Minimises (x − batch)² from x = 1, with every part of the options at hand. */
async function trainScalar(
  overrides: Partial<TrainingOptions<number>>,
): Promise<{ values: number[]; records: StepRecord[] }> {
  const x = createParameter(Float32Array.of(1), [1]);
  const parameters = new Map([["x", x]]);
  const optimizer = new Adam(parameters);
  const records: StepRecord[] = [];
  try {
    await train<number>({
      parameters,
      optimizer,
      loadBatch: (step) => Promise.resolve(step),
      loss: (batch) => {
        const total = tf.sum(tf.square(tf.sub(x, batch))) as tf.Scalar;
        return { total, terms: { error: total } };
      },
      schedule: constant(0.1),
      steps: 4,
      onStep: (record) => void records.push(record),
      configuration: {},
      ...overrides,
    });
    return { values: [...await x.data()], records };
  } finally {
    optimizer.dispose();
    disposeParameters(parameters);
  }
}

testOnBackends("train: gradients of accumulated batches equal those of their mean", async ({ tolerance }) => {
  const batches = [[1, 5], [2, -4], [0, 3], [7, 7]];
  const apart = await trainScalar({
    accumulationSteps: 2,
    loadBatch: (step, micro) => Promise.resolve(batches[step]![micro]!),
  });
  const parameter = createParameter(Float32Array.of(1), [1]);
  const optimizer = new Adam(new Map([["x", parameter]]));
  const records: StepRecord[] = [];
  await train<number[]>({
    parameters: optimizer.parameters,
    optimizer,
    loadBatch: (step) => Promise.resolve(batches[step]!),
    loss: (pair) => ({ total: tf.mean(tf.square(tf.sub(parameter, tf.tensor1d(pair)))) as tf.Scalar, terms: {} }),
    schedule: constant(0.1),
    steps: 4,
    onStep: (record) => void records.push(record),
    configuration: {},
  });
  assertClose(apart.values, await parameter.data(), tolerance);
  assertClose(apart.records.map((r) => r.total), records.map((r) => r.total), tolerance);
  assertClose(apart.records.map((r) => r.gradientNorm), records.map((r) => r.gradientNorm), tolerance);
  optimizer.dispose();
  disposeParameters(optimizer.parameters);
});

testOnBackends(
  "train: a loss that is not finite stops with step and term, and no checkpoint holds it",
  () =>
    withFolder(async (folder) => {
      const outside = tf.memory().numTensors;
      for (const bad of [NaN, Infinity]) {
        const store = new CheckpointStore(join(folder, String(bad)));
        const run = trainScalar({
          steps: 8,
          checkpoints: { store, everySteps: 1 },
          loadBatch: (step) => Promise.resolve(step === 5 ? bad : step),
        });
        await assert.rejects(run, new RegExp(`at step 5: the loss term "error" is not finite: got ${bad}`));
        const newest = await store.loadNewest();
        assert.equal(newest!.step, 5); // the five good steps 0 … 4
        for (const { data } of newest!.tensors.values()) assert.ok((data as Float32Array).every(Number.isFinite));
      }
      assert.equal(tf.memory().numTensors, outside);
    }),
);

testOnBackends(
  "train: a device that reports an error or is lost stops the step with the cause, and no checkpoint holds it",
  ({ backend }) =>
    withFolder(async (folder) => {
      if (backend === "cpu") return; // has no device
      const faults: [string, (device: GPUDevice) => void, RegExp][] = [
        [
          "refused",
          (device) => void device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE }),
          /the device reported an error/,
        ],
        ["lost", (device) => device.destroy(), /the device was lost/],
        [
          "out of memory", // told as the device would: to exhaust llvmpipe is to exhaust the machine
          (device) => {
            const error = new GPUOutOfMemoryError("not enough memory left");
            device.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
          },
          /the device reported an error: not enough memory left.*with smaller batches or patches if memory ran out/,
        ],
      ];
      for (const [name, breakDevice, cause] of faults) {
        const store = new CheckpointStore(join(folder, name));
        const { device } = tf.backend() as unknown as { device: GPUDevice };
        const reached: number[] = [];
        try {
          const x = createParameter(Float32Array.of(1), [1]);
          const optimizer = new Adam(new Map([["x", x]]));
          const run = train<number>({
            parameters: optimizer.parameters,
            optimizer,
            loadBatch: (step) => Promise.resolve(step),
            loss: (step) => {
              reached.push(step);
              if (step === 3) breakDevice(device);
              return { total: tf.sum(tf.square(tf.sub(x, step))) as tf.Scalar, terms: {} };
            },
            schedule: constant(0.1),
            steps: 50,
            checkpoints: { store, everySteps: 1 },
            configuration: {},
          });
          await assert.rejects(run, (error) => error instanceof GpuError && cause.test(error.message));
        } finally {
          await selectBackend({ backend }); // a fresh device
        }
        assert.ok(reached.length <= 5, `went on for ${reached.length} steps`);
        const newest = (await store.loadNewest())!;
        assert.deepEqual([newest.step <= 3, newest.notices], [true, []]);
      }
    }),
  { asksForErrors: true },
);

testOnBackends("train: a gradient that is not finite under a finite loss stops too", async () => {
  const x = createParameter(Float32Array.of(0), [1]);
  const optimizer = new Adam(new Map([["x", x]]));
  const run = train<null>({
    parameters: optimizer.parameters,
    optimizer,
    loadBatch: () => Promise.resolve(null),
    loss: () => ({ total: tf.sum(tf.sqrt(x)) as tf.Scalar, terms: {} }), // slope at 0 is infinite
    schedule: constant(0.1),
    steps: 3,
    configuration: {},
  });
  await assert.rejects(run, /at step 0: the gradient norm is not finite/);
  optimizer.dispose();
  disposeParameters(optimizer.parameters);
});

testOnBackends("train: a buffer that is not finite never reaches a checkpoint", () =>
  withFolder(async (folder) => {
    const buffers = new Map([["mass", createParameter(Float32Array.of(NaN), [1])]]);
    const store = new CheckpointStore(folder);
    await assert.rejects(
      trainScalar({ buffers, checkpoints: { store, everySteps: 2 } }),
      /Cannot save the checkpoint of step 2: a value is not finite: got NaN in "buffers.mass"/,
    );
    assert.deepEqual(await store.list(), []);
    disposeParameters(buffers);
  }));

testOnBackends("train: a batch that cannot be loaded is named, and those loaded ahead are released", async () => {
  const live = new Set<number>();
  const options: Partial<TrainingOptions<number>> = {
    steps: 4,
    loadBatch: (step) => {
      if (step === 2) throw new Error("file gone");
      live.add(step);
      return Promise.resolve(step);
    },
    disposeBatch: (step) => void live.delete(step),
  };
  await assert.rejects(trainScalar(options), /Cannot load batch 0 of step 2: file gone/);
  assert.equal(live.size, 0);
  const stop = new AbortController();
  const { records } = await trainScalar({
    ...options,
    signal: stop.signal,
    loadBatch: (step) => {
      live.add(step);
      if (step === 2) stop.abort();
      return Promise.resolve(step);
    },
  });
  assert.equal(records.length, 2);
  assert.equal(live.size, 0);
});

testOnBackends(
  "train: checkpoints are written when due, by time too, and score decides the best",
  () =>
    withFolder(async (folder) => {
      const store = new CheckpointStore(folder, { keep: 1, keepBest: 1 });
      const scores = [3, 1, 2, 4];
      await trainScalar({ checkpoints: { store, everySteps: 1, score: (completed) => scores[completed - 1]! } });
      assert.deepEqual((await store.list()).map(({ step, score }) => [step, score]), [[4, 4], [2, 1]]);
      assert.equal((await store.loadBest())!.step, 2);
      const timed = new CheckpointStore(join(folder, "timed"), { keep: 9 });
      await trainScalar({ checkpoints: { store: timed, everySteps: 1000, everySeconds: 1e-9 } });
      assert.deepEqual((await timed.list()).map(({ step }) => step), [4, 3, 2, 1]);
    }),
);

testOnBackends(
  "train: a checkpoint of another architecture or configuration is refused by its first difference",
  () =>
    withFolder(async (folder) => {
      await trainSmall(folder, 3);
      const before = await readdir(join(folder, "checkpoints"));
      await assert.rejects(
        trainSmall(folder, 6, { configuration: { hidden: 8, layers: [4, 9, 1] } }),
        /Cannot resume from .*json: it was made under another configuration, first in configuration.layers\[1\]: got 9, expected 8. Make the run/,
      );
      await assert.rejects(
        trainSmall(folder, 6, { seed: "other" }),
        /first in training.seed: got "other", expected "small"/,
      );
      const store = new CheckpointStore(join(folder, "checkpoints"));
      await assert.rejects(
        trainScalar({ resume: "auto", checkpoints: { store, everySteps: 1 } }),
        /its architecture differs, first in "model.first.weight": got no such parameter, expected shape \[8,4\]/,
      );
      assert.deepEqual(await readdir(join(folder, "checkpoints")), before);
    }),
);

testOnBackends(
  "train: another run's folder is refused unless resumed, and resuming a finished run does nothing",
  () =>
    withFolder(async (folder) => {
      const { values } = await trainSmall(folder, 3);
      const metrics = await readFile(join(folder, "metrics.jsonl"), "utf8");
      const { resume: _, ...fresh } = { resume: undefined };
      await assert.rejects(
        trainScalar({
          ...fresh,
          checkpoints: { store: new CheckpointStore(join(folder, "checkpoints")), everySteps: 1 },
        }),
        /the checkpoint directory holds another run: got 1 in .*Pass resume: "auto"/,
      );
      await assert.rejects(
        trainScalar({ metricsPath: join(folder, "metrics.jsonl") }),
        /the metrics file holds another run: got .*metrics.jsonl of \d+ bytes/,
      );
      const again = await trainSmall(folder, 3);
      assert.deepEqual([again.result.completedSteps, again.result.lastRecord], [3, undefined]);
      assert.deepEqual(again.values, values);
      assert.equal(await readFile(join(folder, "metrics.jsonl"), "utf8"), metrics);
    }),
);

testOnBackends(
  "train: going back to an earlier checkpoint by path takes the later ones' place",
  () =>
    withFolder(async (folder) => {
      const whole = await trainSmall(folder, 9);
      const store = new CheckpointStore(join(folder, "checkpoints"));
      const [newest, earlier] = await store.list();
      assert.deepEqual([newest!.step, earlier!.step], [9, 6]);
      const stop = new AbortController();
      await trainSmall(folder, 9, {
        resume: earlier!.path,
        signal: stop.signal,
        loadBatch: (step, microStep) => {
          if (step === 7) stop.abort();
          return makeBatch(step, microStep);
        },
      });
      assert.deepEqual((await store.list()).slice(0, 2).map(({ step }) => step), [7, 6]);
      assert.deepEqual((await readMetrics(join(folder, "metrics.jsonl"))).length, 7);
      assert.deepEqual((await trainSmall(folder, 9)).values, whole.values);
    }),
);

testOnBackends("train: wrong options are refused", async () => {
  await assert.rejects(trainScalar({ steps: 0 }), /steps is wrong: got 0, expected a positive integer/);
  await assert.rejects(trainScalar({ accumulationSteps: 1.5 }), /accumulationSteps is wrong: got 1.5/);
  await assert.rejects(trainScalar({ maxGradientNorm: -1 }), /maxGradientNorm is wrong: got -1/);
  const store = new CheckpointStore("never-made");
  await assert.rejects(trainScalar({ checkpoints: { store, everySteps: 0 } }), /everySteps is wrong: got 0/);
  await assert.rejects(
    trainScalar({ checkpoints: { store, everySteps: 1, everySeconds: 0 } }),
    /everySeconds is wrong/,
  );
  await assert.rejects(trainScalar({ resume: "auto" }), /Cannot resume: there is no checkpoint store/);
  await assert.rejects(trainScalar({ parameters: new Map() }), /parameters is wrong: got none/);
  const stranger = new Map([["y", createParameter(new Float32Array(1), [1])]]);
  await assert.rejects(trainScalar({ parameters: stranger }), /the optimiser is wrong: got one that does not know "y"/);
  disposeParameters(stranger);
});

testOnBackends("train: a loss that is no scalar, or terms that change, are refused", async () => {
  const x = createParameter(Float32Array.of(1, 2), [2]);
  const optimizer = new Adam(new Map([["x", x]]));
  const run = (loss: TrainingOptions<number>["loss"]): Promise<unknown> =>
    train<number>({
      parameters: optimizer.parameters,
      optimizer,
      loadBatch: (step) => Promise.resolve(step),
      loss,
      schedule: constant(0.1),
      steps: 2,
      configuration: {},
    });
  const total = (): tf.Scalar => tf.sum(tf.square(x)) as tf.Scalar;
  await assert.rejects(run(() => ({ total: x as never, terms: {} })), /the loss "total" is no scalar: got shape \[2\]/);
  await assert.rejects(run(() => ({ total: total(), terms: { part: x as never } })), /the loss "part" is no scalar/);
  await assert.rejects(
    run((step) => ({ total: total(), terms: step === 0 ? { a: total() } : { b: total() } })),
    /the loss terms changed at step 1: got b, expected a/,
  );
  optimizer.dispose();
  disposeParameters(optimizer.parameters);
});
