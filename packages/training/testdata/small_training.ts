/**
 * A small real training that uses everything at once: dropout, accumulation, an average, a buffer that the loss changes, a state hook,
 * checkpoints and metrics. As a program it trains on the cpu backend until it is done or killed: `small_training.ts FOLDER STEPS`.
 */
import { createParameter, disposeParameters, dropout, joinParameters, Linear, type Parameters } from "@med3d/nn";
import { AdamW, CheckpointStore, ExponentialMovingAverage, train, type TrainingOptions, type TrainingResult } from "@med3d/training";
import { selectBackend } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { join } from "node:path";
import { Random } from "random";

/** Batch of points and targets. */
export interface SmallBatch {
  readonly points: tf.Tensor2D;
  readonly targets: tf.Tensor2D;
}

/** What a small training leaves. */
export interface SmallOutcome {
  readonly result: TrainingResult;
  /** Parameters, optimiser state, average and buffers. */
  readonly values: Record<string, number[]>;
  /** What the state hook held at the end. */
  readonly counter: number;
}

/** Makes the batch of a step from nothing but its indices. */
export function makeBatch(step: number, microStep: number): Promise<SmallBatch> {
  const random = new Random(`data/${step}/${microStep}`);
  const rows = Array.from({ length: 6 }, () => Array.from({ length: 4 }, () => random.float(-1, 1)));
  const targets = rows.map(([a, b, c, d]) => [a! * b! + Math.sin(c!) - d!]);
  return Promise.resolve({ points: tf.tensor2d(rows), targets: tf.tensor2d(targets) });
}

/** Trains from scratch or, where there are checkpoints, goes on. Leaves no tensors behind. */
export async function trainSmall(
  folder: string,
  steps: number,
  overrides: Partial<TrainingOptions<SmallBatch>> = {},
): Promise<SmallOutcome> {
  const random = new Random("model");
  const first = new Linear(4, 8, { random });
  const second = new Linear(8, 1, { random });
  const parameters = joinParameters({ first: first.parameters, second: second.parameters });
  const seen = createParameter(new Float32Array(1), [1]);
  const buffers: Parameters = new Map([["seen", seen]]);
  const optimizer = new AdamW(parameters);
  const exponentialMovingAverage = new ExponentialMovingAverage(parameters, { decay: 0.9 });
  let counter = 0;
  try {
    const result = await train<SmallBatch>({
      parameters,
      buffers,
      optimizer,
      exponentialMovingAverage,
      loadBatch: (step, microStep) => makeBatch(step, microStep),
      disposeBatch: ({ points, targets }) => tf.dispose([points, targets]),
      loss: ({ points, targets }, { seed }) => {
        seen.assign(tf.add(seen, 1));
        const hidden = dropout(tf.tanh(first.apply(points)), 0.2, { seed });
        const error = tf.mean(tf.squaredDifference(second.apply(hidden), targets)) as tf.Scalar;
        const size = tf.mul(tf.mean(tf.square(hidden)), 0.01) as tf.Scalar;
        return { total: tf.add(error, size), terms: { error, size } };
      },
      schedule: (step) => 0.02 / (1 + step / 10),
      maxGradientNorm: 0.5,
      accumulationSteps: 2,
      steps,
      seed: "small",
      checkpoints: { store: new CheckpointStore(join(folder, "checkpoints"), { keep: 2 }), everySteps: 3 },
      metricsPath: join(folder, "metrics.jsonl"),
      resume: "auto",
      state: { save: () => counter, load: (saved) => void (counter = saved as number) },
      onStep: () => void counter++,
      configuration: { hidden: 8, layers: [4, 8, 1] },
      ...overrides,
    });
    const state = await optimizer.saveState();
    const values: Record<string, number[]> = {};
    for (const [name, { data }] of state) values[`optimizer.${name}`] = [...data as Float32Array];
    for (const [name, variable] of joinParameters({ model: parameters, average: exponentialMovingAverage.parameters, buffers })) {
      values[name] = [...await variable.data()];
    }
    return { result, values, counter };
  } finally {
    exponentialMovingAverage.dispose();
    optimizer.dispose();
    disposeParameters(parameters);
    disposeParameters(buffers);
  }
}

if (import.meta.main) {
  const [folder, steps] = Deno.args;
  await selectBackend({ backend: "cpu" });
  let counter = 0;
  const { result } = await trainSmall(folder!, Number(steps), {
    checkpoints: { store: new CheckpointStore(join(folder!, "checkpoints"), { keep: 2 }), everySteps: 1 },
    state: { save: () => counter, load: (saved) => void (counter = saved as number) },
    onStep: ({ step }) => {
      counter++;
      console.log(`step ${step}`);
    },
  });
  console.log(JSON.stringify(result));
}
