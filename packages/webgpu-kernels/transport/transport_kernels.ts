import * as tf from "@tensorflow/tfjs-core";
import "./_cpu_kernels.ts";
import {
  ADJOINT_KERNEL,
  type AdjointAttributes,
  SINKHORN_KERNEL,
  type SinkhornAttributes,
  type TransportVariant,
} from "./_kernel_names.ts";
import { MAX_ADJOINT_SIZE, MAX_TRANSPORT_SIZE } from "./_tile_layout.ts";
import "./_webgpu_kernels.ts";
import type { TransportKind } from "./iterate_potentials.ts";

export type { TransportVariant } from "./_kernel_names.ts";

/** Options of {@linkcode transportPotentials}. */
export interface TransportPotentialsOptions {
  /** How marginals are treated. */
  readonly kind: TransportKind;
  /** Most iterations. */
  readonly iterations: number;
  /**
   * Stops a problem once no potential changes by more than this, in units of ε and beyond rounding; looked at in every iteration on
   * cpu and, on WebGPU, of large problems, else at least in every eighth. Below 0 never stops early.
   */
  readonly tolerance: number;
  /** `ρ / (ρ + ε)` for unbalanced transport. Default 1. */
  readonly damping?: number;
  /**
   * How WebGPU iterates; cpu does not read it. `tile`: each problem in the registers of one workgroup, up to about 320 × 320. `split`: each
   * problem over many workgroups, in two dispatches per iteration. Default: `tile` where the problem fits.
   */
  readonly variant?: TransportVariant;
}

/** Options of {@linkcode transportAdjoint}. */
export interface TransportAdjointOptions {
  /** Most iterations of conjugate gradients. */
  readonly iterations: number;
  /** `ρ / (ρ + ε)` for unbalanced transport. Default 1. */
  readonly damping?: number;
}

/** A change that no tolerance admits: what `state` holds in its place before the first iteration. */
export const UNKNOWN_CHANGE = 3e38;

/**
 * Tells whether the active backend has {@linkcode transportPotentials} for a problem of this size: cpu always, WebGPU up to 16,384 rows and
 * columns, others never.
 */
export function hasTransportKernels(rows: number, columns: number): boolean {
  return hasKernel(SINKHORN_KERNEL, Math.max(rows, columns), MAX_TRANSPORT_SIZE);
}

/**
 * Tells whether the active backend has {@linkcode transportAdjoint} for a problem of this size: cpu always, WebGPU up to 1024 rows and
 * columns, others never.
 */
export function hasTransportAdjoint(rows: number, columns: number): boolean {
  return hasKernel(ADJOINT_KERNEL, Math.max(rows, columns), MAX_ADJOINT_SIZE);
}

function hasKernel(name: string, size: number, most: number): boolean {
  const backend = tf.getBackend();
  return tf.getKernel(name, backend) !== undefined && (backend === "cpu" || size <= most);
}

/**
 * Runs Sinkhorn iterations on a batch of problems. The iterations are those of {@linkcode iteratePotentials}, for any costs.
 *
 * On WebGPU small problems have a workgroup each, and one dispatch (or a few, where the device bounds loops): stabilised scaling, with
 * an iteration in the log domain wherever a scaling factor leaves its range (Schmitzer 2019). Larger ones go over many workgroups, with two
 * dispatches per iteration, and what the first of them exponentiates is relative to the row's largest. On cpu in double precision.
 *
 * On the gradient tape the answer is a constant: differentiate implicitly with {@linkcode transportAdjoint}.
 *
 * @param cost `[problems, rows, columns]` float32, cost / ε, finite; stays the caller's.
 * @param logs `[problems, rows + columns + 1]` float32, finite: log a, log b, log mass; the mass is read for partial transport only.
 * @param state `[problems, rows + columns + 3]` float32: f, g, k to start from, {@linkcode UNKNOWN_CHANGE} and 0.
 * @param options Kind, iterations, tolerance and damping.
 * @returns float32 in the form of `state`: f, g, k, the greatest change in the last iteration looked at, and iterations done. The
 * caller disposes.
 * @throws RangeError where {@linkcode hasTransportKernels} is false on WebGPU, or `variant` is `tile` and the problem does not fit; Error on
 * a backend without the kernel.
 */
export function transportPotentials(
  cost: tf.Tensor3D,
  logs: tf.Tensor2D,
  state: tf.Tensor2D,
  options: TransportPotentialsOptions,
): tf.Tensor2D {
  const attributes: SinkhornAttributes = { damping: 1, ...options };
  return tf.engine().runKernel(SINKHORN_KERNEL, { cost, logs, state }, { ...attributes }) as tf.Tensor2D;
}

/**
 * Solves the adjoint systems of a batch of transport problems by conjugate gradients; {@linkcode solveAdjoint} says which.
 *
 * No gradient is registered.
 *
 * @param plan `[problems, rows, columns]` float32; stays the caller's.
 * @param right `[problems, rows + columns + 1]` float32: row sums, column sums and total of the gradient with respect to log plan.
 * @param free `[problems, rows + columns + 1]` float32: 1 where a potential is free, 0 where it is held.
 * @param options Iterations and damping.
 * @returns `[problems, rows + columns + 1]` float32: x, y, κ; the caller disposes.
 * @throws RangeError where {@linkcode hasTransportAdjoint} is false on WebGPU, Error on a backend without the kernel.
 */
export function transportAdjoint(
  plan: tf.Tensor3D,
  right: tf.Tensor2D,
  free: tf.Tensor2D,
  options: TransportAdjointOptions,
): tf.Tensor2D {
  const attributes: AdjointAttributes = { damping: 1, ...options };
  return tf.engine().runKernel(ADJOINT_KERNEL, { plan, right, free }, { ...attributes }) as tf.Tensor2D;
}

tf.registerGradient({
  kernelName: SINKHORN_KERNEL,
  inputsToSave: ["cost", "logs", "state"],
  gradFunc: (_dy, saved) => {
    const [cost, logs, state] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    return { cost: () => tf.zerosLike(cost), logs: () => tf.zerosLike(logs), state: () => tf.zerosLike(state) };
  },
});
