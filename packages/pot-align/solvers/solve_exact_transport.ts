import { checkMass, checkProblem, costOf, marginsOf, refuse, requireEqualTotals, sum } from "./_check_problem.ts";
import { NetworkSimplex } from "./_network_simplex.ts";
import type { TransportProblem, TransportResult } from "./transport_problem.ts";

/** Options of the exact solvers. */
export interface ExactOptions {
  /** Most pivots. Default 1 000 000. */
  readonly iterations?: number;
}

/** Masses are rounded to whole multiples of their total times this, so that the simplex adds them exactly. */
const UNIT = 2 ** -50;

/**
 * Solves exact transport, `min ⟨π, C⟩` with `π ≥ 0`, `π1 = a`, `πᵀ1 = b`, by a primal network simplex in double precision that degenerate
 * problems do not trap. Marginals are met to 1e-15 of their total. Checked against POT's `emd`.
 *
 * @param problem Cost and marginals of equal totals.
 * @param options Most pivots.
 * @throws TypeError when sizes do not fit together; RangeError when a value is out of range or the totals differ.
 */
export function solveExactTransport(problem: TransportProblem, options: ExactOptions = {}): TransportResult {
  const checked = checkProblem(problem);
  const b = requireEqualTotals(checked);
  const { plan, f, g, ...run } = runSimplex({ ...checked, b }, options);
  const [rowSums, columnSums] = marginsOf(plan, checked.rows, checked.columns);
  const violations = [...rowSums.map((mass, i) => mass - checked.a[i]!), ...columnSums.map((mass, j) => mass - b[j]!)];
  return {
    plan,
    potentials: { f, g, k: 0 },
    cost: costOf(plan, checked.cost),
    mass: sum(plan),
    ...run,
    marginalError: violations.reduce((worst, value) => Math.max(worst, Math.abs(value)), 0),
  };
}

/**
 * Solves exact partial transport, `min ⟨π, C⟩` with `π ≥ 0`, `π1 ≤ a`, `πᵀ1 ≤ b`, `1ᵀπ1 = s`, by dummy points that take up what is not moved (Chapel et
 * al. 2020) and the network simplex. Checked against POT's `partial_wasserstein`.
 *
 * @param problem Cost and marginals, which act as caps.
 * @param mass Mass s to move, at most the smaller total of the marginals.
 * @param options Most pivots.
 * @throws TypeError when sizes do not fit together; RangeError when a value is out of range.
 */
export function solveExactPartialTransport(
  problem: TransportProblem,
  mass: number,
  options: ExactOptions = {},
): TransportResult {
  const checked = checkProblem(problem);
  const { rows, columns, cost, a, b, totalA, totalB } = checked;
  const moved = checkMass(mass, checked);
  // Costs are shifted to start at 0, which adds the same to every plan of this mass, so that the corner is dearest whatever their sign.
  const lowest = cost.reduce((least, value) => Math.min(least, value), Infinity);
  const highest = cost.reduce((most, value) => Math.max(most, value), -Infinity);
  const corner = 2 * (highest - lowest) || 1;
  const extendedCost = new Float64Array((rows + 1) * (columns + 1));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) extendedCost[i * (columns + 1) + j] = cost[i * columns + j]! - lowest;
  }
  extendedCost[extendedCost.length - 1] = corner;
  const { plan: extended, f: u, g: v, ...run } = runSimplex({
    rows: rows + 1,
    columns: columns + 1,
    cost: extendedCost,
    a: Float64Array.from([...a, Math.max(0, totalB - moved)]),
    b: Float64Array.from([...b, Math.max(0, totalA - moved)]),
  }, options);
  const plan = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    plan.set(extended.subarray(i * (columns + 1), i * (columns + 1) + columns), i * columns);
  }
  const [rowSums, columnSums] = marginsOf(plan, rows, columns);
  const excess = [...rowSums.map((value, i) => value - a[i]!), ...columnSums.map((value, j) => value - b[j]!)];
  const total = sum(plan);
  return {
    plan,
    potentials: {
      f: u.subarray(0, rows).map((value) => value + v[columns]!),
      g: v.subarray(0, columns).map((value) => value + u[rows]!),
      k: lowest - u[rows]! - v[columns]!,
    },
    cost: costOf(plan, checked.cost),
    mass: total,
    ...run,
    marginalError: excess.reduce((worst, value) => Math.max(worst, value), Math.abs(total - moved)),
  };
}

interface BalancedProblem {
  readonly rows: number;
  readonly columns: number;
  readonly cost: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** Runs the simplex on costs scaled to [0, 1] and masses in whole units; duals come back in units of the cost. */
function runSimplex(
  { rows, columns, cost, a, b }: BalancedProblem,
  { iterations = 1_000_000 }: ExactOptions,
): { plan: Float64Array; f: Float64Array; g: Float64Array; iterations: number; converged: boolean } {
  if (!Number.isInteger(iterations) || iterations < 1) {
    refuse("iterations is out of range", iterations, "a positive integer");
  }
  const lowest = cost.reduce((least, value) => Math.min(least, value), Infinity);
  const range = cost.reduce((most, value) => Math.max(most, value), -Infinity) - lowest || 1;
  const total = sum(a);
  const simplex = new NetworkSimplex({
    cost: cost.map((value) => (value - lowest) / range),
    supply: wholeUnits(a),
    demand: wholeUnits(b),
  });
  const { pivots, optimal } = simplex.solve(iterations);
  const origin = simplex.potential[0]!;
  return {
    plan: simplex.flows().map((units) => units * UNIT * total),
    f: simplex.potential.slice(0, rows).map((value) => (origin - value) * range + lowest),
    g: simplex.potential.slice(rows, rows + columns).map((value) => (value - origin) * range),
    iterations: pivots,
    converged: optimal,
  };
}

/** Masses as whole units that add up to 1/UNIT; the largest takes up the rounding. */
function wholeUnits(masses: Float64Array): Float64Array {
  const total = sum(masses);
  const units = masses.map((mass) => Math.round(mass / total / UNIT));
  const largest = units.reduce((best, value, at) => (value > units[best]! ? at : best), 0);
  units[largest]! += 1 / UNIT - sum(units);
  return units;
}
