import type { ShaderProgram } from "../program.ts";
import { LOOP_BUDGET, reductions, threadsFor } from "./_shader_parts.ts";
import { ADJOINT_DEFAULTS } from "./solve_adjoint.ts";

/** What an adjoint shader is generated from. */
export interface AdjointShaderOptions {
  readonly problems: number;
  readonly rows: number;
  readonly columns: number;
  readonly iterations: number;
  readonly damping: number;
  /** Whether to start conjugate gradients, or to go on from the vectors in `state`. */
  readonly phase: "start" | "resume";
}

/** Vectors per problem that the shader keeps: solution, residual, direction, product, scale, diagonal. */
export const ADJOINT_VECTORS = 6;

/** Iterations of {@linkcode adjointShader} that fit one dispatch. */
export function adjointIterationsPerDispatch(rows: number, columns: number): number {
  const threads = threadsFor(rows, columns);
  const sweep = Math.ceil(rows / threads) * (columns + 1) + Math.ceil(columns / threads) * (rows + 1);
  const vectors = Math.ceil((rows + columns + 1) / threads);
  return Math.max(1, Math.floor((LOOP_BUDGET - sweep - 8 * vectors) / (sweep + 3 * vectors + 3 * Math.log2(threads))));
}

/**
 * Conjugate gradients for the system of `solve_adjoint.ts`, one workgroup per problem; vectors live in the output.
 *
 * Inputs: `plan` `[problems, rows, columns]`, `right` `[problems, size]`, then to start `free` `[problems, size]` and to resume
 * `state`, an earlier output.
 * Output: `[problems, 6 · size]`, of each problem the first `size` numbers are the solution and the rest is what a later dispatch
 * resumes from.
 */
export function adjointShader(options: AdjointShaderOptions): ShaderProgram {
  const { problems, rows, columns, iterations, damping, phase } = options;
  const size = rows + columns + 1;
  const threads = threadsFor(rows, columns);
  return {
    key: `sinkhorn-adjoint/${problems}x${rows}x${columns}/${iterations}/${damping}/${phase}`,
    inputs: phase === "start" ? ["plan", "right", "free"] : ["plan", "right", "state"],
    outputShape: [problems, ADJOINT_VECTORS * size],
    workgroupSize: [threads, 1, 1],
    workgroups: [problems, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns}; const S = ${size}; const DAMPING = f32(${damping}); const LAMBDA = f32(${ADJOINT_DEFAULTS.regularisation});
${reductions(threads)}
fn main(index : i32) {
  let t = i32(localIndex);
  let problem = i32(workgroupId.x);
  let A = problem * M * N;
  let X = problem * ${ADJOINT_VECTORS} * S;
  let R = X + S; let P = R + S; let Q = P + S; let SCALE = Q + S; let DIAGONAL = SCALE + S;
  ${phase === "start" ? start(threads) : resume(threads)}
  var squared = 0.0; var goal = 0.0;
  for (var s = t; s < S; s = s + ${threads}) {
    squared = squared + result[R + s] * result[R + s];
    let r = right[problem * S + s] * result[SCALE + s];
    goal = goal + r * r;
  }
  squared = reduceSum(t, squared);
  goal = ${ADJOINT_DEFAULTS.tolerance ** 2} * reduceSum(t, goal);
  for (var iteration = 0; iteration < ${iterations}; iteration = iteration + 1) {
    storageBarrier();
    workgroupBarrier();
    let kappa = result[P + S - 1] * result[SCALE + S - 1];
    var massShare = 0.0; var curvature = 0.0;
    for (var i = t; i < M; i = i + ${threads}) {
      let x = result[P + i] * result[SCALE + i];
      var q = result[DIAGONAL + i] * (x + DAMPING * kappa);
      for (var j = 0; j < N; j = j + 1) { q = q + plan[A + i * N + j] * result[P + M + j] * result[SCALE + M + j]; }
      massShare = massShare + DAMPING * result[DIAGONAL + i] * x;
      q = q * result[SCALE + i] + LAMBDA * result[P + i];
      result[Q + i] = q;
      curvature = curvature + q * result[P + i];
    }
    for (var j = t; j < N; j = j + ${threads}) {
      let y = result[P + M + j] * result[SCALE + M + j];
      var q = result[DIAGONAL + M + j] * (y + DAMPING * kappa);
      for (var i = 0; i < M; i = i + 1) { q = q + plan[A + i * N + j] * result[P + i] * result[SCALE + i]; }
      massShare = massShare + DAMPING * result[DIAGONAL + M + j] * y;
      q = q * result[SCALE + M + j] + LAMBDA * result[P + M + j];
      result[Q + M + j] = q;
      curvature = curvature + q * result[P + M + j];
    }
    massShare = reduceSum(t, massShare);
    if (t == 0) {
      let product = (massShare + result[DIAGONAL + S - 1] * kappa) * result[SCALE + S - 1] + LAMBDA * result[P + S - 1];
      result[Q + S - 1] = product;
      curvature = curvature + product * result[P + S - 1];
    }
    curvature = reduceSum(t, curvature);
    var step = 0.0;
    if (squared > goal && curvature > 0.0) { step = squared / curvature; }
    storageBarrier();
    workgroupBarrier();
    var next = 0.0;
    for (var s = t; s < S; s = s + ${threads}) {
      result[X + s] = result[X + s] + step * result[P + s] * result[SCALE + s];
      let r = result[R + s] - step * result[Q + s];
      result[R + s] = r;
      next = next + r * r;
    }
    next = reduceSum(t, next);
    var ratio = 0.0;
    if (step > 0.0) { ratio = next / squared; squared = next; }
    for (var s = t; s < S; s = s + ${threads}) { result[P + s] = result[R + s] + ratio * result[P + s]; }
  }
}`,
  };
}

const start = (threads: number): string => /* wgsl */ `
  var total = 0.0;
  for (var i = t; i < M; i = i + ${threads}) {
    var sum = 0.0;
    for (var j = 0; j < N; j = j + 1) { sum = sum + plan[A + i * N + j]; }
    result[DIAGONAL + i] = sum / DAMPING;
    total = total + sum;
  }
  for (var j = t; j < N; j = j + ${threads}) {
    var sum = 0.0;
    for (var i = 0; i < M; i = i + 1) { sum = sum + plan[A + i * N + j]; }
    result[DIAGONAL + M + j] = sum / DAMPING;
  }
  total = reduceSum(t, total);
  if (t == 0) { result[DIAGONAL + S - 1] = total; }
  storageBarrier();
  workgroupBarrier();
  for (var s = t; s < S; s = s + ${threads}) {
    var scale = 0.0;
    if (free[problem * S + s] > 0.0 && result[DIAGONAL + s] > 0.0) { scale = inverseSqrt(result[DIAGONAL + s]); }
    let r = right[problem * S + s] * scale;
    result[SCALE + s] = scale; result[X + s] = 0.0; result[R + s] = r; result[P + s] = r; result[Q + s] = 0.0;
  }`;

const resume = (threads: number): string => /* wgsl */ `
  for (var s = t; s < ${ADJOINT_VECTORS} * S; s = s + ${threads}) { result[X + s] = state[X + s]; }
  storageBarrier();
  workgroupBarrier();`;
