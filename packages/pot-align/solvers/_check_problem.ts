import type { TransportProblem } from "./transport_problem.ts";

/** A problem with its marginals filled in, checked. */
export interface CheckedProblem {
  readonly rows: number;
  readonly columns: number;
  readonly cost: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly totalA: number;
  readonly totalB: number;
}

/** Shares by which totals of marginals may differ before they count as unequal: the rounding of float32 marginals. */
const TOTAL_TOLERANCE = 1e-6;

/**
 * Fills in marginals and checks everything that a solver relies on.
 *
 * @throws TypeError when sizes do not fit together; RangeError when a value is out of range.
 */
export function checkProblem(problem: TransportProblem): CheckedProblem {
  const { rows, columns } = problem;
  const cost = Float64Array.from(problem.cost);
  for (const [name, size] of [["rows", rows], ["columns", columns]] as const) {
    if (!Number.isInteger(size) || size < 1) refuse(`${name} is out of range`, size, "a positive integer");
  }
  if (cost.length !== rows * columns) {
    throw new TypeError(
      `Cannot solve optimal transport: the cost has the wrong size: got ${cost.length} values, expected ${rows} × ${columns} = ${
        rows * columns
      }.`,
    );
  }
  const broken = cost.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    refuse(
      `the cost at row ${Math.floor(broken / columns)}, column ${broken % columns} is broken`,
      cost[broken],
      "a finite number",
    );
  }
  const a = checkMarginal("rowMarginal", problem.rowMarginal, rows);
  const b = checkMarginal("columnMarginal", problem.columnMarginal, columns);
  return { rows, columns, cost, a, b, totalA: sum(a), totalB: sum(b) };
}

function checkMarginal(name: string, marginal: ArrayLike<number> | undefined, size: number): Float64Array {
  if (marginal === undefined) return new Float64Array(size).fill(1 / size);
  if (marginal.length !== size) {
    throw new TypeError(
      `Cannot solve optimal transport: ${name} has the wrong size: got ${marginal.length} masses, expected ${size}.`,
    );
  }
  const masses = Float64Array.from(marginal);
  const broken = masses.findIndex((value) => !(value >= 0 && value < Infinity));
  if (broken >= 0) refuse(`${name} at ${broken} is out of range`, masses[broken], "a mass of 0 or more");
  if (sum(masses) === 0) refuse(`${name} holds no mass`, 0, "a positive total");
  return masses;
}

/** Refuses marginals of different totals; returns column masses scaled to the rows' total exactly. */
export function requireEqualTotals({ b, totalA, totalB }: CheckedProblem): Float64Array {
  if (Math.abs(totalA - totalB) > TOTAL_TOLERANCE * Math.max(totalA, totalB)) {
    refuse(
      "marginals have different totals",
      `${totalA} and ${totalB}`,
      "equal ones",
      "Use partial or unbalanced transport.",
    );
  }
  return b.map((mass) => mass * (totalA / totalB));
}

/** Refuses a mass that the marginals do not hold. */
export function checkMass(mass: number, { totalA, totalB }: CheckedProblem): number {
  const most = Math.min(totalA, totalB);
  if (!(mass > 0 && mass <= most * (1 + TOTAL_TOLERANCE))) {
    refuse("mass is out of range", mass, `a number in (0, ${most}], the smaller total of the marginals`);
  }
  return Math.min(mass, most);
}

/** Refuses an option that is not a positive number. */
export function checkPositive(name: string, value: number): void {
  if (!(value > 0)) refuse(`${name} is out of range`, value, "a positive number");
}

/** Throws the RangeError of a value out of range. */
export function refuse(what: string, got: unknown, expected: string, remedy = ""): never {
  throw new RangeError(
    `Cannot solve optimal transport: ${what}: got ${got}, expected ${expected}. ${remedy}`.trimEnd(),
  );
}

/** Sum of an array. */
export function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Row sums and column sums of a plan. */
export function marginsOf(plan: Float64Array, rows: number, columns: number): [Float64Array, Float64Array] {
  const margins: [Float64Array, Float64Array] = [new Float64Array(rows), new Float64Array(columns)];
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, at++) {
      margins[0][i]! += plan[at]!;
      margins[1][j]! += plan[at]!;
    }
  }
  return margins;
}

/** ⟨π, C⟩. */
export function costOf(plan: Float64Array, cost: Float64Array): number {
  return plan.reduce((total, mass, at) => total + mass * cost[at]!, 0);
}
