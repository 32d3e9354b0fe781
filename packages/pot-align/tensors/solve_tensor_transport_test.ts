import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { KINDS, largestDifference, randomValues } from "../testdata/tensor_problems.ts";
import { composedAdjoint, composedPotentials } from "./_composed_kernels.ts";
import { logTransportPlan } from "./log_transport_plan.ts";
import { solveTensorTransport } from "./solve_tensor_transport.ts";
import type { TensorTransportOptions } from "./transport_options.ts";

testOnBackends("solveTensorTransport: the envelope gradient of the cost is the plan", async ({ tolerance }) => {
  const cost = tf.tensor2d(randomValues("envelope", 20), [4, 5]);
  for (const options of Object.values(KINDS)) {
    const settings: TensorTransportOptions = { ...options, gradient: "envelope" };
    const plan = await solveTensorTransport(cost, settings).plan.data();
    const gradient = await tf.grad((values) => solveTensorTransport(values as tf.Tensor2D, settings).cost)(cost).data();
    assert.ok(largestDifference(gradient, plan) < tolerance);
  }
});

testOnBackends("solveTensorTransport: caps, mass and marginals hold", async () => {
  const cost = tf.tensor3d(randomValues("caps", 3 * 12 * 8), [3, 12, 8]);
  const rowMarginal = tf.div(tf.tensor1d(randomValues("a", 12, 0.2, 1)), 6);
  const columnMarginal = tf.div(tf.tensor2d(randomValues("b", 24, 0.2, 1), [3, 8]), 4);
  const mass = tf.tensor1d([0.3, 0.5, 0.8]);
  const result = solveTensorTransport(cost, { rowMarginal, columnMarginal, mass });
  const [a, b] = [await rowMarginal.data(), await columnMarginal.array() as number[][]];
  const plans = await result.plan.array();
  assert.deepEqual([...await result.converged.data()], [1, 1, 1]);
  for (const [problem, plan] of plans.entries()) {
    plan.forEach((row, i) => assert.ok(row.reduce((x, y) => x + y) <= a[i]! + 1e-5));
    b[problem]!.forEach((cap, j) => assert.ok(plan.reduce((sum, row) => sum + row[j]!, 0) <= cap + 1e-5));
  }
  assert.ok(largestDifference(await result.mass.data(), [0.3, 0.5, 0.8]) < 1e-5);
  assert.ok(Math.max(...await result.marginalError.data()) < 1e-5);
});

testOnBackends("solveTensorTransport: a row or column without mass gets none, and no NaN comes of it", async () => {
  const cost = tf.tensor2d(randomValues("empty", 12), [3, 4]);
  const rowMarginal = tf.tensor1d([0.5, 0, 0.5]);
  for (const options of Object.values(KINDS)) {
    const { plan, converged } = solveTensorTransport(cost, { ...options, rowMarginal });
    const values = await plan.data();
    assert.ok(values.every(Number.isFinite));
    assert.ok(Math.max(...values.slice(4, 8)) < 1e-30);
    assert.equal((await converged.data())[0], 1);
  }
});

testOnBackends("solveTensorTransport: permuting rows and columns permutes the plan", async () => {
  const [rows, columns] = [6, 9];
  const cost = randomValues("permute", rows * columns);
  const [rowOrder, columnOrder] = [[3, 0, 5, 1, 4, 2], [8, 2, 0, 7, 1, 6, 3, 5, 4]];
  const permute = (values: ArrayLike<number>): number[] =>
    rowOrder.flatMap((i) => columnOrder.map((j) => values[i * columns + j]!));
  for (const options of Object.values(KINDS)) {
    const plan = await solveTensorTransport(tf.tensor2d(cost, [rows, columns]), options).plan.data();
    const permuted = await solveTensorTransport(tf.tensor2d(permute(cost), [rows, columns]), options).plan.data();
    assert.ok(largestDifference(permute(plan), permuted) < 1e-5);
  }
});

testOnBackends("solveTensorTransport: stays finite at ε = 0.001 in float32", async () => {
  const cost = tf.tensor2d(randomValues("small ε", 32 * 32), [32, 32]);
  for (const options of Object.values(KINDS)) {
    const result = solveTensorTransport(cost, { epsilon: 0.001, ...options });
    for (const tensor of [result.logPlan, result.plan, result.potentials.f, result.cost, result.marginalError]) {
      assert.ok((await tensor.data()).every(Number.isFinite), JSON.stringify(options));
    }
    const loss = (values: tf.Tensor): tf.Tensor =>
      tf.sum(tf.mul(logTransportPlan(values as tf.Tensor2D, { epsilon: 0.001, ...options }), tf.eye(32)));
    assert.ok((await tf.grad(loss)(cost).data()).every(Number.isFinite));
  }
});

testOnBackends("solveTensorTransport: a warm start needs fewer iterations, and so does a schedule of ε", async () => {
  const cost = tf.tensor2d(randomValues("warm", 20 * 20), [20, 20]);
  const options: TensorTransportOptions = { epsilon: 0.01, mass: 0.8, iterations: 20_000 };
  const cold = solveTensorTransport(cost, options);
  const warm = solveTensorTransport(cost, { ...options, start: cold.potentials });
  const scheduled = solveTensorTransport(cost, { ...options, epsilonSchedule: [0.3, 0.1, 0.03] });
  const iterations = async (result: typeof cold): Promise<number> => (await result.iterations.data())[0]!;
  assert.ok(
    await iterations(warm) <= 0.2 * await iterations(cold),
    `${await iterations(warm)} ${await iterations(cold)}`,
  );
  for (const result of [cold, warm, scheduled]) {
    assert.equal((await result.converged.data())[0], 1);
    assert.ok(largestDifference(await result.plan.data(), await cold.plan.data()) < 1e-3 / 20);
  }
});

testOnBackends("solveTensorTransport: unbalanced with ρ → ∞ is Sinkhorn", async () => {
  const cost = tf.tensor2d(randomValues("rho", 30), [5, 6]);
  const balanced = await solveTensorTransport(cost).plan.data();
  const limit = await solveTensorTransport(cost, { rho: Infinity }).plan.data();
  const near = await solveTensorTransport(cost, { rho: 1e4 }).plan.data();
  assert.ok(largestDifference(balanced, limit) < 1e-6);
  assert.ok(largestDifference(balanced, near) < 1e-4);
});

testOnBackends("solveTensorTransport: too few iterations and NaN costs are not called converged", async () => {
  const values = randomValues("honest", 64);
  const short = solveTensorTransport(tf.tensor2d(values, [8, 8]), { epsilon: 0.005, iterations: 3 });
  assert.equal((await short.converged.data())[0], 0);
  assert.equal((await short.iterations.data())[0], 3);
  values[5] = NaN;
  const broken = solveTensorTransport(tf.tensor2d(values, [8, 8]));
  assert.equal((await broken.converged.data())[0], 0);
});

testOnBackends("solveTensorTransport: tensors stay flat over 20 steps", () => {
  const cost = tf.tensor2d(randomValues("leak", 30), [5, 6]);
  const step = (options: TensorTransportOptions): void => {
    tf.dispose(solveTensorTransport(cost, options));
    tf.dispose(tf.grad((values) => tf.sum(logTransportPlan(values as tf.Tensor2D, options)))(cost));
  };
  for (const options of Object.values(KINDS)) {
    step(options);
    const before = tf.memory().numTensors;
    for (let count = 0; count < 20; count++) step(options);
    assert.equal(tf.memory().numTensors, before);
  }
});

testOnBackends("composedPotentials, composedAdjoint: equal the fused kernels", async ({ tolerance }) => {
  const { transportAdjoint, transportPotentials, UNKNOWN_CHANGE } = await import("@med3d/webgpu-kernels");
  const cost = tf.tensor3d(randomValues("composed", 2 * 4 * 6, 0, 10), [2, 4, 6]);
  const logs = tf.tensor2d(
    [0, 1].map(() => [...new Array(4).fill(-Math.log(4)), ...new Array(6).fill(-Math.log(6)), -0.2]),
  );
  const start = tf.tensor2d([0, 1].map(() => [...new Array(11).fill(0), UNKNOWN_CHANGE, 0]));
  for (const kind of ["balanced", "partial", "unbalanced"] as const) {
    const solve = async (tolerance: number, iterations: number): Promise<[number[][], number[][]]> => {
      const options = { kind, iterations, tolerance, damping: 0.9 };
      return [
        await transportPotentials(cost, logs, start, options).array(),
        await composedPotentials(cost, logs, start, options).array(),
      ];
    };
    const [fused, composed] = await solve(-1, 30);
    const [fusedStopped, composedStopped] = await solve(1e-2, 64);
    for (const problem of [0, 1]) {
      assert.ok(largestDifference(fused[problem]!, composed[problem]!) < 1e-4);
      const iterations = [fusedStopped, composedStopped].map((states) => states[problem]!.at(-1)!);
      assert.ok(iterations[0]! < 64 && Math.abs(iterations[0]! - iterations[1]!) <= 8, `${kind}: ${iterations}`);
    }
  }
  const plan = tf.exp(tf.mul(cost, -0.3)) as tf.Tensor3D;
  const right = tf.tensor2d(randomValues("right", 22, -1, 1), [2, 11]);
  const free = tf.tensor2d(Array.from({ length: 22 }, (_, index) => Number(index % 3 !== 1)), [2, 11]);
  const options = { iterations: 50, damping: 0.9 };
  const fused = await transportAdjoint(plan, right, free, options).data();
  const composed = await composedAdjoint(plan, right, free, options).data();
  const scale = Math.max(...fused.map(Math.abs));
  assert.ok(largestDifference(fused, composed) < 100 * tolerance * scale);
});

testOnBackends("solveTensorTransport: bad input is refused with the value and what was expected", () => {
  const cost = tf.tensor2d(randomValues("bad", 12), [3, 4]);
  const refused: [TensorTransportOptions, RegExp][] = [
    [{ epsilon: 0 }, /epsilon is out of range: got 0, expected a positive number/],
    [{ epsilon: NaN }, /epsilon is out of range: got NaN/],
    [{ epsilonSchedule: [0.1, 0.2] }, /epsilonSchedule .* expected falling values/],
    [{ mass: 0 }, /mass is out of range: got 0/],
    [{ mass: 1.5 }, /mass is out of range: got 1.5, expected a number in \(0, 1\]/],
    [{ mass: tf.tensor1d([0.5, 0.5]) }, /shape of mass is out of range: got \[2\]/],
    [{ mass: 0.5, rho: 1 }, /mass together with rho/],
    [{ rho: -1 }, /rho is out of range: got -1/],
    [{ iterations: 0 }, /iterations is out of range: got 0/],
    [{ tolerance: NaN }, /tolerance is out of range: got NaN/],
    [{ rowMarginal: tf.ones([4]) }, /shape of rowMarginal is out of range: got \[4\], expected \[3\] or \[1,3\]/],
    [{ columnMarginal: tf.ones([3]) }, /shape of columnMarginal/],
  ];
  for (const [options, message] of refused) {
    assert.throws(() => solveTensorTransport(cost, options), { name: "RangeError", message });
  }
  assert.throws(() => solveTensorTransport(tf.zeros([3]) as unknown as tf.Tensor2D), {
    name: "RangeError",
    message: /the cost has the wrong shape: got \[3\]/,
  });
});
