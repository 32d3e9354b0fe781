import * as tf from "@tensorflow/tfjs-core";
import type { TransportKind } from "@med3d/webgpu-kernels";

/**
 * How the gradient with respect to the cost passes through a transport problem.
 *
 * `implicit`: by the implicit function theorem, through one linear system; exact at convergence, and memory and time do not grow with the
 * iterations. `unrolled`: through the iterations themselves, of composed operations; exact for the iterations done, whether or not
 * they converged, at the price of their memory. `envelope`: potentials are held but for the total mass; free, and exact for
 * losses whose gradient with respect to log π has margins in proportion to the plan's, such as balanced inverse transport, and for the
 * regularised optimum.
 */
export type TransportGradient = "implicit" | "unrolled" | "envelope";

/** Potentials on tensors, in units of the cost: `π_ij = exp((f_i + g_j + k − C_ij) / ε)`. `tf.dispose` takes it whole. */
export type TensorPotentials = {
  /** `[rows]` or `[problems, rows]` float32. */
  readonly f: tf.Tensor;
  /** `[columns]` or `[problems, columns]` float32. */
  readonly g: tf.Tensor;
  /** Scalar or `[problems]` float32; 0 unless partial. */
  readonly k: tf.Tensor;
};

/** Options of {@linkcode solveTensorTransport} and {@linkcode logTransportPlan}. */
export interface TensorTransportOptions {
  /** Regularisation ε > 0, on the scale of the cost. Default 0.03. */
  readonly epsilon?: number;
  /**
   * Mass to move: makes the problem partial, with the marginals as caps. A tensor, scalar or `[problems]`, keeps the mass on the device.
   * Default: nothing.
   */
  readonly mass?: number | tf.Tensor;
  /** Weight ρ > 0 of the divergence from the marginals: makes the problem unbalanced. Not together with `mass`. Default: nothing. */
  readonly rho?: number;
  /** `[rows]` or `[problems, rows]` float32, non-negative; stays the caller's. Default: 1/rows each. */
  readonly rowMarginal?: tf.Tensor;
  /** `[columns]` or `[problems, columns]` float32, non-negative; stays the caller's. Default: 1/columns each. */
  readonly columnMarginal?: tf.Tensor;
  /** Potentials to start from, such as those of the step before; stay the caller's. Default: zeros. */
  readonly start?: TensorPotentials;
  /** Larger ε to pass through first, falling; each until potentials change by less than 1 % of it. Default: none. */
  readonly epsilonSchedule?: readonly number[];
  /** Most iterations at each ε. Default 500. */
  readonly iterations?: number;
  /**
   * A problem stops once no potential changes by more than this, in units of ε and beyond float32 rounding, which is the relative
   * change of the plan. Not read by `unrolled`, which does all iterations. Default 1e-5.
   */
  readonly tolerance?: number;
  /** How the gradient passes. Default `implicit`. */
  readonly gradient?: TransportGradient;
}

const GRADIENTS: readonly TransportGradient[] = ["implicit", "unrolled", "envelope"];

/** Options with their defaults, checked. */
export interface TransportSettings {
  readonly kind: TransportKind;
  readonly epsilons: readonly number[];
  readonly damping: (epsilon: number) => number;
  readonly iterations: number;
  readonly tolerance: number;
  readonly gradient: TransportGradient;
}

/** Potentials change by no more than this, in units of ε, when the schedule goes on to the next ε. */
export const SCHEDULE_TOLERANCE = 0.01;

/**
 * Fills in defaults.
 *
 * @throws RangeError when an option is out of range or a tensor does not fit `[problems, rows, columns]`.
 */
export function settleOptions(
  [problems, rows, columns]: readonly [number, number, number],
  options: TensorTransportOptions,
): TransportSettings {
  const { epsilon = 0.03, mass, rho, epsilonSchedule = [], iterations = 500, tolerance = 1e-5 } = options;
  const { gradient = "implicit" } = options;
  for (const value of [...epsilonSchedule, epsilon]) {
    if (!(value > 0 && Number.isFinite(value))) refuse("epsilon", value, "a positive number");
  }
  if ([...epsilonSchedule, epsilon].some((value, index, all) => index > 0 && value >= all[index - 1]!)) {
    refuse("epsilonSchedule", `[${epsilonSchedule}] before ε ${epsilon}`, "falling values");
  }
  if (mass !== undefined && rho !== undefined) refuse("mass together with rho", `${mass} and ${rho}`, "one of them");
  if (typeof mass === "number") {
    const most = options.rowMarginal || options.columnMarginal ? Infinity : 1;
    if (!(mass > 0 && mass <= most)) refuse("mass", mass, most === 1 ? "a number in (0, 1]" : "a positive number");
  } else if (mass !== undefined) checkShape("mass", mass, [[], [problems]]);
  if (rho !== undefined && !(rho > 0)) refuse("rho", rho, "a positive number, Infinity for balanced transport");
  if (!Number.isInteger(iterations) || iterations < 1) refuse("iterations", iterations, "a positive integer");
  if (Number.isNaN(tolerance)) refuse("tolerance", tolerance, "a number");
  if (!GRADIENTS.includes(gradient)) refuse("gradient", gradient, GRADIENTS.join(", "));
  checkShape("rowMarginal", options.rowMarginal, [[rows], [problems, rows]]);
  checkShape("columnMarginal", options.columnMarginal, [[columns], [problems, columns]]);
  checkShape("start.f", options.start?.f, [[rows], [problems, rows]]);
  checkShape("start.g", options.start?.g, [[columns], [problems, columns]]);
  checkShape("start.k", options.start?.k, [[], [problems]]);
  return {
    kind: mass !== undefined ? "partial" : rho !== undefined ? "unbalanced" : "balanced",
    epsilons: [...epsilonSchedule, epsilon],
    damping: (at) => (rho === undefined || rho === Infinity ? 1 : rho / (rho + at)),
    iterations,
    tolerance,
    gradient,
  };
}

function checkShape(name: string, tensor: tf.Tensor | undefined, shapes: readonly number[][]): void {
  if (tensor === undefined || shapes.some((shape) => tf.util.arraysEqual(shape, tensor.shape))) return;
  refuse(`the shape of ${name}`, `[${tensor.shape}]`, shapes.map((shape) => `[${shape}]`).join(" or "));
}

function refuse(name: string, got: unknown, expected: string): never {
  throw new RangeError(`Cannot solve optimal transport: ${name} is out of range: got ${got}, expected ${expected}.`);
}
