import { strict as assert } from "node:assert";
import type { TransportProblem } from "../solvers/transport_problem.ts";

/** A problem of `pot.json`, which tools/oracles/pot.py makes. */
export interface OracleProblem {
  readonly kind: "balanced" | "partial" | "unbalanced" | "exact" | "exact partial";
  readonly rows: number;
  readonly columns: number;
  readonly cost: "uniform" | "plane" | "matched";
  readonly marginals: "equal" | "unequal" | "unequal totals";
  readonly seed: number;
  readonly epsilon?: number;
  readonly mass?: number;
  readonly rho?: number;
  readonly source: string;
  readonly expected: {
    readonly cost: number;
    readonly mass: number;
    readonly largest: number;
    readonly checksum: number;
    readonly rowSums: readonly number[];
    readonly columnSums: readonly number[];
    readonly samples: readonly (readonly [index: number, value: number])[];
  };
}

/** Reads `pot.json`. */
export async function readOracleProblems(): Promise<OracleProblem[]> {
  const url = new URL("./pot.json", import.meta.url);
  return (JSON.parse(await Deno.readTextFile(url)) as { problems: OracleProblem[] }).problems;
}

/** What a test is named by. */
export function nameOf({ kind, rows, columns, cost, marginals, epsilon, mass, rho }: OracleProblem): string {
  const numbers = Object.entries({ ε: epsilon, s: mass, ρ: rho }).filter(([, value]) => value !== undefined);
  return [`${kind} ${rows}×${columns}`, cost, marginals, ...numbers.map(([name, value]) => `${name} ${value}`)].join(", ");
}

/** Numbers in [0, 1) from the integer hash of tools/oracles/pot.py. */
export function hashedUniform(seed: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => {
    let x = (index + seed * 1000003) >>> 0;
    for (let round = 0; round < 2; round++) x = Math.imul((x >>> 16) ^ x, 0x45d9f3b) >>> 0;
    return (((x >>> 16) ^ x) >>> 0) / 2 ** 32;
  });
}

/** Cost and marginals of a problem, as tools/oracles/pot.py makes them. */
export function problemOf({ rows, columns, cost: kind, marginals, seed }: OracleProblem): TransportProblem & {
  cost: Float64Array;
  rowMarginal: Float64Array;
  columnMarginal: Float64Array;
} {
  const masses = (count: number, offset: number): Float64Array => {
    if (marginals === "equal") return new Float64Array(count).fill(1 / count);
    const values = hashedUniform(seed + offset, count).map((value) => 0.2 + value);
    const total = values.reduce((sum, value) => sum + value, 0);
    return values.map((value) => value / total);
  };
  const columnMarginal = masses(columns, 78).map((value) => value * (marginals === "unequal totals" ? 1.3 : 1));
  return { rows, columns, cost: costOf(kind, rows, columns, seed), rowMarginal: masses(rows, 77), columnMarginal };
}

function costOf(kind: OracleProblem["cost"], rows: number, columns: number, seed: number): Float64Array {
  if (kind === "plane") {
    const points = hashedUniform(seed, 2 * (rows + columns));
    return Float64Array.from({ length: rows * columns }, (_, at) => {
      const [i, j] = [Math.floor(at / columns), rows + (at % columns)];
      return Math.hypot(points[2 * i]! - points[2 * j]!, points[2 * i + 1]! - points[2 * j + 1]!) / Math.SQRT2;
    });
  }
  const values = hashedUniform(seed, rows * columns);
  if (kind === "uniform") return values;
  return values.map((value, at) => (0.6 + 0.4 * value) * (at % columns === Math.floor(at / columns) ? 0.3 : 1));
}

/**
 * Compares a plan with the oracle's: every stored entry, all row and column sums, and a checksum over all entries.
 *
 * @param tolerance Of the plan's largest entry, for entries; sums may be off by that much of the largest sum.
 */
export function assertPlan(
  plan: ArrayLike<number>,
  { rows, columns, seed, expected }: OracleProblem,
  tolerance: number,
): void {
  assert.equal(plan.length, rows * columns);
  for (const [index, value] of expected.samples) {
    const difference = Math.abs(plan[index]! - value) / expected.largest;
    assert.ok(difference <= tolerance, `entry ${index}: ${plan[index]}, expected ${value}: off by ${difference} of the largest`);
  }
  const weights = hashedUniform(seed + 55, rows * columns);
  const rowSums = new Float64Array(rows);
  const columnSums = new Float64Array(columns);
  let checksum = 0;
  for (let at = 0; at < plan.length; at++) {
    rowSums[Math.floor(at / columns)]! += plan[at]!;
    columnSums[at % columns]! += plan[at]!;
    checksum += plan[at]! * weights[at]!;
  }
  for (const [sums, wanted] of [[rowSums, expected.rowSums], [columnSums, expected.columnSums]] as const) {
    const scale = Math.max(...wanted);
    wanted.forEach((value, at) => {
      assert.ok(Math.abs(sums[at]! - value) <= tolerance * scale, `sum ${at}: ${sums[at]}, expected ${value}`);
    });
  }
  assert.ok(Math.abs(checksum - expected.checksum) <= tolerance * expected.mass, `checksum ${checksum}, ${expected.checksum}`);
}
