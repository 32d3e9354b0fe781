/** How a transport problem treats its marginals. */
export type TransportKind = "balanced" | "partial" | "unbalanced";

/** An entropic transport problem with costs already divided by the regularisation ε. */
export interface ScaledTransportProblem {
  /** Rows of the cost. */
  readonly rows: number;
  /** Columns of the cost. */
  readonly columns: number;
  /** `[rows, columns]` in C order: cost / ε, finite. */
  readonly cost: ArrayLike<number>;
  /** `[rows]` logarithms of the row marginals, finite. */
  readonly logA: ArrayLike<number>;
  /** `[columns]` logarithms of the column marginals, finite. */
  readonly logB: ArrayLike<number>;
  /** Balanced: marginals hold. Partial: they are caps and a given mass is moved. Unbalanced: potentials are damped. */
  readonly kind: TransportKind;
  /** Logarithm of the mass to move; read for `partial`. */
  readonly logMass: number;
  /** `ρ / (ρ + ε)`; read for `unbalanced`. */
  readonly damping: number;
}

/** Potentials of a problem, in units of ε: `plan = exp(f_i + g_j + k − cost_ij)`. */
export interface PotentialState {
  /** `[rows]`. */
  readonly f: Float64Array;
  /** `[columns]`. */
  readonly g: Float64Array;
  /** Mass potential; 0 unless partial. */
  k: number;
}

/** Options of {@linkcode iteratePotentials}. */
export interface IterationOptions {
  /** Most iterations. */
  readonly iterations: number;
  /** Stops once no potential changes by more than this, in units of ε and beyond rounding; below 0 never stops early. */
  readonly tolerance: number;
}

/** A change of this share of the numbers that it came from is rounding. */
const ROUNDING = 4 * Number.EPSILON;

/**
 * Runs log-domain Sinkhorn iterations in place, in double precision.
 *
 * Balanced: `f = log a − LSE(g − C/ε)`, `g = log b − LSE(f − C/ε)` (Cuturi 2013). Partial: `f = min(0, log a − LSE(g − C/ε) − k)`,
 * likewise g, then `k = log s − LSE(f + g − C/ε)` (Benamou et al. 2015, Prop. 5, in logarithms). Unbalanced: the balanced
 * updates times `ρ / (ρ + ε)` (Chizat et al. 2018).
 *
 * @param problem What is solved; not checked.
 * @param state Potentials to start from; overwritten.
 * @param options Most iterations, and the change at which to stop.
 * @returns Iterations done and the change of a potential in the last one, in units of ε.
 */
export function iteratePotentials(
  problem: ScaledTransportProblem,
  state: PotentialState,
  { iterations, tolerance }: IterationOptions,
): { iterations: number; change: number } {
  const { rows, columns, logA, logB, kind, logMass, damping } = problem;
  const { f, g } = state;
  const rowSums = new Float64Array(rows);
  const columnSums = new Float64Array(columns);
  let change = Infinity;
  const update = (old: number, log: number, sum: number): number => {
    const raw = log - sum - state.k;
    const next = kind === "partial" ? Math.min(0, raw) : kind === "unbalanced" ? damping * raw : raw;
    noteChange(next - old, Math.abs(sum) + Math.abs(state.k));
    return next;
  };
  const noteChange = (difference: number, magnitude: number): void => {
    const size = Math.abs(difference) - ROUNDING * magnitude;
    if (!(size <= change)) change = size; // a NaN is kept, so that it never counts as converged
  };
  rowLogSums(problem, g, rowSums);
  let done = 0;
  while (done < iterations && !(change <= tolerance)) {
    change = 0;
    for (let i = 0; i < rows; i++) f[i] = update(f[i]!, logA[i]!, rowSums[i]!);
    columnLogSums(problem, f, columnSums);
    for (let j = 0; j < columns; j++) g[j] = update(g[j]!, logB[j]!, columnSums[j]!);
    rowLogSums(problem, g, rowSums);
    if (kind === "partial") {
      const total = logSumExp(rowSums.map((sum, i) => sum + f[i]!));
      noteChange(logMass - total - state.k, Math.abs(total));
      state.k = logMass - total;
    }
    done++;
  }
  return { iterations: done, change };
}

/** `out_i = LSE_j(g_j − cost_ij)`. */
function rowLogSums({ rows, columns, cost }: ScaledTransportProblem, g: Float64Array, out: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    const start = i * columns;
    let largest = -Infinity;
    for (let j = 0; j < columns; j++) largest = Math.max(largest, g[j]! - cost[start + j]!);
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += Math.exp(g[j]! - cost[start + j]! - largest);
    out[i] = largest + Math.log(sum);
  }
}

/** `out_j = LSE_i(f_i − cost_ij)`, in the order in which the cost lies in memory. */
function columnLogSums({ rows, columns, cost }: ScaledTransportProblem, f: Float64Array, out: Float64Array): void {
  const largest = new Float64Array(columns).fill(-Infinity);
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, at++) largest[j] = Math.max(largest[j]!, f[i]! - cost[at]!);
  }
  out.fill(0);
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, at++) out[j]! += Math.exp(f[i]! - cost[at]! - largest[j]!);
  }
  for (let j = 0; j < columns; j++) out[j] = largest[j]! + Math.log(out[j]!);
}

function logSumExp(values: Float64Array): number {
  const largest = values.reduce((top, value) => Math.max(top, value), -Infinity);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
