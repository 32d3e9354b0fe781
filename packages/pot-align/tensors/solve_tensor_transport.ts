import * as tf from "@tensorflow/tfjs-core";
import { detached } from "./_detached.ts";
import { asProblems, solveLogPlan } from "./log_transport_plan.ts";
import type { TensorPotentials, TensorTransportOptions, TransportSettings } from "./transport_options.ts";

/** What {@linkcode solveTensorTransport} returns. Every tensor is float32 unless said; the caller disposes, `tf.dispose(result)` of all at once. */
export type TensorTransport<T extends tf.Tensor2D | tf.Tensor3D> = {
  /** Plan π in the shape of the cost. Gradients flow. */
  readonly plan: T;
  /** log π, finite where π underflows. Gradients flow. */
  readonly logPlan: T;
  /** Potentials in units of the cost, to start the next solve from; constants to the tape. */
  readonly potentials: TensorPotentials;
  /** ⟨π, C⟩, scalar or `[problems]`. Gradients flow; with `envelope` they are π itself. */
  readonly cost: tf.Tensor;
  /** 1ᵀπ1, scalar or `[problems]`. Gradients flow. */
  readonly mass: tf.Tensor;
  /** Scalar or `[problems]`, dtype bool: whether the change fell to the tolerance and all numbers are finite. */
  readonly converged: tf.Tensor;
  /** Iterations over all ε, scalar or `[problems]`; a whole number. */
  readonly iterations: tf.Tensor;
  /**
   * Greatest violation of a constraint, scalar or `[problems]`, in units of mass: |π1 − a|, |πᵀ1 − b| (balanced), excess over a cap and
   * |1ᵀπ1 − s| (partial), |π1 − a·exp(−f/ρ)| and likewise for columns (unbalanced).
   */
  readonly marginalError: tf.Tensor;
};

/**
 * Solves entropic optimal transport on tensors, one problem or a batch, inside a gradient tape and without read-back.
 *
 * Balanced: `min ⟨π, C⟩ − ε H(π)`, `π1 = a`, `πᵀ1 = b` (Cuturi 2013). With `mass` partial: `π1 ≤ a`, `πᵀ1 ≤ b`, `1ᵀπ1 = s`
 * (Benamou et al. 2015, Prop. 5). With `rho` unbalanced: `min ⟨π, C⟩ − ε H(π) + ρ KL(π1|a) + ρ KL(πᵀ1|b)` (Chizat et al. 2018). On cpu
 * and WebGPU in kernels that stop each problem for itself, on other backends (and beyond 16,384 rows or columns on WebGPU) of composed operations, in
 * the log domain. Values cannot be checked without read-back: a NaN cost or a mass above what the marginals
 * hold shows as `converged` false and in `marginalError`. Checked against POT and finite differences.
 *
 * @param cost `[rows, columns]` or `[problems, rows, columns]` float32, finite; stays the caller's. Gradients flow to it, and to nothing else:
 * marginals, mass and start are constants.
 * @param options ε, mass or ρ, marginals, start, schedule, iterations and how the gradient passes.
 * @throws RangeError when an option is out of range or a shape does not fit.
 */
export function solveTensorTransport<T extends tf.Tensor2D | tf.Tensor3D>(
  cost: T,
  options: TensorTransportOptions = {},
): TensorTransport<T> {
  const solved = tf.tidy(() => {
    const costs = asProblems(cost);
    const [problems, rows, columns] = costs.shape;
    const { logPlan, state, logs, settings } = solveLogPlan(costs, options);
    const plan = tf.exp(logPlan) as tf.Tensor3D;
    const epsilon = settings.epsilons.at(-1)!;
    const perProblem = cost.shape.length === 2 ? [] : [problems];
    const [f, g, k, change, iterations] = tf.split(state, [rows, columns, 1, 1, 1], 1) as tf.Tensor2D[];
    const weights = settings.gradient === "envelope" ? detached(plan) : plan;
    const marginalError = violation(detached(plan), logs, { f: f!, g: g! }, settings);
    const converged = tf.logicalAnd(
      tf.lessEqual(tf.reshape(change!, [problems]), settings.tolerance),
      tf.less(marginalError, 1e30), // false for NaN
    );
    const shaped = (tensor: tf.Tensor, size: number): tf.Tensor => tf.reshape(tensor, [...perProblem, size]);
    return {
      plan: tf.reshape(plan, cost.shape),
      logPlan: tf.reshape(logPlan, cost.shape),
      f: shaped(tf.mul(f!, epsilon), rows),
      g: shaped(tf.mul(g!, epsilon), columns),
      k: tf.reshape(tf.mul(k!, epsilon), perProblem),
      cost: tf.reshape(tf.sum(tf.mul(weights, costs), [1, 2]), perProblem),
      mass: tf.reshape(tf.sum(plan, [1, 2]), perProblem),
      converged: tf.reshape(converged, perProblem),
      iterations: tf.reshape(iterations!, perProblem),
      marginalError: tf.reshape(marginalError, perProblem),
    };
  });
  const { f, g, k, ...rest } = solved;
  return { ...rest, potentials: { f, g, k } } as TensorTransport<T>;
}

/** Greatest violation of a constraint per problem: `[problems]`. */
function violation(
  plan: tf.Tensor3D,
  logs: tf.Tensor2D,
  { f, g }: { readonly f: tf.Tensor2D; readonly g: tf.Tensor2D },
  { kind, damping, epsilons }: TransportSettings,
): tf.Tensor1D {
  const [, rows, columns] = plan.shape;
  const [a, b, mass] = tf.split(tf.exp(logs), [rows, columns, 1], 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const relaxation = 1 / damping(epsilons.at(-1)!) - 1; // ε/ρ
  const side = (sums: tf.Tensor, marginal: tf.Tensor, potential: tf.Tensor): tf.Tensor1D => {
    const aim = kind === "unbalanced" ? tf.mul(marginal, tf.exp(tf.mul(potential, -relaxation))) : marginal;
    const excess = tf.sub(sums, aim);
    return tf.max(kind === "partial" ? tf.relu(excess) : tf.abs(excess), 1) as tf.Tensor1D;
  };
  const sides = tf.maximum(side(tf.sum(plan, 2), a, f), side(tf.sum(plan, 1), b, g)) as tf.Tensor1D;
  if (kind !== "partial") return sides;
  const difference = tf.abs(tf.sub(tf.sum(plan, [1, 2]), tf.reshape(mass, [-1]))) as tf.Tensor1D;
  return tf.maximum(sides, difference) as tf.Tensor1D;
}
