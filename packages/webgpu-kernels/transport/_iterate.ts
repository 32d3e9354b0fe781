/** An entropic transport problem with costs already divided by the regularisation. */
export interface ScaledProblem {
  /** Rows and columns. */
  readonly rows: number;
  readonly columns: number;
  /** `[rows, columns]` in C order: cost / ε. */
  readonly cost: ArrayLike<number>;
  /** `[rows]` logarithms of the row marginals. */
  readonly logA: ArrayLike<number>;
  /** `[columns]` logarithms of the column marginals. */
  readonly logB: ArrayLike<number>;
  /** Balanced: marginals hold. Partial: marginals are caps and `mass` is moved. Unbalanced: potentials are damped. */
  readonly kind: "balanced" | "partial" | "unbalanced";
  /** Mass to move; read for `partial`. */
  readonly mass: number;
  /** `ρ / (ρ + ε)`; read for `unbalanced`. */
  readonly damping: number;
}

/** Potentials of a problem: `plan = exp(−cost/ε + f + g + k)`. */
export interface PotentialState {
  /** `[rows]`. */
  readonly f: Float64Array;
  /** `[columns]`. */
  readonly g: Float64Array;
  /** Mass potential; 0 unless partial. */
  k: number;
}

/**
 * Runs log-domain Sinkhorn iterations in place, in double precision.
 *
 * Partial transport: `f = min(0, log a − LSE(−C/ε + g + k))`, likewise g, then `k = log s − LSE(−C/ε + f + g)`.
 *
 * @param tolerance Stops once no potential changes by more than this.
 * @returns Iterations done and the last change.
 */
export function iteratePotentials(
  problem: ScaledProblem,
  state: PotentialState,
  { iterations, tolerance }: { iterations: number; tolerance: number },
): { iterations: number; change: number } {
  const { rows, columns, cost, logA, logB, kind, mass, damping } = problem;
  const { f, g } = state;
  const partial = kind === "partial";
  const logMass = Math.log(mass);
  const rowSums = new Float64Array(rows);
  const largest = new Float64Array(columns);
  const sums = new Float64Array(columns);
  let change = Infinity;
  let done = 0;
  while (done < iterations && !(change <= tolerance)) {
    change = 0;
    for (let i = 0; i < rows; i++) {
      const logSum = rowLogSum(cost, g, i * columns);
      const raw = logA[i]! - logSum - state.k;
      const next = partial ? Math.min(0, raw) : kind === "unbalanced" ? damping * raw : raw;
      change = Math.max(change, Math.abs(next - f[i]!));
      f[i] = next;
    }
    largest.fill(-Infinity);
    for (let i = 0, at = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++, at++) largest[j] = Math.max(largest[j]!, f[i]! - cost[at]!);
    }
    sums.fill(0);
    for (let i = 0, at = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++, at++) {
        if (largest[j]! > -Infinity) sums[j]! += Math.exp(f[i]! - cost[at]! - largest[j]!);
      }
    }
    for (let j = 0; j < columns; j++) {
      const raw = logB[j]! - (largest[j]! + Math.log(sums[j]!)) - state.k;
      const next = partial ? Math.min(0, raw) : kind === "unbalanced" ? damping * raw : raw;
      change = Math.max(change, Math.abs(next - g[j]!));
      g[j] = next;
    }
    if (partial) {
      for (let i = 0; i < rows; i++) rowSums[i] = f[i]! + rowLogSum(cost, g, i * columns);
      const next = logMass - logSumExp(rowSums);
      change = Math.max(change, Math.abs(next - state.k));
      state.k = next;
    }
    done++;
  }
  return { iterations: done, change };
}

function rowLogSum(cost: ArrayLike<number>, g: Float64Array, start: number): number {
  let largest = -Infinity;
  for (let j = 0; j < g.length; j++) largest = Math.max(largest, g[j]! - cost[start + j]!);
  if (largest === -Infinity) return -Infinity;
  let sum = 0;
  for (let j = 0; j < g.length; j++) sum += Math.exp(g[j]! - cost[start + j]! - largest);
  return largest + Math.log(sum);
}

/** Logarithm of a sum of exponentials, without overflow. */
export function logSumExp(values: ArrayLike<number>): number {
  let largest = -Infinity;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, values[i]!);
  if (largest === -Infinity) return -Infinity;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - largest);
  return largest + Math.log(sum);
}
