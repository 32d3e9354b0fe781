import { checkMass, checkPositive, checkProblem, requireEqualTotals } from "./_check_problem.ts";
import { solveEntropic } from "./_solve_entropic.ts";
import type { TransportPotentials, TransportProblem, TransportResult } from "./transport_problem.ts";

/** Options of the entropic solvers on the host. */
export interface EntropicOptions {
  /** Regularisation ε > 0, on the scale of the cost. Default 0.03. */
  readonly epsilon?: number;
  /** Larger ε to pass through first, falling; each until potentials change by less than 1 % of it. Default: none. */
  readonly epsilonSchedule?: readonly number[];
  /** Most iterations at each ε. Default 10 000. */
  readonly iterations?: number;
  /** Change of a potential, in units of ε and beyond rounding, at which to stop: the relative change of the plan. Default 1e-9. */
  readonly tolerance?: number;
  /**
   * Whether to try a Newton step on the dual after every 30 iterations: Sinkhorn alone crawls where costs are well separated. The
   * solution is the same. Default true.
   */
  readonly newton?: boolean;
  /** Potentials to start from, such as those of an earlier result. Default: zeros. */
  readonly start?: TransportPotentials;
}

/**
 * Solves balanced entropic transport, `min ⟨π, C⟩ − ε H(π)` with `π1 = a`, `πᵀ1 = b` (Cuturi 2013), in the log domain and in double
 * precision. Checked against POT's `sinkhorn`.
 *
 * @param problem Cost and marginals of equal totals.
 * @param options ε, schedule, start and when to stop.
 * @throws TypeError when sizes do not fit together; RangeError when a value is out of range or the totals differ.
 */
export function solveBalancedTransport(problem: TransportProblem, options: EntropicOptions = {}): TransportResult {
  const checked = checkProblem(problem);
  const b = requireEqualTotals(checked);
  return solveEntropic({ ...checked, b }, { kind: "balanced", mass: checked.totalA, rho: Infinity }, options);
}

/**
 * Solves partial entropic transport, `min ⟨π, C⟩ − ε H(π)` with `π1 ≤ a`, `πᵀ1 ≤ b`, `1ᵀπ1 = s`, in the log domain and in double precision.
 * The solution is that of Benamou et al. 2015, Prop. 5. Checked against POT's `entropic_partial_wasserstein`.
 *
 * @param problem Cost and marginals, which act as caps.
 * @param mass Mass s to move, at most the smaller total of the marginals.
 * @param options ε, schedule, start and when to stop.
 * @throws TypeError when sizes do not fit together; RangeError when a value is out of range.
 */
export function solvePartialTransport(
  problem: TransportProblem,
  mass: number,
  options: EntropicOptions = {},
): TransportResult {
  const checked = checkProblem(problem);
  return solveEntropic(checked, { kind: "partial", mass: checkMass(mass, checked), rho: Infinity }, options);
}

/**
 * Solves unbalanced entropic transport, `min ⟨π, C⟩ − ε H(π) + ρ KL(π1 | a) + ρ KL(πᵀ1 | b)` (Chizat et al. 2018), in the log domain and in
 * double precision. ρ = Infinity is balanced transport. Checked against POT's `sinkhorn_unbalanced`.
 *
 * @param problem Cost and marginals.
 * @param rho Weight ρ > 0 of the divergence from the marginals.
 * @param options ε, schedule, start and when to stop.
 * @throws TypeError when sizes do not fit together; RangeError when a value is out of range, or the totals differ and ρ is
 * infinite.
 */
export function solveUnbalancedTransport(
  problem: TransportProblem,
  rho: number,
  options: EntropicOptions = {},
): TransportResult {
  checkPositive("rho", rho);
  if (rho === Infinity) return solveBalancedTransport(problem, options);
  const checked = checkProblem(problem);
  return solveEntropic(checked, { kind: "unbalanced", mass: checked.totalA, rho }, options);
}
