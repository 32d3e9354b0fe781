import type { ShaderProgram } from "../program.ts";

/** Invocations of the one workgroup that solves one problem: enough for its rows and columns, not more than must wait. */
function threadsFor(rows: number, columns: number): number {
  return Math.min(256, 2 ** Math.ceil(Math.log2(Math.max(32, rows, columns))));
}

/** llvmpipe silently ends every loop of an invocation after 65,535 iterations in all: stay well below. */
const LOOP_BUDGET = 50_000;

/** Largest number of rows or columns that the Sinkhorn shader takes: its potentials live in workgroup memory. */
export const MAX_SINKHORN_SIZE = 1024;

/** Largest number of rows or columns that the adjoint shader takes. */
export const MAX_ADJOINT_SIZE = 512;

const reductions = (threads: number): string => /* wgsl */ `
var<workgroup> lane : array<f32, ${threads}>;
fn reduceMax(t : i32, value : f32) -> f32 {
  workgroupBarrier();
  lane[t] = value;
  workgroupBarrier();
  for (var half = ${threads / 2}; half > 0; half = half / 2) {
    if (t < half) { lane[t] = max(lane[t], lane[t + half]); }
    workgroupBarrier();
  }
  return lane[0];
}
fn reduceSum(t : i32, value : f32) -> f32 {
  workgroupBarrier();
  lane[t] = value;
  workgroupBarrier();
  for (var half = ${threads / 2}; half > 0; half = half / 2) {
    if (t < half) { lane[t] = lane[t] + lane[t + half]; }
    workgroupBarrier();
  }
  return lane[0];
}`;

/** Iterations of {@linkcode sinkhornShader} that fit one dispatch. */
export function sinkhornIterationsPerDispatch(rows: number, columns: number): number {
  const threads = threadsFor(rows, columns);
  const perIteration = 2 * Math.ceil(rows / threads) * columns + Math.ceil(columns / threads) * rows + 64;
  return Math.max(1, Math.floor(LOOP_BUDGET / perIteration));
}

/**
 * Log-domain Sinkhorn in one workgroup, log-sum-exp in one pass over a row or column.
 *
 * Inputs: `cost` `[rows, columns]` over ε, `logs` `[rows + columns + 1]` (log a, log b, log mass), `state` `[rows + columns + 2]`.
 * Output, in the form of `state`: f, g, k and the last change of a potential.
 */
export function sinkhornShader(
  rows: number,
  columns: number,
  options: { partial: boolean; iterations: number },
): ShaderProgram {
  const { partial, iterations } = options;
  const threads = threadsFor(rows, columns);
  const cap = partial ? "min(0.0, raw)" : "raw";
  return {
    key: `sinkhorn/${rows}x${columns}/${partial}/${iterations}`,
    inputs: ["cost", "logs", "state"],
    outputShape: [rows + columns + 2],
    workgroupSize: [threads, 1, 1],
    workgroups: [1, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns};
var<workgroup> f : array<f32, M>;
var<workgroup> g : array<f32, N>;
var<workgroup> rowSum : array<f32, M>;
${reductions(threads)}
fn updateRowSums(t : i32) {
  for (var i = t; i < M; i = i + ${threads}) {
    var top = -3.0e38; var sum = 0.0;
    for (var j = 0; j < N; j = j + 1) {
      let v = g[j] - cost[i * N + j];
      if (v > top) { sum = sum * exp(top - v) + 1.0; top = v; } else { sum = sum + exp(v - top); }
    }
    rowSum[i] = top + log(sum);
  }
}
fn main(index : i32) {
  let t = i32(localIndex);
  for (var i = t; i < M; i = i + ${threads}) { f[i] = state[i]; }
  for (var j = t; j < N; j = j + ${threads}) { g[j] = state[M + j]; }
  var k = state[M + N];
  var change = 0.0;
  workgroupBarrier();
  updateRowSums(t);
  workgroupBarrier();
  for (var iteration = 0; iteration < ${iterations}; iteration = iteration + 1) {
    change = 0.0;
    for (var i = t; i < M; i = i + ${threads}) {
      let raw = logs[i] - rowSum[i] - k;
      let next = ${cap};
      change = max(change, abs(next - f[i]));
      f[i] = next;
    }
    workgroupBarrier();
    for (var j = t; j < N; j = j + ${threads}) {
      var top = -3.0e38; var sum = 0.0;
      for (var i = 0; i < M; i = i + 1) {
        let v = f[i] - cost[i * N + j];
        if (v > top) { sum = sum * exp(top - v) + 1.0; top = v; } else { sum = sum + exp(v - top); }
      }
      let raw = logs[M + j] - (top + log(sum)) - k;
      let next = ${cap};
      change = max(change, abs(next - g[j]));
      g[j] = next;
    }
    workgroupBarrier();
    updateRowSums(t);
    workgroupBarrier();
    ${partial ? updateMass(threads) : ""}
  }
  let last = reduceMax(t, change);
  for (var i = t; i < M; i = i + ${threads}) { result[i] = f[i]; }
  for (var j = t; j < N; j = j + ${threads}) { result[M + j] = g[j]; }
  if (t == 0) { result[M + N] = k; result[M + N + 1] = last; }
}`,
  };
}

const updateMass = (threads: number): string => /* wgsl */ `
    var top = -3.0e38;
    for (var i = t; i < M; i = i + ${threads}) { top = max(top, f[i] + rowSum[i]); }
    top = reduceMax(t, top);
    var total = 0.0;
    for (var i = t; i < M; i = i + ${threads}) { total = total + exp(f[i] + rowSum[i] - top); }
    total = reduceSum(t, total);
    let nextMass = logs[M + N] - top - log(total);
    change = max(change, abs(nextMass - k));
    k = nextMass;
    workgroupBarrier();`;

/** Iterations of {@linkcode adjointShader} that fit one dispatch, at most `wanted`. */
export function adjointIterations(rows: number, columns: number, wanted: number): number {
  const threads = threadsFor(rows, columns);
  const perIteration = Math.ceil(rows / threads) * columns + Math.ceil(columns / threads) * rows + 64;
  return Math.min(wanted, Math.floor(LOOP_BUDGET / perIteration) - 2);
}

/**
 * Conjugate gradients for the adjoint system of `_adjoint.ts`, in one workgroup; vectors live in the output buffer.
 *
 * Inputs: `plan` and `gradient` `[rows, columns]`, `free` `[rows + columns + 1]` of 0 and 1.
 * Output: `[6, rows + columns + 1]`, of which the first row is the solution and the rest is scratch.
 */
export function adjointShader(rows: number, columns: number, iterations: number): ShaderProgram {
  const size = rows + columns + 1;
  const threads = threadsFor(rows, columns);
  return {
    key: `sinkhorn-adjoint/${rows}x${columns}/${iterations}`,
    inputs: ["plan", "gradient", "free"],
    outputShape: [6, size],
    workgroupSize: [threads, 1, 1],
    workgroups: [1, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns}; const S = ${size};
const X = 0; const R = ${size}; const P = ${2 * size}; const Q = ${3 * size}; const SCALE = ${
      4 * size
    }; const DIAGONAL = ${5 * size};
${reductions(threads)}
fn main(index : i32) {
  let t = i32(localIndex);
  // Row sums, column sums and totals of plan and gradient.
  var planTotal = 0.0; var gradientTotal = 0.0;
  for (var i = t; i < M; i = i + ${threads}) {
    var a = 0.0; var b = 0.0;
    for (var j = 0; j < N; j = j + 1) { a = a + plan[i * N + j]; b = b + gradient[i * N + j]; }
    result[DIAGONAL + i] = a; result[R + i] = b;
    planTotal = planTotal + a; gradientTotal = gradientTotal + b;
  }
  for (var j = t; j < N; j = j + ${threads}) {
    var a = 0.0; var b = 0.0;
    for (var i = 0; i < M; i = i + 1) { a = a + plan[i * N + j]; b = b + gradient[i * N + j]; }
    result[DIAGONAL + M + j] = a; result[R + M + j] = b;
  }
  planTotal = reduceSum(t, planTotal);
  gradientTotal = reduceSum(t, gradientTotal);
  if (t == 0) { result[DIAGONAL + S - 1] = planTotal; result[R + S - 1] = gradientTotal; }
  storageBarrier();
  workgroupBarrier();
  var squared = 0.0;
  for (var s = t; s < S; s = s + ${threads}) {
    let d = result[DIAGONAL + s];
    var scale = 0.0;
    if (free[s] > 0.0 && d > 0.0) { scale = inverseSqrt(d); }
    let r = result[R + s] * scale;
    result[SCALE + s] = scale; result[X + s] = 0.0; result[R + s] = r; result[P + s] = r;
    squared = squared + r * r;
  }
  squared = reduceSum(t, squared);
  let goal = squared * 1.0e-14;
  for (var iteration = 0; iteration < ${iterations}; iteration = iteration + 1) {
    storageBarrier();
    workgroupBarrier();
    let kappa = result[P + S - 1] * result[SCALE + S - 1];
    var massShare = 0.0; var curvature = 0.0;
    for (var i = t; i < M; i = i + ${threads}) {
      let x = result[P + i] * result[SCALE + i];
      var q = result[DIAGONAL + i] * (x + kappa);
      for (var j = 0; j < N; j = j + 1) { q = q + plan[i * N + j] * result[P + M + j] * result[SCALE + M + j]; }
      massShare = massShare + result[DIAGONAL + i] * x;
      q = q * result[SCALE + i];
      result[Q + i] = q;
      curvature = curvature + q * result[P + i];
    }
    for (var j = t; j < N; j = j + ${threads}) {
      let y = result[P + M + j] * result[SCALE + M + j];
      var q = result[DIAGONAL + M + j] * (y + kappa);
      for (var i = 0; i < M; i = i + 1) { q = q + plan[i * N + j] * result[P + i] * result[SCALE + i]; }
      massShare = massShare + result[DIAGONAL + M + j] * y;
      q = q * result[SCALE + M + j];
      result[Q + M + j] = q;
      curvature = curvature + q * result[P + M + j];
    }
    massShare = reduceSum(t, massShare);
    let massProduct = (massShare + result[DIAGONAL + S - 1] * kappa) * result[SCALE + S - 1];
    if (t == 0) { result[Q + S - 1] = massProduct; curvature = curvature + massProduct * result[P + S - 1]; }
    curvature = reduceSum(t, curvature);
    var step = 0.0;
    if (squared > goal && curvature > 0.0) { step = squared / curvature; }
    storageBarrier();
    workgroupBarrier();
    var next = 0.0;
    for (var s = t; s < S; s = s + ${threads}) {
      result[X + s] = result[X + s] + step * result[P + s];
      let r = result[R + s] - step * result[Q + s];
      result[R + s] = r;
      next = next + r * r;
    }
    next = reduceSum(t, next);
    var ratio = 0.0;
    if (step > 0.0) { ratio = next / squared; squared = next; }
    storageBarrier();
    workgroupBarrier();
    for (var s = t; s < S; s = s + ${threads}) { result[P + s] = result[R + s] + ratio * result[P + s]; }
  }
  storageBarrier();
  workgroupBarrier();
  for (var s = t; s < S; s = s + ${threads}) { result[X + s] = result[X + s] * result[SCALE + s]; }
}`,
  };
}
