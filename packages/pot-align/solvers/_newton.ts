import { type PotentialState, type ScaledTransportProblem, solveAdjoint } from "@med3d/webgpu-kernels";
import { marginsOf } from "./_check_problem.ts";

/** Halvings of a step before it is given up. */
const HALVINGS = 8;
const ADJOINT = { iterations: 400, tolerance: 1e-9, regularisation: 1e-12 } as const;

/**
 * Tries one projected Newton step (Bertsekas 1982) on the concave dual of an entropic transport problem, in place.
 *
 * Sinkhorn's iterations are ascent on the same dual, so the two may alternate: where costs are well separated and Sinkhorn crawls,
 * a few Newton steps arrive.
 *
 * @returns Whether a step was taken; without one, the state is as before.
 */
export function tryNewtonStep(problem: ScaledTransportProblem, state: PotentialState): boolean {
  const { rows, columns, kind, damping } = problem;
  const plan = planAt(problem, state);
  const [rowSums, columnSums] = marginsOf(plan, rows, columns);
  const mass = rowSums.reduce((total, value) => total + value, 0);
  const relaxation = 1 / damping - 1; // ε/ρ
  const wanted = (log: ArrayLike<number>, potentials: Float64Array, at: number): number =>
    Math.exp(log[at]! - (kind === "unbalanced" ? relaxation * potentials[at]! : 0));
  const right = new Float64Array(rows + columns + 1);
  for (let i = 0; i < rows; i++) right[i] = wanted(problem.logA, state.f, i) - rowSums[i]!;
  for (let j = 0; j < columns; j++) right[rows + j] = wanted(problem.logB, state.g, j) - columnSums[j]!;
  right[rows + columns] = kind === "partial" ? Math.exp(problem.logMass) - mass : 0;
  const potentials = [...state.f, ...state.g];
  // A potential at its bound that the slope presses against is held there.
  const free = Float64Array.from({ length: rows + columns + 1 }, (_, index) => {
    if (index === rows + columns) return Number(kind === "partial");
    return Number(kind !== "partial" || potentials[index]! < 0 || right[index]! < 0);
  });
  const direction = solveAdjoint({ rows, columns, plan, free, right, damping }, ADJOINT);
  const before = dualAt(problem, state);
  for (let step = 1, tried = 0; tried < HALVINGS; step /= 2, tried++) {
    const move = (value: number, index: number): number => {
      const next = value + step * direction[index]!;
      return kind === "partial" && index < rows + columns ? Math.min(0, next) : next;
    };
    const trial: PotentialState = {
      f: state.f.map((value, i) => move(value, i)),
      g: state.g.map((value, j) => move(value, rows + j)),
      k: move(state.k, rows + columns),
    };
    if (!(dualAt(problem, trial) >= before)) continue;
    state.f.set(trial.f);
    state.g.set(trial.g);
    state.k = trial.k;
    return true;
  }
  return false;
}

/** The plan that potentials stand for. */
export function planAt({ rows, columns, cost }: ScaledTransportProblem, { f, g, k }: PotentialState): Float64Array {
  const plan = new Float64Array(rows * columns);
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, at++) plan[at] = Math.exp(f[i]! + g[j]! + k - cost[at]!);
  }
  return plan;
}

/** The dual's value, in units of ε. */
function dualAt(problem: ScaledTransportProblem, state: PotentialState): number {
  const { logA, logB, kind, logMass, damping } = problem;
  const relaxation = 1 / damping - 1;
  const gain = (log: number, potential: number): number =>
    kind === "unbalanced" && relaxation > 0
      ? -Math.exp(log) * Math.expm1(-relaxation * potential) / relaxation
      : Math.exp(log) * potential;
  const rowGain = state.f.reduce((total, value, i) => total + gain(logA[i]!, value), 0);
  const columnGain = state.g.reduce((total, value, j) => total + gain(logB[j]!, value), 0);
  const massGain = kind === "partial" ? Math.exp(logMass) * state.k : 0;
  return rowGain + columnGain + massGain - planAt(problem, state).reduce((total, value) => total + value, 0);
}
