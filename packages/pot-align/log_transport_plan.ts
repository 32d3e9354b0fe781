import { hasTransportKernels, transportAdjoint, transportPotentials } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";

/** How the gradient passes through a transport problem. */
export type TransportGradient = "implicit" | "unrolled";

/** Options of {@linkcode logTransportPlan}. */
export interface LogTransportPlanOptions {
  /** Regularisation ε > 0, on the scale of the cost. Default 0.03. */
  readonly epsilon?: number;
  /**
   * Mass to move, in (0, 1]: partial transport with the marginals as caps. A scalar tensor keeps the mass on the device; no
   * gradient flows to it. Default: nothing, which is balanced transport.
   */
  readonly mass?: number | tf.Scalar;
  /** Iterations; all are done, since a device cannot be asked in between. Default 200. */
  readonly iterations?: number;
  /**
   * `implicit` differentiates the solution (exact at convergence, memory and time do not grow with the iterations);
   * `unrolled` differentiates the iterations themselves (exact for the iterations done). Default `implicit`.
   */
  readonly gradient?: TransportGradient;
}

/** Iterations of conjugate gradients for the implicit gradient; more than rows + columns add nothing. */
const ADJOINT_ITERATIONS = 60;

/**
 * Solves entropic optimal transport with uniform marginals and returns the logarithm of its plan, inside a gradient tape.
 *
 * Balanced: `argmin ⟨π, C⟩ − ε H(π)`, `π1 = 1/m`, `πᵀ1 = 1/n` (Cuturi 2013). Partial: `π1 ≤ 1/m`, `πᵀ1 ≤ 1/n`, `1ᵀπ1 = s`
 * (Benamou et al. 2015, Prop. 5, in the log domain). On cpu and WebGPU in one kernel, elsewhere of composed operations.
 *
 * @param cost `[m, n]` float32, finite; stays the caller's. Gradients flow.
 * @param options ε, mass, iterations and how the gradient passes.
 * @returns `[m, n]` float32 log π; the caller disposes.
 * @throws RangeError when an option is out of range.
 */
export function logTransportPlan(cost: tf.Tensor2D, options: LogTransportPlanOptions = {}): tf.Tensor2D {
  const { epsilon = 0.03, mass, iterations = 200, gradient = "implicit" } = options;
  checkOptions(epsilon, mass, iterations);
  const scaled = tf.div(cost, epsilon) as tf.Tensor2D;
  const logMass = mass === undefined ? undefined : typeof mass === "number" ? Math.log(mass) : tf.log(mass);
  if (gradient === "unrolled") return unrolledLogPlan(scaled, logMass, iterations);
  return implicitLogPlan(scaled, logMass, iterations);
}

type LogMass = number | tf.Scalar | undefined;

function checkOptions(epsilon: number, mass: number | tf.Scalar | undefined, iterations: number): void {
  const refuse = (name: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot solve optimal transport: ${name} is out of range: got ${got}, expected ${expected}.`);
  };
  if (!(epsilon > 0 && Number.isFinite(epsilon))) refuse("epsilon", epsilon, "a positive number");
  if (typeof mass === "number" && !(mass > 0 && mass <= 1)) refuse("mass", mass, "a number in (0, 1]");
  if (!Number.isInteger(iterations) || iterations < 1) refuse("iterations", iterations, "a positive integer");
}

function implicitLogPlan(scaled: tf.Tensor2D, logMass: LogMass, iterations: number): tf.Tensor2D {
  const [rows, columns] = scaled.shape;
  const partial = logMass !== undefined;
  const solve = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [cost, save] = inputs as [tf.Tensor2D, tf.GradSaveFunc];
    const potentials = hasTransportKernels(rows, columns)
      ? fusedPotentials(cost, logMass, iterations)
      : composedPotentials(cost, logMass, iterations);
    const f = tf.slice(potentials, 0, rows);
    const g = tf.slice(potentials, rows, columns);
    const k = tf.slice(potentials, rows + columns, 1);
    const value = tf.add(tf.add(tf.sub(tf.reshape(f, [rows, 1]), cost), tf.reshape(g, [1, columns])), k) as tf.Tensor2D;
    const held = tf.slice(potentials, 0, rows + columns);
    // A potential at its bound 0 belongs to a marginal below its cap and does not move; a balanced one always moves.
    const free = partial
      ? tf.concat1d([tf.cast(tf.less(held, 0), "float32") as tf.Tensor1D, tf.ones([1])])
      : tf.concat1d([tf.ones([rows + columns]), tf.zeros([1])]);
    save([value, free]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [logPlan, freedom] = saved as [tf.Tensor2D, tf.Tensor1D];
        const plan = tf.exp(logPlan);
        const upstream = dy as tf.Tensor2D;
        const solution = hasTransportKernels(rows, columns)
          ? transportAdjoint(plan, upstream, freedom, { iterations: ADJOINT_ITERATIONS })
          : composedAdjoint(plan, upstream, freedom);
        const x = tf.reshape(tf.slice(solution, 0, rows), [rows, 1]);
        const y = tf.reshape(tf.slice(solution, rows, columns), [1, columns]);
        const kappa = tf.slice(solution, rows + columns, 1);
        return tf.sub(tf.mul(plan, tf.add(tf.add(x, y), kappa)), upstream);
      },
    };
  });
  return solve(scaled) as tf.Tensor2D;
}

function fusedPotentials(cost: tf.Tensor2D, logMass: LogMass, iterations: number): tf.Tensor1D {
  const [rows, columns] = cost.shape;
  const last = typeof logMass === "number"
    ? tf.tensor1d([logMass])
    : logMass
    ? tf.reshape(logMass, [1])
    : tf.zeros([1]);
  const logs = tf.concat1d([
    tf.fill([rows], -Math.log(rows)) as tf.Tensor1D,
    tf.fill([columns], -Math.log(columns)) as tf.Tensor1D,
    last as tf.Tensor1D,
  ]);
  const start = tf.zeros([rows + columns + 2]) as tf.Tensor1D;
  return transportPotentials(cost, logs, start, { partial: logMass !== undefined, iterations });
}

/** f, g and k of composed operations; differentiable. */
function composedPotentials(cost: tf.Tensor2D, logMass: LogMass, iterations: number): tf.Tensor1D {
  const [rows, columns] = cost.shape;
  const negative = tf.neg(cost);
  const cap = (raw: tf.Tensor): tf.Tensor => (logMass === undefined ? raw : tf.neg(tf.relu(tf.neg(raw))));
  let g: tf.Tensor = tf.zeros([1, columns]);
  let k: tf.Tensor = tf.zeros([1, 1]);
  let f: tf.Tensor = tf.zeros([rows, 1]);
  for (let done = 0; done < iterations; done++) {
    f = cap(tf.sub(-Math.log(rows), tf.add(tf.logSumExp(tf.add(negative, g), 1, true), k)));
    g = cap(tf.sub(-Math.log(columns), tf.add(tf.logSumExp(tf.add(negative, f), 0, true), k)));
    if (logMass === undefined) continue;
    k = tf.sub(logMass, tf.logSumExp(tf.add(tf.add(negative, f), g), [0, 1], true));
  }
  return tf.concat1d([tf.reshape(f, [rows]), tf.reshape(g, [columns]), tf.reshape(k, [1])]);
}

function unrolledLogPlan(scaled: tf.Tensor2D, logMass: LogMass, iterations: number): tf.Tensor2D {
  const [rows, columns] = scaled.shape;
  const potentials = composedPotentials(scaled, logMass, iterations);
  // Selecting by matrices keeps the gradient off TensorFlow.js' slice gradient, which pads.
  const [f, g, k] = tf.split(potentials, [rows, columns, 1]) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
  return tf.add(
    tf.add(tf.sub(tf.reshape(f, [rows, 1]), scaled), tf.reshape(g, [1, columns])),
    tf.reshape(k, [1, 1]),
  ) as tf.Tensor2D;
}

/** The conjugate gradients of the adjoint kernel, of composed operations. */
function composedAdjoint(plan: tf.Tensor2D, gradient: tf.Tensor2D, free: tf.Tensor1D): tf.Tensor1D {
  const [rows, columns] = plan.shape;
  const size = rows + columns + 1;
  const sums = (matrix: tf.Tensor2D): tf.Tensor1D =>
    tf.concat1d([tf.sum(matrix, 1), tf.sum(matrix, 0), tf.reshape(tf.sum(matrix), [1])] as tf.Tensor1D[]);
  const diagonal = sums(plan);
  const scale = tf.mul(free, tf.rsqrt(tf.maximum(diagonal, 1e-30)));
  const apply = (u: tf.Tensor): tf.Tensor => {
    const v = tf.mul(u, scale);
    const [x, y, kappa] = tf.split(v, [rows, columns, 1]) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
    const spread = tf.mul(
      plan,
      tf.add(tf.add(tf.reshape(x, [rows, 1]), tf.reshape(y, [1, columns])), kappa),
    ) as tf.Tensor2D;
    return tf.mul(sums(spread), scale);
  };
  const dot = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sum(tf.mul(a, b));
  let solution: tf.Tensor = tf.zeros([size]);
  let residual: tf.Tensor = tf.mul(sums(gradient), scale);
  let direction = residual;
  let squared = dot(residual, residual);
  for (let done = 0; done < Math.min(ADJOINT_ITERATIONS, size); done++) {
    const applied = apply(direction);
    const step = tf.div(squared, tf.maximum(dot(direction, applied), 1e-30));
    solution = tf.add(solution, tf.mul(direction, step));
    residual = tf.sub(residual, tf.mul(applied, step));
    const next = dot(residual, residual);
    direction = tf.add(residual, tf.mul(direction, tf.div(next, tf.maximum(squared, 1e-30))));
    squared = next;
  }
  return tf.mul(solution, scale) as tf.Tensor1D;
}
