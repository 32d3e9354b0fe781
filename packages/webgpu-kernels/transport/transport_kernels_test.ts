import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { iteratePotentials, type PotentialState, type TransportKind } from "./iterate_potentials.ts";
import { solveAdjoint } from "./solve_adjoint.ts";
import {
  hasTransportAdjoint,
  hasTransportKernels,
  transportAdjoint,
  transportPotentials,
  type TransportVariant,
  UNKNOWN_CHANGE,
} from "./transport_kernels.ts";

const LOG_MASS = Math.log(0.8);
const DAMPING = 0.9;

function costs(count: number, phase = 1.3): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => 20 * Math.abs(Math.sin(index * 12.9898 + phase)));
}

function problemOf(rows: number, columns: number, kind: TransportKind, phase = 1.3) {
  return {
    rows,
    columns,
    cost: costs(rows * columns, phase),
    logA: new Float64Array(rows).fill(-Math.log(rows)),
    logB: new Float64Array(columns).fill(-Math.log(columns)),
    kind,
    logMass: LOG_MASS,
    damping: DAMPING,
  };
}

type Problem = ReturnType<typeof problemOf>;

function solveOnDevice(
  problems: readonly Problem[],
  iterations: number,
  tolerance: number,
  variant: { variant?: TransportVariant } = {},
): tf.Tensor2D {
  const { rows, columns, kind } = problems[0]!;
  const values = Float32Array.from(problems.flatMap(({ cost }) => [...cost]));
  const logs = problems.map(({ logA, logB }) => [...logA, ...logB, LOG_MASS]);
  const start = problems.map(() => [...new Float32Array(rows + columns + 1), UNKNOWN_CHANGE, 0]);
  return transportPotentials(
    tf.tensor3d(values, [problems.length, rows, columns]),
    tf.tensor2d(logs),
    tf.tensor2d(start),
    { kind, iterations, tolerance, damping: DAMPING, ...variant },
  );
}

function solveInDouble(
  problem: Problem,
  iterations: number,
  tolerance: number,
): { state: PotentialState; done: number } {
  const state = { f: new Float64Array(problem.rows), g: new Float64Array(problem.columns), k: 0 };
  const { iterations: done } = iteratePotentials(problem, state, { iterations, tolerance });
  return { state, done };
}

const KINDS = ["balanced", "partial", "unbalanced"] as const;

/** Potentials may be off by the rounding of what they came from, float32 numbers as large as the largest cost. */
function assertPotentials(values: ArrayLike<number>, { f, g, k }: PotentialState, largestCost = 20): void {
  const tolerance = 1e-4 + 2e-6 * largestCost;
  [...f, ...g, k].forEach((expected, index) => {
    assert.ok(Math.abs(values[index]! - expected) < tolerance, `${index}: ${values[index]} instead of ${expected}`);
  });
}

const SIZES: readonly [number, number, TransportVariant?][] = [
  [1, 1],
  [1, 7],
  [13, 29],
  [24, 24],
  [200, 3],
  [5000, 3], // many workgroups
  [257, 255], // products in loops
  [400, 500],
  [1, 7, "split"],
  [13, 29, "split"],
  [70, 90, "split"],
];
for (const [rows, columns, variant] of SIZES) {
  for (const kind of KINDS) {
    const name = `transportPotentials: ${rows}×${columns} ${kind} equals double precision ${variant ?? ""}`.trim();
    testOnBackends(name, async () => {
      const problem = problemOf(rows, columns, kind);
      const { state } = solveInDouble(problem, 100, -1);
      const values = await solveOnDevice([problem], 100, -1, variant ? { variant } : {}).data();
      assertPotentials(values, state);
      assert.equal(values.at(-1), 100);
    });
  }
}

for (const variant of ["tile", "split"] as const) {
  testOnBackends(`transportPotentials: costs of 1000 ε and an empty row underflow in no kind, ${variant}`, async () => {
    for (const kind of KINDS) {
      const problem = problemOf(13, 29, kind);
      problem.cost.forEach((value, index) => problem.cost[index] = 50 * value);
      problem.logA[4] = Math.log(1e-37);
      const { state } = solveInDouble(problem, 150, -1);
      const values = await solveOnDevice([problem], 150, -1, { variant }).data();
      assertPotentials(values, state, 1000);
      assert.equal(values.at(-1), 150);
    }
  });

  testOnBackends(
    `transportPotentials: where every iteration must leave scaling, the answer is right, ${variant}`,
    async () => {
      // Damped potentials of 2000 leave a plan of mass e⁻²⁰⁰: each kernel matrix underflows.
      const problem = problemOf(13, 29, "unbalanced");
      problem.cost.forEach((value, index) => problem.cost[index] = 1900 + 5 * value);
      const { state, done } = solveInDouble(problem, 400, 1e-3);
      const values = await solveOnDevice([problem], 400, 1e-3, { variant }).data();
      assert.ok(done < 390 && Math.abs(values.at(-1)! - done) <= 16, `${values.at(-1)} and ${done} iterations`);
      assertPotentials(values, state, 2000);
      const all = await solveOnDevice([problem], 3000, -1, { variant }).data(); // more absorptions than the loops of one dispatch
      assert.equal(all.at(-1), 3000);
      assertPotentials(all, solveInDouble(problem, 3000, -1).state, 2000);
    },
  );

  testOnBackends(
    `transportPotentials: iterations that leave the range half way are done again, ${variant}`,
    async () => {
      for (const iterations of [2, 3, 5, 9]) {
        for (const kind of KINDS) {
          const problem = problemOf(13, 29, kind);
          problem.cost.forEach((value, index) => problem.cost[index] = 600 * value);
          const { state } = solveInDouble(problem, iterations, -1);
          const values = await solveOnDevice([problem], iterations, -1, { variant }).data();
          assertPotentials(values, state, 12_000);
          assert.equal(values.at(-1), iterations);
        }
      }
    },
  );

  testOnBackends(`transportPotentials: a potential at its cap is 0 to the bit, ${variant}`, async () => {
    const problem = problemOf(13, 29, "partial");
    const { f, g } = solveInDouble(problem, 100, -1).state;
    const values = await solveOnDevice([problem], 100, -1, { variant }).data();
    const held = [...f, ...g].map((value, index) => value === 0 ? index : -1).filter((index) => index >= 0);
    assert.ok(held.length > 3, `${held}`);
    for (const index of held) assert.equal(values[index], 0);
  });
}

testOnBackends("transportPotentials: goes on where one dispatch ends, to the very iteration", async () => {
  const problem = problemOf(5, 9, "partial");
  const { state } = solveInDouble(problem, 30_000, -1);
  const values = await solveOnDevice([problem], 30_000, -1).data();
  assertPotentials(values, state);
  assert.equal(values.at(-1), 30_000);
});

testOnBackends("transportPotentials: 64 problems of 24×24 equal double precision, each", async () => {
  const problems = Array.from({ length: 64 }, (_, index) => problemOf(24, 24, "partial", 0.7 * index));
  const together = await solveOnDevice(problems, 60, -1).array();
  for (const [index, problem] of problems.entries()) {
    assertPotentials(together[index]!, solveInDouble(problem, 60, -1).state);
  }
});

testOnBackends("transportPotentials: one large problem goes over many workgroups", async () => {
  const problem = problemOf(1501, 2050, "partial");
  const { state } = solveInDouble(problem, 4, -1);
  const values = await solveOnDevice([problem], 4, -1).data();
  assertPotentials(values, state);
});

testOnBackends("transportPotentials: a variant that the problem does not fit is refused", ({ backend }) => {
  const solve = (): tf.Tensor => solveOnDevice([problemOf(2000, 1000, "balanced")], 1, -1, { variant: "tile" });
  if (backend === "cpu") assert.deepEqual(solve().shape, [1, 3003]); // which has no variants
  else assert.throws(solve, { name: "RangeError", message: /too large: got 2000 × 1000, expected about/ });
});

testOnBackends("transportAdjoint, transportPotentials: a size beyond what is promised is refused", ({ backend }) => {
  assert.equal(hasTransportAdjoint(1024, 1024), true);
  assert.equal(hasTransportAdjoint(1025, 2), backend === "cpu");
  assert.equal(hasTransportKernels(1, 16_384), true);
  assert.equal(hasTransportKernels(1, 16_385), backend === "cpu");
  if (backend === "cpu") return;
  const margins = tf.ones([1, 1028]) as tf.Tensor2D;
  assert.throws(() => transportAdjoint(tf.ones([1, 1025, 2]) as tf.Tensor3D, margins, margins, { iterations: 1 }), {
    name: "RangeError",
    message: /too large: got 1025 × 2, expected at most 1024/,
  });
  assert.throws(() => solveOnDevice([problemOf(16_385, 1, "balanced")], 1, -1), { name: "RangeError" });
});

testOnBackends("transportPotentials: each problem of a batch is solved as if alone and stops for itself", async () => {
  const problems = [1.3, 2.9, 0.2].map((phase, index) => {
    const problem = problemOf(6, 8, "partial", phase);
    return { ...problem, cost: problem.cost.map((value) => value / (1 + 9 * index)) };
  });
  const together = await solveOnDevice(problems, 400, 1e-4).array();
  const iterations = together.map((row) => row.at(-1)!);
  assert.ok(new Set(iterations).size > 1, `all took ${iterations}`);
  for (const [index, problem] of problems.entries()) {
    const { done } = solveInDouble(problem, 400, 1e-4);
    assert.ok(Math.abs(done - iterations[index]!) <= 16, `${done} and ${iterations[index]} iterations`);
    assert.ok(together[index]!.at(-2)! <= 1e-4);
    const [alone] = await solveOnDevice([problem], 400, 1e-4).array();
    assert.deepEqual(together[index], alone);
  }
});

testOnBackends("transportPotentials: many dispatches stop as one would, though the device bounds loops", async () => {
  const problem = problemOf(700, 600, "balanced"); // two dispatches per iteration
  const [{ done }, values] = [solveInDouble(problem, 90, 1e-2), await solveOnDevice([problem], 90, 1e-2).data()];
  assert.ok(done < 80, `took ${done} iterations`);
  assert.ok(Math.abs(values.at(-1)! - done) <= 1, `${values.at(-1)} and ${done} iterations`);
});

testOnBackends("transportPotentials: a NaN cost never counts as converged", async () => {
  const problem = problemOf(4, 4, "balanced");
  problem.cost.fill(NaN);
  const values = await solveOnDevice([problem], 50, 1e-3).data();
  assert.ok(values.slice(0, 8).some(Number.isNaN));
});

testOnBackends("transportPotentials: is a constant to the gradient tape", async () => {
  const problem = problemOf(3, 4, "balanced");
  const logs = tf.tensor2d([[...problem.logA, ...problem.logB, 0]]);
  const start = tf.tensor2d([[...new Float32Array(8), UNKNOWN_CHANGE, 0]]);
  const gradient = tf.grad((cost) => {
    const potentials = transportPotentials(cost as tf.Tensor3D, logs, start, {
      kind: "balanced",
      iterations: 9,
      tolerance: 0,
    });
    return tf.add(tf.sum(potentials), tf.sum(cost));
  })(tf.tensor3d(problem.cost, [1, 3, 4]));
  assert.deepEqual([...await gradient.data()], new Array(12).fill(1));
});

for (const [rows, columns] of [[1, 1], [12, 17], [150, 90], [257, 255], [330, 340]] as const) {
  testOnBackends(`transportAdjoint: ${rows}×${columns} equals double precision, some potentials held`, async () => {
    const size = rows + columns + 1;
    const make = (phase: number) => ({
      rows,
      columns,
      plan: costs(rows * columns, phase).map((value) => Math.exp(-value / 4) / 60),
      right: costs(size, phase).map((value) => value / 20 - 0.4),
      free: Float32Array.from({ length: size }, (_, index) => Number(index % 4 !== 1)),
      damping: DAMPING,
    });
    const systems = [make(0.4), make(2.2)];
    const stack = (name: "right" | "free"): tf.Tensor2D => tf.tensor2d(systems.map((system) => [...system[name]]));
    const plans = tf.tensor3d(systems.flatMap(({ plan }) => [...plan]), [2, rows, columns]);
    const options = { iterations: 400, damping: DAMPING };
    const solutions = await transportAdjoint(plans, stack("right"), stack("free"), options).array();
    for (const [index, system] of systems.entries()) {
      const expected = solveAdjoint(system, { iterations: 400 });
      const scale = Math.max(...expected.map(Math.abs));
      expected.forEach((value, at) => {
        assert.ok(Math.abs(solutions[index]![at]! - value) < 1e-3 * scale, `${at}: ${solutions[index]![at]}, ${value}`);
      });
    }
  });
}
