/** What the adjoint of a transport problem is solved from; see {@linkcode solveAdjoint}. */
export interface AdjointProblem {
  readonly rows: number;
  readonly columns: number;
  /** `[rows, columns]` plan. */
  readonly plan: ArrayLike<number>;
  /** `[rows]` and `[columns]`: 1 where the potential is free, 0 where it is held at 0 (a marginal below its cap). */
  readonly freeRows: ArrayLike<number>;
  readonly freeColumns: ArrayLike<number>;
  /** Whether the mass potential is free: 1 for partial transport, else 0. */
  readonly freeMass: number;
  /** `[rows, columns]` gradient of the loss with respect to log plan. */
  readonly gradient: ArrayLike<number>;
}

/**
 * Solves for how a change of cost acts through the potentials (implicit function theorem).
 *
 * With G the gradient with respect to log π, the gradient with respect to the scaled cost is `−G + π ⊙ (x_i + y_j + κ)` where
 * `[x, y, κ]` solves the symmetric, positive semidefinite system of the constraints' derivatives restricted to the free
 * potentials: rows `r_i x_i + Σ_j π_ij y_j + r_i κ = Σ_j G_ij`, columns likewise, mass `Σ r_i x_i + Σ c_j y_j + s κ = Σ G`.
 * Solved by conjugate gradients scaled by the diagonal; the null space (1, −1) does no harm, since the sum is unaffected.
 *
 * @returns `[rows + columns + 1]`: x, y and κ.
 */
export function solveAdjoint(problem: AdjointProblem, iterations: number): Float64Array {
  const { rows, columns, plan, gradient } = problem;
  const size = rows + columns + 1;
  const free = new Float64Array(size);
  const diagonal = new Float64Array(size);
  const right = new Float64Array(size);
  for (let i = 0; i < rows; i++) free[i] = problem.freeRows[i]!;
  for (let j = 0; j < columns; j++) free[rows + j] = problem.freeColumns[j]!;
  free[size - 1] = problem.freeMass;
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, at++) {
      for (const unknown of [i, rows + j, size - 1]) {
        diagonal[unknown]! += plan[at]!;
        right[unknown]! += gradient[at]!;
      }
    }
  }
  // Scaled by the square root of the diagonal on both sides: S M S u = S b, x = S u.
  const scale = diagonal.map((value, index) => (free[index]! > 0 && value > 0 ? 1 / Math.sqrt(value) : 0));
  const apply = (u: Float64Array): Float64Array => {
    const x = u.map((value, index) => value * scale[index]!);
    const out = x.map((value, index) => value * diagonal[index]!);
    const kappa = x[size - 1]!;
    for (let i = 0, at = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++, at++) {
        const weight = plan[at]!;
        out[i]! += weight * (x[rows + j]! + kappa);
        out[rows + j]! += weight * (x[i]! + kappa);
        out[size - 1]! += weight * (x[i]! + x[rows + j]!);
      }
    }
    return out.map((value, index) => value * scale[index]!);
  };
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, index) => sum + value * b[index]!, 0);
  const solution = new Float64Array(size);
  const residual = right.map((value, index) => value * scale[index]!);
  const direction = residual.slice();
  let squared = dot(residual, residual);
  const target = squared * 1e-24;
  for (let done = 0; done < iterations && squared > target && squared > 0; done++) {
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
