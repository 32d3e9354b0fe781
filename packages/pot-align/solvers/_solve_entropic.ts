import {
  iteratePotentials,
  type PotentialState,
  type ScaledTransportProblem,
  type TransportKind,
} from "@med3d/webgpu-kernels";
import { type CheckedProblem, checkPositive, costOf, marginsOf, refuse, sum } from "./_check_problem.ts";
import { planAt, tryNewtonStep } from "./_newton.ts";
import type { EntropicOptions } from "./solve_entropic_transport.ts";
import type { TransportResult } from "./transport_problem.ts";

/** Sinkhorn iterations before each Newton step. */
const ITERATIONS_PER_STEP = 30;
/** Potentials change by no more than this, in units of ε, when the schedule goes on to the next ε. */
const SCHEDULE_TOLERANCE = 0.01;
/** Stands for the logarithm of no mass: its exponential is 0 in float32 and 1e-304 here. */
const LOG_NOTHING = -700;

/** What distinguishes the entropic problems. */
export interface EntropicKind {
  readonly kind: TransportKind;
  readonly mass: number;
  readonly rho: number;
}

/** Solves a checked entropic problem. */
export function solveEntropic(
  problem: CheckedProblem,
  { kind, mass, rho }: EntropicKind,
  options: EntropicOptions,
): TransportResult {
  const { rows, columns, a, b } = problem;
  const { epsilon = 0.03, epsilonSchedule = [], iterations = 10_000, tolerance = 1e-9, newton = true, start } = options;
  const epsilons = [...epsilonSchedule, epsilon];
  for (const value of epsilons) checkPositive("epsilon", value);
  if (epsilons.some((value, index) => index > 0 && value >= epsilons[index - 1]!)) {
    refuse("epsilonSchedule is out of range", `[${epsilonSchedule}] before ε ${epsilon}`, "falling values");
  }
  if (!Number.isInteger(iterations) || iterations < 1) {
    refuse("iterations is out of range", iterations, "a positive integer");
  }
  if (!(tolerance >= 0)) refuse("tolerance is out of range", tolerance, "0 or more");
  if (start && (start.f.length !== rows || start.g.length !== columns)) {
    refuse("start has the wrong size", `${start.f.length} and ${start.g.length} potentials`, `${rows} and ${columns}`);
  }
  const logOf = (masses: Float64Array): Float64Array => masses.map((value) => Math.max(LOG_NOTHING, Math.log(value)));
  const [logA, logB] = [logOf(a), logOf(b)];
  let potentials = start ?? { f: new Float64Array(rows), g: new Float64Array(columns), k: 0 };
  let total = 0;
  let converged = false;
  let plan: Float64Array = new Float64Array(0);
  for (const [index, at] of epsilons.entries()) {
    const damping = rho === Infinity ? 1 : rho / (rho + at);
    const cost = problem.cost.map((value) => value / at);
    const scaled: ScaledTransportProblem = { rows, columns, cost, logA, logB, kind, logMass: Math.log(mass), damping };
    const state: PotentialState = {
      f: potentials.f.map((value) => value / at),
      g: potentials.g.map((value) => value / at),
      k: potentials.k / at,
    };
    const isFinal = index === epsilons.length - 1;
    const goal = isFinal ? tolerance : Math.max(tolerance, SCHEDULE_TOLERANCE);
    const run = iterate(scaled, state, { iterations, tolerance: goal, newton });
    total += run.iterations;
    converged = run.converged;
    plan = planAt(scaled, state);
    potentials = { f: state.f.map((value) => value * at), g: state.g.map((value) => value * at), k: state.k * at };
  }
  return {
    plan,
    potentials,
    cost: costOf(plan, problem.cost),
    mass: sum(plan),
    converged,
    iterations: total,
    marginalError: marginalErrorOf(plan, problem, { kind, mass, rho }, potentials),
  };
}

function iterate(
  problem: ScaledTransportProblem,
  state: PotentialState,
  { iterations, tolerance, newton }: { iterations: number; tolerance: number; newton: boolean },
): { iterations: number; converged: boolean } {
  let done = 0;
  while (done < iterations) {
    const portion = Math.min(iterations - done, newton ? ITERATIONS_PER_STEP : iterations);
    const run = iteratePotentials(problem, state, { iterations: portion, tolerance });
    done += run.iterations;
    if (run.change <= tolerance) return { iterations: done, converged: true };
    if (newton && done < iterations - 1 && tryNewtonStep(problem, state)) done++;
  }
  return { iterations: done, converged: false };
}

function marginalErrorOf(
  plan: Float64Array,
  { rows, columns, a, b }: CheckedProblem,
  { kind, mass, rho }: EntropicKind,
  { f, g }: { readonly f: Float64Array; readonly g: Float64Array },
): number {
  const [rowSums, columnSums] = marginsOf(plan, rows, columns);
  const violation = (sums: Float64Array, marginal: Float64Array, potentials: Float64Array): number =>
    sums.reduce((worst, value, at) => {
      const aim = kind === "unbalanced" ? marginal[at]! * Math.exp(-potentials[at]! / rho) : marginal[at]!;
      return Math.max(worst, kind === "partial" ? value - aim : Math.abs(value - aim));
    }, 0);
  const worst = Math.max(violation(rowSums, a, f), violation(columnSums, b, g));
  return kind === "partial" ? Math.max(worst, Math.abs(sum(plan) - mass)) : worst;
}
