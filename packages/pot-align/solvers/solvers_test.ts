import { strict as assert } from "node:assert";
import { Random } from "random";
import {
  type EntropicOptions,
  solveBalancedTransport,
  solvePartialTransport,
  solveUnbalancedTransport,
} from "./solve_entropic_transport.ts";
import { solveExactPartialTransport, solveExactTransport } from "./solve_exact_transport.ts";
import type { TransportProblem, TransportResult } from "./transport_problem.ts";

function randomValues(seed: string, count: number, low = 0, high = 1): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => random.float(low, high));
}

function randomProblem(seed: string, rows: number, columns: number): Required<TransportProblem> {
  const share = (values: Float64Array): Float64Array => values.map((value) => value / values.reduce((a, b) => a + b));
  return {
    rows,
    columns,
    cost: randomValues(seed, rows * columns),
    rowMarginal: share(randomValues(`${seed}/a`, rows, 0.2)),
    columnMarginal: share(randomValues(`${seed}/b`, columns, 0.2)),
  };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

function sums({ rows, columns }: TransportProblem, plan: Float64Array): [number[], number[]] {
  const line = (length: number, other: number, at: (i: number, j: number) => number): number[] =>
    Array.from({ length }, (_, i) => Array.from({ length: other }, (_, j) => plan[at(i, j)]!).reduce((a, b) => a + b));
  return [line(rows, columns, (i, j) => i * columns + j), line(columns, rows, (j, i) => i * columns + j)];
}

type Solver = (problem: TransportProblem, options?: EntropicOptions) => TransportResult;
const ENTROPIC: Record<string, Solver> = {
  balanced: solveBalancedTransport,
  partial: (problem, options) => solvePartialTransport(problem, 0.7, options),
  unbalanced: (problem, options) => solveUnbalancedTransport(problem, 0.3, options),
};
const ALL: Record<string, (problem: TransportProblem) => TransportResult> = {
  ...ENTROPIC,
  exact: solveExactTransport,
  "exact partial": (problem) => solveExactPartialTransport(problem, 0.7),
};

for (const [name, solve] of Object.entries(ALL)) {
  Deno.test(`${name}: permuting rows and columns permutes the plan`, () => {
    const problem = randomProblem("permute", 6, 9);
    const [rowOrder, columnOrder] = [[3, 0, 5, 1, 4, 2], [8, 2, 0, 7, 1, 6, 3, 5, 4]];
    const permute = (values: Float64Array): Float64Array =>
      Float64Array.from(rowOrder.flatMap((i) => columnOrder.map((j) => values[i * 9 + j]!)));
    const permuted = solve({
      ...problem,
      cost: permute(problem.cost as Float64Array),
      rowMarginal: rowOrder.map((i) => problem.rowMarginal[i]!),
      columnMarginal: columnOrder.map((j) => problem.columnMarginal[j]!),
    });
    assert.ok(largestDifference(permute(solve(problem).plan), permuted.plan) < 1e-8);
  });

  Deno.test(`${name}: the transposed problem has the transposed plan`, () => {
    const problem = randomProblem("transpose", 4, 7);
    const transpose = (values: ArrayLike<number>): Float64Array =>
      Float64Array.from({ length: 28 }, (_, at) => values[(at % 4) * 7 + Math.floor(at / 4)]!);
    const other = { rows: 7, columns: 4, rowMarginal: problem.columnMarginal, columnMarginal: problem.rowMarginal };
    const transposed = solve({ ...other, cost: transpose(problem.cost) });
    assert.ok(largestDifference(transpose(solve(problem).plan), transposed.plan) < 1e-8);
  });
}

Deno.test("partial and exact partial: caps and mass hold, from little mass to all that there is", () => {
  const problem = randomProblem("caps", 12, 8);
  for (const mass of [1e-3, 0.3, 0.95, 1]) {
    for (const solve of [solvePartialTransport, solveExactPartialTransport]) {
      const { plan, mass: moved, marginalError, converged } = solve(problem, mass);
      const [rows, columns] = sums(problem, plan);
      rows.forEach((value, i) => assert.ok(value <= problem.rowMarginal[i]! + 1e-8));
      columns.forEach((value, j) => assert.ok(value <= problem.columnMarginal[j]! + 1e-8));
      assert.ok(
        Math.abs(moved - mass) < 1e-8 && marginalError < 1e-8 && converged && plan.every((value) => value >= 0),
      );
    }
  }
});

Deno.test("Sinkhorn on the problem extended by dummy points is not entropic partial transport", () => {
  const [size, mass, epsilon] = [10, 0.7, 0.1];
  const cost = randomValues("dummy", size * size);
  const partial = solvePartialTransport({ rows: size, columns: size, cost }, mass, { epsilon });
  const extended = new Float64Array((size + 1) ** 2);
  for (let i = 0; i < size; i++) extended.set(cost.subarray(i * size, (i + 1) * size), i * (size + 1));
  extended[extended.length - 1] = 2 * Math.max(...cost);
  const marginal = [...new Array(size).fill(1 / size), 1 - mass];
  const dummy = solveBalancedTransport(
    { rows: size + 1, columns: size + 1, cost: extended, rowMarginal: marginal, columnMarginal: marginal },
    { epsilon },
  );
  const cut = Float64Array.from({ length: size * size }, (_, at) => dummy.plan[at + Math.floor(at / size)]!);
  const difference = largestDifference(cut, partial.plan);
  assert.ok(partial.converged && dummy.converged);
  assert.ok(difference > 1e-3, `${difference}`);
  // Solved exactly, the extended problem is exact partial transport: entropic partial tends to it, and so does the mass.
  const exact = solveExactPartialTransport({ rows: size, columns: size, cost }, mass);
  const cold = solvePartialTransport({ rows: size, columns: size, cost }, mass, {
    epsilon: 2e-4,
    epsilonSchedule: [0.1, 0.01, 1e-3],
  });
  assert.ok(Math.abs(cold.cost - exact.cost) < 1e-4 && cold.cost >= exact.cost - 1e-9);
});

for (const name of ["exact", "exact partial"]) {
  Deno.test(`${name}: potentials are feasible and tight where mass moves, so that the plan is optimal`, () => {
    for (let seed = 0; seed < 20; seed++) {
      const problem = randomProblem(`dual ${seed}`, 3 + seed % 9, 11 - seed % 7);
      const { plan, potentials: { f, g, k } } = ALL[name]!(problem);
      plan.forEach((mass, at) => {
        const slack = problem.cost[at]! - f[Math.floor(at / problem.columns)]! - g[at % problem.columns]! - k;
        assert.ok(slack > -1e-9 && (mass < 1e-12 || slack < 1e-9), `${seed}, ${at}: slack ${slack}, mass ${mass}`);
      });
      if (name === "exact") continue;
      const [rows, columns] = sums(problem, plan);
      for (
        const [potential, sum, cap] of [[f, rows, problem.rowMarginal], [g, columns, problem.columnMarginal]] as const
      ) {
        potential.forEach((value, at) =>
          assert.ok(value < 1e-9 && (value > -1e-9 || Math.abs(sum[at]! - cap[at]!) < 1e-9))
        );
      }
    }
  });
}

Deno.test("exact: degenerate problems end", () => {
  for (const cost of [new Float64Array(900), Float64Array.from({ length: 900 }, (_, at) => at % 3)]) {
    const result = solveExactTransport({ rows: 30, columns: 30, cost });
    assert.ok(result.converged && Math.abs(result.cost) < 1e-12 + cost[1]! && result.marginalError < 1e-12);
  }
  const problem = randomProblem("cut short", 20, 20);
  assert.equal(solveExactTransport(problem, { iterations: 3 }).converged, false);
});

for (const [name, solve] of Object.entries(ENTROPIC)) {
  Deno.test(`${name}: Newton steps, a schedule and a warm start change the work, not the plan`, () => {
    const problem = randomProblem("warm", 20, 20);
    const options: EntropicOptions = { epsilon: 0.01, tolerance: 1e-11, iterations: 100_000 };
    const plain = solve(problem, { ...options, newton: false });
    const newton = solve(problem, options);
    const scheduled = solve(problem, { ...options, epsilonSchedule: [0.3, 0.1, 0.03] });
    const warm = solve(problem, { ...options, start: plain.potentials });
    for (const { plan, converged } of [plain, newton, scheduled, warm]) {
      assert.ok(converged && largestDifference(plan, plain.plan) < 1e-9);
    }
    assert.ok(warm.iterations <= 0.1 * plain.iterations, `${warm.iterations} of ${plain.iterations}`);
    if (name !== "unbalanced") {
      assert.ok(newton.iterations < 0.5 * plain.iterations, `${newton.iterations} of ${plain.iterations}`);
    }
  });

  Deno.test(`${name}: has no NaN at ε = 0.001, and says when it has not converged`, () => {
    const result = solve(randomProblem("small ε", 32, 32), { epsilon: 0.001 });
    const { plan, potentials: { f, g, k }, cost, mass, marginalError } = result;
    assert.ok([...plan, ...f, ...g, k, cost, mass, marginalError].every(Number.isFinite));
    assert.equal(result.converged, true);
    const short = solve(randomProblem("small ε", 32, 32), { epsilon: 0.001, iterations: 3, newton: false });
    assert.deepEqual([short.converged, short.iterations], [false, 3]);
  });
}

Deno.test("unbalanced: tends to balanced as ρ grows, and is it at infinity", () => {
  const problem = randomProblem("rho", 5, 6);
  const { plan } = solveBalancedTransport(problem);
  assert.deepEqual(solveUnbalancedTransport(problem, Infinity).plan, plan);
  assert.ok(largestDifference(solveUnbalancedTransport(problem, 1e4).plan, plan) < 1e-4);
  assert.ok(largestDifference(solveUnbalancedTransport(problem, 0.1).plan, plan) > 1e-2);
});

Deno.test("entropic: rows without mass get none", () => {
  const problem = { ...randomProblem("empty", 3, 4), rowMarginal: [0.5, 0, 0.5] };
  for (const solve of Object.values(ALL)) {
    const { plan, converged } = solve(problem);
    assert.ok(converged && Math.max(...plan.slice(4, 8)) < 1e-30 && plan.every(Number.isFinite));
  }
});

Deno.test("host solvers: bad input is refused with the value and what was expected", () => {
  const problem: TransportProblem = { rows: 2, columns: 3, cost: randomValues("bad", 6) };
  const refused: [() => unknown, "RangeError" | "TypeError", RegExp][] = [
    [() => solveBalancedTransport({ ...problem, rows: 0 }), "RangeError", /rows is out of range: got 0/],
    [() => solveBalancedTransport({ ...problem, rows: 3 }), "TypeError", /got 6 values, expected 3 × 3 = 9/],
    [
      () => solveExactTransport({ ...problem, cost: Float64Array.of(1, 2, 3, 4, NaN, 6) }),
      "RangeError",
      /cost at row 1, column 1 is broken: got NaN/,
    ],
    [
      () => solveBalancedTransport({ ...problem, rowMarginal: [1] }),
      "TypeError",
      /rowMarginal has the wrong size: got 1/,
    ],
    [
      () => solveBalancedTransport({ ...problem, rowMarginal: [1.5, -0.5] }),
      "RangeError",
      /rowMarginal at 1 is out of range: got -0.5/,
    ],
    [() => solveBalancedTransport({ ...problem, rowMarginal: [0, 0] }), "RangeError", /rowMarginal holds no mass/],
    [
      () => solveBalancedTransport({ ...problem, rowMarginal: [1, 1] }),
      "RangeError",
      /different totals: got 2 and 1.*Use partial/s,
    ],
    [() => solveExactTransport({ ...problem, rowMarginal: [1, 1] }), "RangeError", /different totals/],
    [() => solvePartialTransport(problem, 0), "RangeError", /mass is out of range: got 0/],
    [
      () => solvePartialTransport(problem, 1.1),
      "RangeError",
      /mass is out of range: got 1.1, expected a number in \(0, 1\]/,
    ],
    [() => solveExactPartialTransport(problem, NaN), "RangeError", /mass is out of range: got NaN/],
    [() => solveUnbalancedTransport(problem, 0), "RangeError", /rho is out of range: got 0/],
    [() => solveBalancedTransport(problem, { epsilon: 0 }), "RangeError", /epsilon is out of range: got 0/],
    [
      () => solveBalancedTransport(problem, { epsilonSchedule: [0.01] }),
      "RangeError",
      /epsilonSchedule is out of range/,
    ],
    [() => solveBalancedTransport(problem, { iterations: 0 }), "RangeError", /iterations is out of range: got 0/],
    [() => solveBalancedTransport(problem, { tolerance: -1 }), "RangeError", /tolerance is out of range: got -1/],
    [
      () => solveBalancedTransport(problem, { start: { f: new Float64Array(1), g: new Float64Array(3), k: 0 } }),
      "RangeError",
      /start has the wrong size: got 1 and 3 potentials, expected 2 and 3/,
    ],
    [() => solveExactTransport(problem, { iterations: -1 }), "RangeError", /iterations is out of range: got -1/],
  ];
  for (const [act, name, message] of refused) assert.throws(act, { name, message });
});
