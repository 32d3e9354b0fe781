import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { logTransportPlan } from "../tensors/log_transport_plan.ts";
import type { Aligner } from "./contract.ts";
import { createAligner, listAligners } from "./create_aligner.ts";
import { InfoNceAligner } from "./info_nce_aligner.ts";
import { InverseTransportAligner } from "./inverse_transport_aligner.ts";
import { MiniBatchPartialAligner } from "./mini_batch_partial_aligner.ts";
import { PlanWeightedAligner } from "./plan_weighted_aligner.ts";

const [BATCH, WIDTH] = [10, 16];

/** Pairs late in training: targets are embeddings with a little noise. Pairs in `shuffled` have each other's target. */
function matchedPairs(seed: string, shuffled: readonly number[] = [], size = BATCH): [tf.Tensor2D, tf.Tensor2D] {
  const draw = new Random(seed).normal();
  const embeddings = Array.from({ length: size }, () => Array.from({ length: WIDTH }, () => draw()));
  const targets = embeddings.map((row) => row.map((value) => value + 0.3 * draw()));
  const swapped = targets.map((row, index) => {
    const at = shuffled.indexOf(index);
    return at < 0 ? row : targets[shuffled[(at + 1) % shuffled.length]!]!;
  });
  return [tf.tensor2d(embeddings), tf.tensor2d(swapped)];
}

/** Length of each embedding's gradient. */
async function gradientLengths(aligner: Aligner, embeddings: tf.Tensor2D, targets: tf.Tensor2D): Promise<number[]> {
  const gradient = tf.grad((values) => aligner.align(values as tf.Tensor2D, targets).loss)(embeddings);
  return [...await tf.norm(gradient, "euclidean", 1).data()];
}

testOnBackends(
  "released: a pair that the partial plan drops gets the largest gradient, 3.33; balanced, hardly any",
  async () => {
    // Nine clear pairs and one whose ends are far from everything.
    const cost = tf.tensor2d(
      Array.from(
        { length: BATCH },
        (_, i) => Array.from({ length: BATCH }, (_, j) => i === j && i < BATCH - 1 ? 0.2 : 0.9 + 0.01 * ((i + j) % 10)),
      ),
    );
    const gradients = async (options: { mass?: number }): Promise<number[]> => {
      const loss = (values: tf.Tensor): tf.Tensor => {
        const logPlan = logTransportPlan(values as tf.Tensor2D, { epsilon: 0.03, ...options });
        return tf.neg(tf.div(tf.sum(tf.mul(logPlan, tf.eye(BATCH))), BATCH));
      };
      return [...await tf.grad(loss)(cost).data()];
    };
    const [released, balanced] = [await gradients({ mass: 0.9 }), await gradients({})];
    const dropped = released.at(-1)!;
    assert.ok(Math.abs(dropped - 1 / (BATCH * 0.03)) < 0.05, `${dropped}`);
    assert.equal(Math.max(...released.map(Math.abs)), dropped);
    assert.ok(Math.abs(balanced.at(-1)!) < 0.2, `${balanced.at(-1)}`);
  },
);

testOnBackends("plan-weighted: shuffled pairs hardly pull, in the released loss they pull hardest", async () => {
  const [embeddings, targets] = matchedPairs("shuffled", [2, 5, 7]);
  const clean = [0, 1, 3, 4, 6, 8, 9];
  const share = (lengths: number[]): number =>
    Math.min(...[2, 5, 7].map((i) => lengths[i]!)) / Math.max(...clean.map((i) => lengths[i]!));
  const released = await gradientLengths(new InverseTransportAligner({ mass: 0.95 }), embeddings, targets);
  assert.ok(share(released) > 3, `${share(released)}`);
  const weighted = new PlanWeightedAligner({ mass: 0.6 });
  const lengths = await gradientLengths(weighted, embeddings, targets);
  const pulls = [2, 5, 7].map((i) => lengths[i]! / released[i]!);
  assert.ok(Math.max(...pulls) < 0.05, `${pulls}`);
  // With mass enough for the clean pairs, they are believed and the shuffled ones are not.
  const plan = await new PlanWeightedAligner({ mass: 0.95 }).plan(embeddings, targets).array();
  const belief = plan.map((row, i) => BATCH * row[i]!);
  assert.ok(Math.max(...[2, 5, 7].map((i) => belief[i]!)) < 0.01, `${belief}`);
  assert.ok(Math.min(...clean.map((i) => belief[i]!)) > 0.5, `${belief}`);
});

testOnBackends(
  "plan-weighted: at mass 1 the plan is the balanced one, with the loss of just below",
  async ({ tolerance }) => {
    const [embeddings, targets] = matchedPairs("whole mass", [1, 4]);
    const whole = new PlanWeightedAligner({ mass: 1 });
    const { loss, plan } = whole.align(embeddings, targets);
    const values = await plan!.array();
    for (const row of values) {
      assert.ok(
        Math.abs(BATCH * row.reduce((sum, value) => sum + value, 0) - 1) < 100 * tolerance,
      );
    }
    const below = new PlanWeightedAligner({ mass: 0.9999 }).align(embeddings, targets);
    assert.ok(Math.abs((await loss.data())[0]! - (await below.loss.data())[0]!) < 1e-2);
    assert.equal(whole.buffers.size, 0);
  },
);

testOnBackends("plan-weighted: an adaptive mass follows the share of mutual nearest pairs, within bounds", async () => {
  const aligner = new PlanWeightedAligner();
  const mass = aligner.buffers.get("mass")!;
  const massOf = async (tensor: tf.Tensor): Promise<number> => (await tf.sum(tensor).data())[0]!;
  assert.ok(Math.abs(await massOf(mass) - 0.95) < 1e-6);
  const [embeddings, targets] = matchedPairs("adaptive", [0, 1, 2]); // 7 of 10 are each other's nearest
  tf.dispose(aligner.align(embeddings, targets));
  assert.ok(Math.abs(await massOf(mass) - (0.95 * 0.95 + 0.05 * 0.7)) < 1e-5);
  const before = await massOf(mass);
  const plan = aligner.plan(embeddings, targets);
  assert.equal(await massOf(mass), before, "plan() moves nothing on");
  assert.ok(Math.abs(await massOf(plan) - before) < 1e-4);

  const [, wrong] = matchedPairs("adaptive", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (let step = 0; step < 60; step++) tf.dispose(aligner.align(embeddings, wrong));
  assert.ok(await massOf(mass) < 0.1);
  assert.ok(Math.abs(await massOf(aligner.plan(embeddings, wrong)) - 0.1) < 1e-4);
  mass.assign(tf.scalar(1));
  assert.ok(Math.abs(await massOf(aligner.plan(embeddings, targets)) - 0.95) < 1e-4);
  assert.equal(new PlanWeightedAligner({ mass: 0.5 }).buffers.size, 0);
});

testOnBackends(
  "aligners: permuting the pairs leaves the loss and permutes the plan; lengths of rows do not matter",
  async () => {
    const [embeddings, targets] = matchedPairs("permute", [1, 4]);
    const order = [3, 0, 9, 1, 7, 4, 2, 8, 6, 5];
    const rows = tf.tensor1d(order, "int32");
    for (const name of listAligners().filter((name) => name !== "m-pot")) { // m-POT cuts the batch in order
      const aligner = createAligner(name, { width: WIDTH });
      const { loss, plan } = aligner.align(embeddings, targets);
      const permuted = aligner.align(
        tf.mul(tf.gather(embeddings, rows), 3) as tf.Tensor2D,
        tf.mul(tf.gather(targets, rows), 0.5) as tf.Tensor2D,
      );
      const adaptive = name === "plan-weighted-adaptive" ? 1e-2 : 1e-4; // its mass has moved on
      assert.ok(Math.abs((await loss.data())[0]! - (await permuted.loss.data())[0]!) < adaptive, name);
      if (!plan) continue;
      const [before, after] = [await plan.array(), await permuted.plan!.array()];
      after.forEach((row, i) =>
        row.forEach((value, j) =>
          assert.ok(Math.abs(value - before[order[i]!]![order[j]!]!) < adaptive, `${name} ${i} ${j}`)
        )
      );
    }
  },
);

testOnBackends("aligners: stay finite at ε 0.001, for one pair, collapsed and zero rows", async () => {
  const [embeddings, targets] = matchedPairs("finite", [0, 1]);
  const batches: [tf.Tensor2D, tf.Tensor2D][] = [
    [embeddings, targets],
    matchedPairs("one", [], 1),
    [tf.ones([BATCH, WIDTH]), tf.ones([BATCH, WIDTH])],
    [tf.zeros([BATCH, WIDTH]), targets],
  ];
  for (const name of listAligners()) {
    const aligner = createAligner(name, { width: WIDTH, ...(name === "infonce" ? {} : { epsilon: 0.001 }) });
    for (const [index, [z, y]] of batches.entries()) {
      const { value, grad } = tf.valueAndGrad((values) => aligner.align(values as tf.Tensor2D, y).loss)(z);
      for (const tensor of [value, grad]) {
        assert.ok((await tensor.data()).every(Number.isFinite), `${name}, batch ${index}`);
      }
    }
  }
});

testOnBackends("aligners: tensors stay flat over 20 steps", () => {
  const [embeddings, targets] = matchedPairs("leak");
  const variable = tf.variable(embeddings) as unknown as tf.Tensor2D;
  for (const name of listAligners()) {
    const aligner = createAligner(name, { width: WIDTH });
    const step = (): void => {
      const { value, grads } = tf.variableGrads(() => aligner.align(variable, targets).loss);
      tf.dispose([value, grads]);
      tf.dispose(aligner.align(variable, targets));
    };
    step();
    const before = tf.memory().numTensors;
    for (let count = 0; count < 20; count++) step();
    assert.equal(tf.memory().numTensors, before, name);
  }
});

testOnBackends("aligners: plans are detached and hold the mass that they say", async () => {
  const [embeddings, targets] = matchedPairs("mass");
  for (
    const [name, mass] of [["released", 0.95], ["intended", 0.95], ["plan-weighted", 0.6], ["balanced", 1]] as const
  ) {
    const { plan } = createAligner(name, { width: WIDTH }).align(embeddings, targets);
    const rows = [...await tf.sum(plan!, 1).data()];
    assert.ok(Math.abs(rows.reduce((sum, value) => sum + value) - mass) < 1e-4, name);
    assert.ok(Math.max(...rows) < 1 / BATCH + 1e-4, name);
  }
  const aligner = new InverseTransportAligner();
  const through = tf.grad((values) => tf.sum(tf.square(aligner.align(values as tf.Tensor2D, targets).plan!)));
  assert.ok((await through(embeddings).data()).every((value) => value === 0));
});

testOnBackends("aligners: bad input is refused with the value and what was expected", () => {
  const [embeddings, targets] = matchedPairs("bad");
  const refuses = (act: () => unknown, message: RegExp): void => assert.throws(act, { name: "RangeError", message });
  for (const name of listAligners()) {
    const aligner = createAligner(name, { width: WIDTH });
    refuses(
      () => aligner.align(embeddings, tf.slice(targets, [0, 0], [3, WIDTH])),
      /shapes differ: got embeddings \[10,16\] and targets \[3,16\]/,
    );
    refuses(() => aligner.align(tf.zeros([0, WIDTH]), tf.zeros([0, WIDTH])), /shapes differ/);
  }
  refuses(() => new InverseTransportAligner({ epsilon: -1 }), /epsilon is out of range: got -1/);
  refuses(() => new InverseTransportAligner({ mass: 1.5 }), /mass is out of range: got 1.5/);
  refuses(
    () => new InverseTransportAligner({ gradient: "magic" as "implicit" }),
    /gradient is out of range: got magic, expected implicit/,
  );
  refuses(() => new PlanWeightedAligner({ mass: 0 }), /mass is out of range: got 0/);
  refuses(() => new PlanWeightedAligner({ iterations: 0.5 }), /iterations is out of range: got 0.5/);
  refuses(() => new MiniBatchPartialAligner({ miniBatches: 0 }), /miniBatches is out of range: got 0/);
  refuses(() => new MiniBatchPartialAligner({ mass: 2 }), /mass is out of range: got 2/);
  refuses(() => new InfoNceAligner({ temperature: 0 }), /temperature is out of range: got 0/);
});
