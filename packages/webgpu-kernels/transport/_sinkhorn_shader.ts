import type { ShaderProgram } from "../program.ts";
import { LOOP_BUDGET, reductions, threadsFor } from "./_shader_parts.ts";
import type { TransportKind } from "./iterate_potentials.ts";

/** Largest number of rows or columns that the shader takes: its potentials live in workgroup memory. */
export const MAX_SINKHORN_SIZE = 1024;

/** Iterations between two looks at the change: a look costs a reduction over the workgroup. */
const LOOK_EVERY = 8;

/** A change of this share of the numbers that it came from is float32 rounding. */
const ROUNDING = 4.8e-7;

/** What a Sinkhorn shader is generated from. */
export interface SinkhornShaderOptions {
  readonly problems: number;
  readonly rows: number;
  readonly columns: number;
  readonly kind: TransportKind;
  readonly iterations: number;
  readonly tolerance: number;
  readonly damping: number;
}

/** Iterations of {@linkcode sinkhornShader} that fit one dispatch. */
export function sinkhornIterationsPerDispatch(rows: number, columns: number): number {
  const threads = threadsFor(rows, columns);
  const [rowsEach, columnsEach] = [Math.ceil(rows / threads), Math.ceil(columns / threads)];
  const perIteration = rowsEach * (columns + 4) + columnsEach * (rows + 1) + 3 * Math.log2(threads);
  return Math.max(1, Math.floor((LOOP_BUDGET - 2 * columns * rowsEach) / perIteration));
}

/**
 * Log-domain Sinkhorn, one workgroup per problem, log-sum-exp in one pass over a row or column.
 *
 * Inputs: `cost` `[problems, rows, columns]` over ε, `logs` `[problems, rows + columns + 1]` (log a, log b, log mass), `state`
 * `[problems, rows + columns + 3]`. Output, in the form of `state`: f, g, k, the last change of a potential, iterations done.
 */
export function sinkhornShader(options: SinkhornShaderOptions): ShaderProgram {
  const { problems, rows, columns, kind, iterations, tolerance, damping } = options;
  const threads = threadsFor(rows, columns);
  const next = { balanced: "raw", partial: "min(0.0, raw)", unbalanced: `${wgslFloat(damping)} * raw` }[kind];
  const update = (side: "f" | "g", at: string, log: string, sum: string): string => /* wgsl */ `
      let sum = ${sum};
      let raw = ${log} - sum - k;
      let next = ${next};
      change = max(change, abs(next - ${side}[${at}]) - ${wgslFloat(ROUNDING)} * (abs(sum) + abs(k)));
      ${side}[${at}] = next;`;
  return {
    key: `sinkhorn/${problems}x${rows}x${columns}/${kind}/${iterations}/${tolerance}/${damping}`,
    inputs: ["cost", "logs", "state"],
    outputShape: [problems, rows + columns + 3],
    workgroupSize: [threads, 1, 1],
    workgroups: [problems, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns};
var<workgroup> f : array<f32, M>;
var<workgroup> g : array<f32, N>;
var<workgroup> rowSum : array<f32, M>;
var<workgroup> finished : i32;
${reductions(threads)}
fn updateRowSums(t : i32, C : i32) {
  for (var i = t; i < M; i = i + ${threads}) {
    var top = -3.0e38; var sum = 0.0;
    for (var j = 0; j < N; j = j + 1) {
      let v = g[j] - cost[C + i * N + j];
      if (v > top) { sum = sum * exp(top - v) + 1.0; top = v; } else { sum = sum + exp(v - top); }
    }
    rowSum[i] = top + log(sum);
  }
}
fn columnSum(j : i32, C : i32) -> f32 {
  var top = -3.0e38; var sum = 0.0;
  for (var i = 0; i < M; i = i + 1) {
    let v = f[i] - cost[C + i * N + j];
    if (v > top) { sum = sum * exp(top - v) + 1.0; top = v; } else { sum = sum + exp(v - top); }
  }
  return top + log(sum);
}
fn main(index : i32) {
  let t = i32(localIndex);
  let problem = i32(workgroupId.x);
  let C = problem * M * N; let L = problem * (M + N + 1); let S = problem * (M + N + 3);
  for (var i = t; i < M; i = i + ${threads}) { f[i] = state[S + i]; }
  for (var j = t; j < N; j = j + ${threads}) { g[j] = state[S + M + j]; }
  var k = state[S + M + N];
  var worst = state[S + M + N + 1];
  var done = state[S + M + N + 2];
  if (t == 0) { finished = select(0, 1, worst <= ${wgslFloat(tolerance)}); }
  workgroupBarrier();
  updateRowSums(t, C);
  for (var iteration = 1; iteration <= ${iterations}; iteration = iteration + 1) {
    if (workgroupUniformLoad(&finished) == 1) { break; }
    var change = 0.0;
    for (var i = t; i < M; i = i + ${threads}) {${update("f", "i", "logs[L + i]", "rowSum[i]")}
    }
    workgroupBarrier();
    for (var j = t; j < N; j = j + ${threads}) {${update("g", "j", "logs[L + M + j]", "columnSum(j, C)")}
    }
    workgroupBarrier();
    updateRowSums(t, C);
    ${kind === "partial" ? updateMass(threads) : ""}
    done = done + 1.0;
    if (iteration % ${LOOK_EVERY} == 0 || iteration == ${iterations}) {
      worst = reduceMax(t, change);
      if (t == 0 && worst <= ${wgslFloat(tolerance)}) { finished = 1; }
    }
  }
  workgroupBarrier();
  for (var i = t; i < M; i = i + ${threads}) { result[S + i] = f[i]; }
  for (var j = t; j < N; j = j + ${threads}) { result[S + M + j] = g[j]; }
  if (t == 0) { result[S + M + N] = k; result[S + M + N + 1] = worst; result[S + M + N + 2] = done; }
}`,
  };
}

const updateMass = (threads: number): string => /* wgsl */ `
    var top = -3.0e38;
    for (var i = t; i < M; i = i + ${threads}) { top = max(top, f[i] + rowSum[i]); }
    top = reduceMax(t, top);
    var total = 0.0;
    for (var i = t; i < M; i = i + ${threads}) { total = total + exp(f[i] + rowSum[i] - top); }
    total = top + log(reduceSum(t, total));
    let nextMass = logs[L + M + N] - total;
    change = max(change, abs(nextMass - k) - ${wgslFloat(ROUNDING)} * abs(total));
    k = nextMass;`;

/** Writes a number as a WGSL float literal. */
function wgslFloat(value: number): string {
  return `f32(${value.toExponential(8)})`;
}
