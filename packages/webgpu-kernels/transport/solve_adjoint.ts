/** What the adjoint of a transport problem is solved from; see {@linkcode solveAdjoint}. */
export interface AdjointProblem {
  /** Rows of the plan. */
  readonly rows: number;
  /** Columns of the plan. */
  readonly columns: number;
  /** `[rows, columns]` plan, in C order. */
  readonly plan: ArrayLike<number>;
  /** `[rows + columns + 1]` for f, g and k: 1 where a potential is free, 0 where it is held. */
  readonly free: ArrayLike<number>;
  /** `[rows + columns + 1]` right-hand side. */
  readonly right: ArrayLike<number>;
  /** `ρ / (ρ + ε)` of unbalanced transport, else 1. */
  readonly damping: number;
}

/** Options of {@linkcode solveAdjoint}. */
export interface AdjointOptions {
  /** Most iterations. */
  readonly iterations: number;
  /** Residual, as a share of the right-hand side, at which to stop. Default 1e-7, for float32 data. */
  readonly tolerance?: number;
  /**
   * Added to the eigenvalues of the system scaled to a unit diagonal, which lie in [0, 3]: what rounding puts into a null
   * space then stays bounded. Default 1e-6, for float32 data.
   */
  readonly regularisation?: number;
}

/** The defaults of {@linkcode AdjointOptions}, which the WebGPU kernel shares. */
export const ADJOINT_DEFAULTS = { tolerance: 1e-7, regularisation: 1e-6 } as const;

/**
 * Solves the linear system that says how potentials answer to a change, by conjugate gradients in double precision.
 *
 * The system is the Hessian of the dual, restricted to the free potentials, with r, c and s the plan's row sums, column sums and mass:
 * `r_i x_i / τ + Σ_j π_ij y_j + r_i κ = right_i`, columns likewise, mass `Σ r_i x_i + Σ c_j y_j + s κ = right_last`;
 * τ is the damping. A potential is held when its marginal is below its cap (partial transport), and κ unless transport is
 * partial.
 *
 * Implicit gradients: with G the gradient of a loss with respect to log π and `right` the row sums, column sums and total of G,
 * the gradient with respect to the scaled cost is `−G + π ⊙ (x_i + y_j + κ)`. Balanced, the system has the null space (1, −1),
 * which leaves that sum as it is.
 *
 * @param problem The system; not checked.
 * @param options Iterations, tolerance and regularisation.
 * @returns `[rows + columns + 1]`: x, y and κ, 0 where held.
 */
export function solveAdjoint(problem: AdjointProblem, options: AdjointOptions): Float64Array {
  const { iterations, tolerance, regularisation } = { ...ADJOINT_DEFAULTS, ...options };
  const { rows, columns, plan, free, right, damping } = problem;
  const size = rows + columns + 1;
  const diagonal = new Float64Array(size);
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, at++) {
      diagonal[i]! += plan[at]! / damping;
      diagonal[rows + j]! += plan[at]! / damping;
      diagonal[size - 1]! += plan[at]!;
    }
  }
  // Scaled by the square root of the diagonal on both sides: S H S u = S right, x = S u.
  const scale = diagonal.map((value, index) => (free[index]! > 0 && value > 0 ? 1 / Math.sqrt(value) : 0));
  const apply = (u: Float64Array): Float64Array => {
    const x = u.map((value, index) => value * scale[index]!);
    const out = x.map((value, index) => value * diagonal[index]!);
    const kappa = x[size - 1]!;
    for (let i = 0, at = 0; i < rows; i++) {
      const own = x[i]!;
      let row = 0;
      let mass = 0;
      for (let j = 0; j < columns; j++, at++) {
        const weight = plan[at]!;
        row += weight * (x[rows + j]! + kappa);
        out[rows + j]! += weight * (own + kappa);
        mass += weight * (own + x[rows + j]!);
      }
      out[i]! += row;
      out[size - 1]! += mass;
    }
    return out.map((value, index) => value * scale[index]! + regularisation * u[index]!);
  };
  const solution = new Float64Array(size);
  const residual = Float64Array.from({ length: size }, (_, index) => right[index]! * scale[index]!);
  const direction = residual.slice();
  let squared = dot(residual, residual);
  const goal = squared * tolerance ** 2;
  for (let done = 0; done < iterations && squared > goal; done++) {
    const applied = apply(direction);
    const curvature = dot(direction, applied);
    if (!(curvature > 0)) break;
    const step = squared / curvature;
    for (let index = 0; index < size; index++) {
      solution[index]! += step * direction[index]!;
      residual[index]! -= step * applied[index]!;
    }
    const next = dot(residual, residual);
    for (let index = 0; index < size; index++) {
      direction[index] = residual[index]! + (next / squared) * direction[index]!;
    }
    squared = next;
  }
  return solution.map((value, index) => value * scale[index]!);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}
