import { strict as assert } from "node:assert";
import { assertPlan, nameOf, type OracleProblem, problemOf, readOracleProblems } from "../testdata/oracle_problems.ts";
import { solveBalancedTransport, solvePartialTransport, solveUnbalancedTransport } from "./solve_entropic_transport.ts";
import { solveExactPartialTransport, solveExactTransport } from "./solve_exact_transport.ts";
import type { TransportResult } from "./transport_problem.ts";

/** Of the plan's largest entry. Double precision does better than the 1e-5 that users are promised. */
const TOLERANCE = 1e-8;

function solve(problem: OracleProblem): TransportResult {
  const { kind, epsilon = 0, mass = 0, rho = 0 } = problem;
  switch (kind) {
    case "balanced":
      return solveBalancedTransport(problemOf(problem), { epsilon, tolerance: 1e-11 });
    case "partial":
      return solvePartialTransport(problemOf(problem), mass, { epsilon, tolerance: 1e-11 });
    case "unbalanced":
      return solveUnbalancedTransport(problemOf(problem), rho, { epsilon, tolerance: 1e-11 });
    case "exact":
      return solveExactTransport(problemOf(problem));
    case "exact partial":
      return solveExactPartialTransport(problemOf(problem), mass);
  }
}

const problems = await readOracleProblems();

Deno.test("oracle: at least 30 problems span sizes, masses, ε and marginals, most of them solved by POT", () => {
  assert.ok(problems.length >= 30);
  const range = (values: number[]): number[] => [Math.min(...values), Math.max(...values)];
  assert.deepEqual(range(problems.map(({ rows, columns }) => Math.max(rows, columns))), [1, 256]);
  assert.deepEqual(range(problems.flatMap(({ mass }) => mass ?? [])), [0.3, 0.999]);
  assert.deepEqual(range(problems.flatMap(({ epsilon }) => epsilon ?? [])), [0.002, 0.1]);
  assert.ok(problems.filter(({ marginals }) => marginals !== "equal").length >= 15);
  assert.ok(problems.filter(({ source }) => source.startsWith("ot.")).length >= 30);
});

for (const problem of problems) {
  Deno.test(`oracle: host solver, ${nameOf(problem)}`, () => {
    const result = solve(problem);
    assert.equal(result.converged, true);
    assertPlan(result.plan, problem, TOLERANCE);
    assert.ok(
      Math.abs(result.cost - problem.expected.cost) <= TOLERANCE * problem.expected.mass,
      `cost ${result.cost}`,
    );
    assert.ok(
      Math.abs(result.mass - problem.expected.mass) <= TOLERANCE * problem.expected.mass,
      `mass ${result.mass}`,
    );
    assert.ok(result.marginalError <= 1e-9, `marginal error ${result.marginalError}`);
  });
}
