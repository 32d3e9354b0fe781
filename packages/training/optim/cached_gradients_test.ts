import { createParameter, disposeParameters, dropout, joinParameters, Linear } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { assertClose } from "../testdata/assert_close.ts";
import { constant } from "../schedules.ts";
import { train } from "../train.ts";
import type { LossResult, StepRecord } from "../training_options.ts";
import { Adam } from "./adam.ts";
import { computeCachedGradients, type PartResult } from "./cached_gradients.ts";
import { computeGradients } from "./gradients.ts";

/** An encoder with dropout and a running statistic, a metric that the joint loss alone reads, and micro-batches of unequal size. */
function makeCase() {
  const random = new Random("cached gradients");
  const first = new Linear(5, 7, { random });
  const second = new Linear(7, 3, { random });
  const metric = createParameter(Float32Array.of(1, 2, 0.5), [3]);
  const seen = createParameter(new Float32Array(1), [1]);
  const parameters = joinParameters({
    first: first.parameters,
    second: second.parameters,
    joint: new Map([["metric", metric]]),
  });
  const parts = [3, 1, 4].map((rows) =>
    tf.tensor2d(Array.from({ length: rows * 5 }, () => random.float(-1, 1)), [rows, 5])
  );
  const pass = (part: tf.Tensor2D, index: number): Required<PartResult> => {
    seen.assign(tf.add(seen, 1));
    const hidden = dropout(tf.tanh(first.apply(part)), 0.3, { seed: `part ${index}` });
    const size = tf.sum(tf.square(hidden)) as tf.Scalar;
    return { embeddings: second.apply(hidden), loss: { total: tf.mul(size, 0.1) as tf.Scalar, terms: { size } } };
  };
  /** Contrasts all rows with each other, so that no micro-batch has a gradient of its own. */
  const loss = (all: tf.Tensor2D): LossResult => {
    const scores = tf.matMul(tf.mul(all, metric), all, false, true);
    const contrast = tf.mean(tf.logSumExp(scores, 1)) as tf.Scalar;
    return { total: tf.mul(contrast, 2) as tf.Scalar, terms: { contrast } };
  };
  const dispose = (): void => {
    disposeParameters(parameters);
    tf.dispose([seen, ...parts]);
  };
  return { parameters, buffers: new Map([["seen", seen]]), parts, pass, loss, dispose };
}

testOnBackends(
  "computeCachedGradients: equals one tape over all micro-batches, dropout and parameters of the joint loss included",
  async ({ tolerance }) => {
    const { parameters, buffers, parts, pass, loss, dispose } = makeCase();
    const figures: Record<string, tf.Scalar> = {};
    const expected = computeGradients(parameters, () => {
      const results = parts.map(pass);
      const joint = loss(tf.concat(results.map(({ embeddings }) => embeddings)) as tf.Tensor2D);
      const total = tf.addN([joint.total, ...results.map((result) => result.loss.total)]) as tf.Scalar;
      const size = tf.addN(results.map((result) => result.loss.terms.size!)) as tf.Scalar;
      for (const [name, value] of Object.entries({ total, size, contrast: joint.terms.contrast! })) {
        figures[name] = tf.keep(tf.mul(value, 1) as tf.Scalar);
      }
      return total;
    });
    const result = computeCachedGradients({ parameters, buffers, parts, pass, loss });
    assert.deepEqual([...result.gradients.keys()].toSorted(), [...parameters.keys()].toSorted());
    for (const [name, gradient] of result.gradients) {
      assertClose(await gradient.data(), [...await expected.get(name)!.data()], 10 * tolerance);
    }
    for (const [name, value] of Object.entries({ total: result.total, ...result.terms })) {
      assertClose(await value.data(), [...await figures[name]!.data()], 10 * tolerance);
    }
    assert.deepEqual(Object.keys(result.terms), ["contrast", "size"]);
    tf.dispose([result.gradients, expected].flatMap((gradients) => [...gradients.values()]));
    tf.dispose([result.total, ...Object.values(result.terms), ...Object.values(figures)]);
    dispose();
  },
);

testOnBackends("computeCachedGradients: a running statistic moves once a micro-batch; no tensor is left", async () => {
  const { parameters, buffers, parts, pass, loss, dispose } = makeCase();
  const before = tf.memory().numTensors;
  const { gradients, total, terms } = computeCachedGradients({ parameters, buffers, parts, pass, loss });
  assert.deepEqual([...await buffers.get("seen")!.data()], [parts.length]);
  tf.dispose([total, ...Object.values(terms), ...gradients.values()]);
  assert.equal(tf.memory().numTensors, before);
  dispose();
});

testOnBackends("computeCachedGradients: refuses no micro-batch, and embeddings that change shape", () => {
  const { parameters, parts, pass, loss, dispose } = makeCase();
  assert.throws(
    () => computeCachedGradients({ parameters, parts: [], pass, loss }),
    /no micro-batch: got 0, expected at least one/,
  );
  const before = tf.memory().numTensors;
  const changing = (part: tf.Tensor2D, index: number, embeddingsOnly: boolean): PartResult => {
    const result = pass(part, index);
    return embeddingsOnly ? result : { ...result, embeddings: tf.concat([result.embeddings, result.embeddings]) };
  };
  assert.throws(
    () => computeCachedGradients({ parameters, parts, pass: changing, loss }),
    /micro-batch 0 has other embeddings in the second pass: got \[6,3\], expected \[3,3\]/,
  );
  assert.equal(tf.memory().numTensors, before);
  dispose();
  return Promise.resolve();
});
testOnBackends("train: cached gradients take the same steps as one tape, terms and accumulation included", async () => {
  const before = tf.memory().numTensors;
  const run = async (cached: boolean, spoilt = false): Promise<{ weights: Float32Array; records: StepRecord[] }> => {
    const { parameters, buffers, parts, pass, loss, dispose } = makeCase();
    const optimizer = new Adam(parameters);
    const records: StepRecord[] = [];
    const joint = (all: tf.Tensor2D): LossResult => spoilt ? spoil(loss(all)) : loss(all);
    try {
      await train<null>({
        parameters,
        loadBatch: () => Promise.resolve(null),
        loss: () => {
          const results = parts.map(pass);
          const { total, terms } = joint(tf.concat(results.map(({ embeddings }) => embeddings)) as tf.Tensor2D);
          return {
            total: tf.addN([total, ...results.map((result) => result.loss.total)]) as tf.Scalar,
            terms: { ...terms, size: tf.addN(results.map((result) => result.loss.terms.size!)) as tf.Scalar },
          };
        },
        ...(cached && {
          differentiate: () => computeCachedGradients({ parameters, buffers, parts, pass, loss: joint }),
        }),
        optimizer,
        schedule: constant(0.01),
        accumulationSteps: 2,
        steps: 3,
        configuration: {},
        onStep: (record) => void records.push(record),
      });
      return { weights: await parameters.get("first.weight")!.data<"float32">(), records };
    } finally {
      optimizer.dispose();
      dispose();
    }
  };
  const [taped, cached] = [await run(false), await run(true)];
  assertClose(cached.weights, taped.weights, 1e-4);
  for (const [i, { total, gradientNorm, terms }] of taped.records.entries()) {
    const record = cached.records[i]!;
    assert.deepEqual(Object.keys(record.terms), Object.keys(terms));
    assertClose([record.total, record.gradientNorm], [total, gradientNorm], 1e-4);
  }
  assert.ok(taped.records[2]!.total < taped.records[0]!.total);
  await assert.rejects(run(true, true), /loss term "contrast".*NaN/s);
  assert.equal(tf.memory().numTensors, before);
});

function spoil({ total, terms }: LossResult): LossResult {
  return { total, terms: { ...terms, contrast: tf.mul(terms.contrast!, NaN) as tf.Scalar } };
}
