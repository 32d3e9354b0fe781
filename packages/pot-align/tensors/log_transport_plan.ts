import { hasTransportKernels, transportAdjoint, transportPotentials, UNKNOWN_CHANGE } from "@med3d/webgpu-kernels";
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
  const start = startState(cost.shape, options);
  const scaled = tf.div(cost, epsilon) as tf.Tensor3D;
  if (settings.gradient === "unrolled") {
    const from = stateAt(epsilon, potentialsWithoutTape(cost, logs, start, settings, settings.epsilons.slice(0, -1)));
    const { kind, iterations } = settings;
    const damping = settings.damping(epsilon);
    const state = composedPotentials(scaled, logs, from, { kind, iterations, tolerance: undefined, damping });
    return { logPlan: logPlanOf(scaled, state), state: detached(state), logs, settings };
  }
  const state = stateAt(epsilon, potentialsWithoutTape(cost, logs, start, settings, settings.epsilons), "keep change");
  return { logPlan: differentiableLogPlan(scaled, state, settings), state, logs, settings };
}

/** `[problems, rows + columns + 1]`: log a, log b, log mass. */
function logarithms([problems, rows, columns]: number[], options: TensorTransportOptions): tf.Tensor2D {
  const logOf = (marginal: tf.Tensor | undefined, size: number): tf.Tensor2D => {
    const log = marginal
      ? tf.log(tf.maximum(marginal, SMALLEST_MARGINAL))
      : tf.fill([problems!, size], -Math.log(size));
    return tf.broadcastTo(tf.reshape(log, [-1, size]), [problems!, size]);
  };
  const mass = typeof options.mass === "number" ? tf.scalar(options.mass) : options.mass;
  return tf.concat2d([
    logOf(options.rowMarginal, rows!),
    logOf(options.columnMarginal, columns!),
    logOf(mass && tf.reshape(mass, [-1, 1]), 1),
  ], 1);
}

/** Potentials to start from, in units of the cost, with an unknown change and no iterations. */
function startState([problems, rows, columns]: number[], { start }: TensorTransportOptions): tf.Tensor2D {
  const part = (potential: tf.Tensor | undefined, size: number): tf.Tensor2D =>
    potential
      ? tf.broadcastTo(tf.reshape(potential, [-1, size]), [problems!, size])
      : tf.zeros([problems!, size]) as tf.Tensor2D;
  return tf.concat2d([part(start?.f, rows!), part(start?.g, columns!), part(start?.k, 1), tf.zeros([problems!, 2])], 1);
}

/** Brings a state from units of the cost to units of ε; unless kept, its change becomes unknown. */
function stateAt(epsilon: number, state: tf.Tensor2D, change?: "keep change"): tf.Tensor2D {
  return rescaled(state, 1 / epsilon, change === undefined ? 0 : 1, change === undefined ? UNKNOWN_CHANGE : 0);
}

function rescaled(state: tf.Tensor2D, factor: number, changeFactor: number, changeOffset: number): tf.Tensor2D {
  const potentials = state.shape[1] - 2;
  const factors = tf.tensor2d([[...new Array(potentials).fill(factor), changeFactor, 1]]);
  const offsets = tf.tensor2d([[...new Array(potentials).fill(0), changeOffset, 0]]);
  return tf.add(tf.mul(state, factors), offsets) as tf.Tensor2D;
}

/** Runs through the given ε; state in units of the cost before and after. A constant to the tape. */
function potentialsWithoutTape(
  cost: tf.Tensor3D,
  logs: tf.Tensor2D,
  start: tf.Tensor2D,
  settings: TransportSettings,
  epsilons: readonly number[],
): tf.Tensor2D {
  const { kind, iterations } = settings;
  const [, rows, columns] = cost.shape;
  const run = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [costs, allLogs, from] = inputs as [tf.Tensor3D, tf.Tensor2D, tf.Tensor2D];
    let state = from;
    for (const [index, epsilon] of epsilons.entries()) {
      const isFinal = index === settings.epsilons.length - 1;
      const tolerance = isFinal ? settings.tolerance : Math.max(settings.tolerance, SCHEDULE_TOLERANCE);
      const options = { kind, iterations, tolerance, damping: settings.damping(epsilon) };
      const solve = hasTransportKernels(rows, columns) ? transportPotentials : composedPotentials;
      state = rescaled(
        solve(tf.div(costs, epsilon), allLogs, stateAt(epsilon, state), options),
        epsilon,
        1,
        0,
      );
    }
    return {
      value: tf.clone(state),
      gradFunc: () => [tf.zerosLike(costs), tf.zerosLike(allLogs), tf.zerosLike(from)],
    };
  });
  return run(cost, logs, start) as tf.Tensor2D;
}

function logPlanOf(scaled: tf.Tensor3D, state: tf.Tensor2D): tf.Tensor3D {
  const [, rows, columns] = scaled.shape;
  const [potentials] = tf.split(state, [rows + columns + 1, 2], 1) as [tf.Tensor2D, tf.Tensor2D];
  return tf.sub(spread(potentials, rows, columns), scaled) as tf.Tensor3D;
}

function differentiableLogPlan(
  scaled: tf.Tensor3D,
  state: tf.Tensor2D,
  { kind, damping, epsilons, gradient }: TransportSettings,
): tf.Tensor3D {
  const [problems, rows, columns] = scaled.shape;
  const solve = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [cost, save] = inputs as [tf.Tensor3D, tf.GradSaveFunc];
    const logPlan = logPlanOf(cost, state);
    const [held] = tf.split(state, [rows + columns, 3], 1) as [tf.Tensor2D, tf.Tensor2D];
    // A capped potential at its bound 0 belongs to a marginal below its cap and does not move; others always move.
    const free = tf.concat2d([
      kind === "partial" ? tf.cast(tf.less(held, 0), "float32") as tf.Tensor2D : tf.onesLike(held),
      tf.fill([problems, 1], kind === "partial" ? 1 : 0) as tf.Tensor2D,
    ], 1);
    save([logPlan, free]);
    return {
      value: logPlan,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [logs, freedom] = saved as [tf.Tensor3D, tf.Tensor2D];
        const plan = tf.exp(logs) as tf.Tensor3D;
        const upstream = dy as tf.Tensor3D;
        if (gradient === "envelope") {
          if (kind === "unbalanced") return tf.neg(upstream);
          const share = tf.div(tf.sum(upstream, [1, 2], true), tf.sum(plan, [1, 2], true));
          return tf.sub(tf.mul(plan, share), upstream);
        }
        const adjoint = hasTransportKernels(rows, columns) ? transportAdjoint : composedAdjoint;
        const options = { iterations: ADJOINT_ITERATIONS, damping: damping(epsilons.at(-1)!) };
        const solution = adjoint(plan, marginsOf(upstream), freedom, options);
        return tf.sub(tf.mul(plan, spread(solution, rows, columns)), upstream);
      },
    };
  });
  return solve(scaled) as tf.Tensor3D;
}
