import {
  hasTransportAdjoint,
  hasTransportKernels,
  transportAdjoint,
  transportPotentials,
  UNKNOWN_CHANGE,
} from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { composedAdjoint, composedPotentials, marginsOf, spread } from "./_composed_kernels.ts";
import { detached } from "./_detached.ts";
import {
  SCHEDULE_TOLERANCE,
  settleOptions,
  type TensorTransportOptions,
  type TransportSettings,
} from "./transport_options.ts";

/** Most iterations of conjugate gradients for the implicit gradient. */
const ADJOINT_ITERATIONS = 200;

/** Marginals are not smaller than this, so that their logarithms are finite; what it moves is below float32 rounding. */
const SMALLEST_MARGINAL = 1e-37;

/**
 * Solves entropic optimal transport and returns the logarithm of its plan, inside a gradient tape: the lean form of
 * {@linkcode solveTensorTransport}, which see.
 *
 * @param cost `[rows, columns]` or `[problems, rows, columns]` float32, finite; stays the caller's. Gradients flow.
 * @param options ε, mass or ρ, marginals, start, iterations and how the gradient passes.
 * @returns log π in the shape of `cost`, float32; the caller disposes.
 * @throws RangeError when an option is out of range or a shape does not fit.
 */
export function logTransportPlan<T extends tf.Tensor2D | tf.Tensor3D>(
  cost: T,
  options: TensorTransportOptions = {},
): T {
  return tf.tidy(() => tf.reshape(solveLogPlan(asProblems(cost), options).logPlan, cost.shape)) as T;
}

/** Makes a batch of one of a single cost. */
export function asProblems(cost: tf.Tensor2D | tf.Tensor3D): tf.Tensor3D {
  const { shape } = cost;
  if ((shape.length !== 2 && shape.length !== 3) || shape.some((size) => size < 1)) {
    throw new RangeError(
      `Cannot solve optimal transport: the cost has the wrong shape: got [${shape}], expected [rows, columns] or ` +
        `[problems, rows, columns], none of them 0.`,
    );
  }
  return tf.reshape(cost, shape.length === 2 ? [1, ...shape] : shape) as tf.Tensor3D;
}

/** log π with gradients, and what `transportPotentials` returns at the last ε: `[problems, rows + columns + 3]`, without. */
export function solveLogPlan(
  cost: tf.Tensor3D,
  options: TensorTransportOptions,
): { logPlan: tf.Tensor3D; state: tf.Tensor2D; logs: tf.Tensor2D; settings: TransportSettings } {
  const settings = settleOptions(cost.shape, options);
  const epsilon = settings.epsilons.at(-1)!;
  const logs = logarithms(cost.shape, options);
  const scaled = tf.div(cost, epsilon) as tf.Tensor3D;
  if (settings.gradient === "unrolled") {
    const { kind, iterations } = settings;
    const from = potentialsWithoutTape({ cost, scaled, logs }, settings, options, settings.epsilons.slice(0, -1));
    const damping = settings.damping(epsilon);
    const state = composedPotentials(scaled, logs, from, { kind, iterations, tolerance: undefined, damping });
    return { logPlan: logPlanOf(scaled, state), state: detached(state), logs, settings };
  }
  const state = potentialsWithoutTape({ cost, scaled, logs }, settings, options, settings.epsilons);
  return { logPlan: differentiableLogPlan(scaled, state, settings), state, logs, settings };
}

/** `[problems, rows + columns + 1]`: log a, log b, log mass. What is known on the host goes up in one piece. */
function logarithms([problems, rows, columns]: number[], options: TensorTransportOptions): tf.Tensor2D {
  const { rowMarginal, columnMarginal, mass } = options;
  const uniform = (size: number): number[] => new Array(size).fill(-Math.log(size));
  if (rowMarginal === undefined && columnMarginal === undefined && typeof (mass ?? 1) === "number") {
    return repeated([...uniform(rows!), ...uniform(columns!), Math.log(mass as number | undefined ?? 1)], problems!);
  }
  const logOf = (marginal: tf.Tensor | undefined, size: number): tf.Tensor2D => {
    const log = marginal ? tf.log(tf.maximum(marginal, SMALLEST_MARGINAL)) : tf.tensor1d(uniform(size));
    return tf.broadcastTo(tf.reshape(log, [-1, size]), [problems!, size]);
  };
  const massTensor = typeof mass === "number" ? tf.scalar(mass) : mass;
  return tf.concat2d([
    logOf(rowMarginal, rows!),
    logOf(columnMarginal, columns!),
    logOf(massTensor && tf.reshape(massTensor, [-1, 1]), 1),
  ], 1);
}

/** The same row for each problem, from the host. */
function repeated(row: readonly number[], problems: number): tf.Tensor2D {
  return tf.tensor2d(Float32Array.from({ length: problems * row.length }, (_, at) => row[at % row.length]!), [
    problems,
    row.length,
  ]);
}

/** Potentials to start from, in units of ε, with an unknown change and no iterations. */
function startState(
  [problems, rows, columns]: number[],
  { start }: TensorTransportOptions,
  epsilon: number,
): tf.Tensor2D {
  if (start === undefined) {
    return repeated([...new Array(rows! + columns! + 1).fill(0), UNKNOWN_CHANGE, 0], problems!);
  }
  const part = (potential: tf.Tensor, size: number): tf.Tensor2D =>
    tf.broadcastTo(tf.reshape(potential, [-1, size]), [problems!, size]);
  const parts = [part(start.f, rows!), part(start.g, columns!), part(start.k, 1), tf.zeros([problems!, 2])];
  return rescaled(tf.concat2d(parts as tf.Tensor2D[], 1), 1 / epsilon);
}

/** Potentials times a factor, with an unknown change. */
function rescaled(state: tf.Tensor2D, factor: number): tf.Tensor2D {
  const potentials = state.shape[1] - 2;
  const factors = tf.tensor2d([[...new Array(potentials).fill(factor), 0, 1]]);
  const offsets = tf.tensor2d([[...new Array(potentials).fill(0), UNKNOWN_CHANGE, 0]]);
  return tf.add(tf.mul(state, factors), offsets) as tf.Tensor2D;
}

/** Runs through the given ε, of the settings' the first ones; the state is in units of the settings' last. A constant to the tape. */
function potentialsWithoutTape(
  inputs: { readonly cost: tf.Tensor3D; readonly scaled: tf.Tensor3D; readonly logs: tf.Tensor2D },
  settings: TransportSettings,
  options: TensorTransportOptions,
  epsilons: readonly number[],
): tf.Tensor2D {
  const { kind, iterations } = settings;
  const [, rows, columns] = inputs.cost.shape;
  const final = settings.epsilons.at(-1)!;
  const run = tf.customGrad((...given: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [cost, scaled, logs] = given as [tf.Tensor3D, tf.Tensor3D, tf.Tensor2D];
    let unit = settings.epsilons[0]!;
    let state = startState(cost.shape, options, unit);
    for (const epsilon of epsilons) {
      const tolerance = epsilon === final ? settings.tolerance : Math.max(settings.tolerance, SCHEDULE_TOLERANCE);
      const solve = hasTransportKernels(rows, columns) ? transportPotentials : composedPotentials;
      state = solve(
        epsilon === final ? scaled : tf.div(cost, epsilon) as tf.Tensor3D,
        logs,
        epsilon === unit ? state : rescaled(state, unit / epsilon),
        { kind, iterations, tolerance, damping: settings.damping(epsilon) },
      );
      unit = epsilon;
    }
    return {
      value: unit === final ? state : rescaled(state, unit / final),
      gradFunc: () => [tf.zerosLike(cost), tf.zerosLike(scaled), tf.zerosLike(logs)],
    };
  });
  return run(inputs.cost, inputs.scaled, inputs.logs) as tf.Tensor2D;
}

function logPlanOf(scaled: tf.Tensor3D, state: tf.Tensor2D): tf.Tensor3D {
  const [, rows, columns] = scaled.shape;
  return tf.sub(spread(state, rows, columns), scaled) as tf.Tensor3D;
}

function differentiableLogPlan(
  scaled: tf.Tensor3D,
  state: tf.Tensor2D,
  { kind, damping, epsilons, gradient }: TransportSettings,
): tf.Tensor3D {
  const [, rows, columns] = scaled.shape;
  const solve = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [cost, save] = inputs as [tf.Tensor3D, tf.GradSaveFunc];
    const logPlan = logPlanOf(cost, state);
    save([logPlan, state]);
    return {
      value: logPlan,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [logs, potentials] = saved as [tf.Tensor3D, tf.Tensor2D];
        const plan = tf.exp(logs) as tf.Tensor3D;
        const upstream = dy as tf.Tensor3D;
        if (gradient === "envelope") {
          if (kind === "unbalanced") return tf.neg(upstream);
          const share = tf.div(tf.sum(upstream, [1, 2], true), tf.sum(plan, [1, 2], true));
          return tf.sub(tf.mul(plan, share), upstream);
        }
        const adjoint = hasTransportAdjoint(rows, columns) ? transportAdjoint : composedAdjoint;
        const options = { iterations: ADJOINT_ITERATIONS, damping: damping(epsilons.at(-1)!) };
        const solution = adjoint(plan, marginsOf(upstream), freePotentials(potentials, kind), options);
        return tf.sub(tf.mul(plan, spread(solution, rows, columns)), upstream);
      },
    };
  });
  return solve(scaled) as tf.Tensor3D;
}

/** `[problems, rows + columns + 1]`: 1 where a potential moves with the cost, 0 where it is held. */
function freePotentials(state: tf.Tensor2D, kind: TransportSettings["kind"]): tf.Tensor2D {
  const [problems, size] = [state.shape[0], state.shape[1] - 2];
  if (kind !== "partial") return repeated([...new Array(size - 1).fill(1), 0], problems);
  // A capped potential at its bound 0 belongs to a marginal below its cap and does not move; the mass potential always does.
  const bounds = tf.tensor2d([[...new Array(size - 1).fill(0), Infinity]]);
  return tf.cast(tf.less(tf.slice(state, 0, [problems, size]), bounds), "float32");
}
