import type { ShaderProgram } from "../program.ts";
import { NOTHING, ROUNDING, type SinkhornShaderOptions, updateOf, wgslFloat } from "./_sinkhorn_options.ts";
import { each, range, reductions, XYZW } from "./_shader_parts.ts";
import { splitLayout } from "./_tile_layout.ts";

/** Column sums outside of [1/r, r] may have lost terms to underflow or overflow, and are summed again in the log domain. */
const TRUSTED = 1e25;

/** Invocations of the workgroup that closes an iteration. */
const CLOSING_THREADS = 256;

type Size = Pick<SinkhornShaderOptions, "problems" | "rows" | "columns">;

/** Rows of partial column sums, and where the potentials and the changes of blocks stand behind them in the work of a problem. */
function workOf(
  { rows, columns }: Size,
): { blocks: number; sums: number; potentials: number; changes: number; size: number } {
  const { down, rows: tileRows } = splitLayout(rows, columns);
  const blocks = Math.ceil(rows / (down * tileRows));
  const sums = blocks * down;
  const potentials = sums * columns;
  return { blocks, sums, potentials, changes: potentials + rows, size: potentials + rows + blocks };
}

/** Shape of what {@linkcode rowsShader} computes. */
export function workShape(size: Size): [number, number] {
  return [size.problems, workOf(size).size];
}

/**
 * First half of an iteration of a large problem, a block of rows per workgroup: f from g, and what the block adds to the column sums.
 *
 * Each entry is read once and exponentiated once, relative to the largest of its row: `e_ij = exp(g_j − C_ij − m_i)`; then row i has the sum
 * `m_i + log Σ_j e_ij`, and column j, but for g_j, `Σ_i e_ij exp(f_i + m_i + k)`.
 *
 * Inputs: `cost`, `logs` and `state` as in `_tile_shader.ts`. Output: the work of {@linkcode workShape}.
 */
export function rowsShader(
  { problems, rows, columns, kind, tolerance, damping }: SinkhornShaderOptions,
): ShaderProgram {
  const layout = splitLayout(rows, columns);
  const { down, across } = layout;
  const [rows4, columns4, threads] = [layout.rows / 4, layout.columns / 4, down * across];
  const blockRows4 = down * rows4;
  const { blocks, potentials, changes, size } = workOf({ problems, rows, columns });
  const wide = columns % 4 === 0;
  const entries = (body: (i: number, c: number) => string): string =>
    each(layout.rows, (i) => each(columns4, (c) => body(i, c)));
  const costAt = (i: number, c: number): string => {
    const row = `(problem * M + min(top + ${i}, M - 1))`;
    const column = (e: number): string => `min(left + ${4 * c + e}, N - 1)`;
    return wide
      ? `cost[${row} * ${columns / 4} + min(left / 4 + ${c}, ${columns / 4 - 1})]`
      : `vec4<f32>(${range(4).map((e) => `cost[${row} * N + ${column(e)}]`).join(", ")})`;
  };
  /** Joins the columns of each row by `max` or `+`, and hands four rows on. */
  const exchange = (join: (a: string, b: string) => string): string =>
    each(rows4, (i4) => {
      const joined = (i: number): string => range(columns4).map((c) => `x${i}_${c}`).reduce(join);
      return each(4, (e) => `let j${4 * i4 + e} = ${joined(4 * i4 + e)};`) +
        `parts[q * ${blockRows4} + p * ${rows4} + ${i4}] = vec4<f32>(${
          range(4).map((e) => range(4).map((lane) => `j${4 * i4 + e}.${XYZW[lane]}`).reduce(join)).join(", ")
        });`;
    });
  const joinParts = (start: string, join: (a: string, b: string) => string): string =>
    `var all = vec4<f32>(${start}); for (var i = 0; i < ${across}; i = i + 1) { all = ${
      join("all", `parts[t + i * ${blockRows4}]`)
    }; }`;
  const [larger, plus] = [(a: string, b: string) => `max(${a}, ${b})`, (a: string, b: string) => `${a} + ${b}`];
  return {
    key: `sinkhorn-rows/${problems}x${rows}x${columns}/${kind}/${tolerance}/${damping}`,
    inputs: ["cost", "logs", "state"],
    vectorInputs: [wide ? 4 : 1, 1, 1],
    outputShape: workShape({ problems, rows, columns }),
    workgroupSize: [threads, 1, 1],
    workgroups: [blocks * problems, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns};
var<workgroup> parts : array<vec4<f32>, ${across * blockRows4}>;
var<workgroup> ofRow : array<vec4<f32>, ${blockRows4}>;
${reductions(threads)}
fn main(index : i32) {
  let t = i32(localIndex); let p = t / ${across}; let q = t % ${across};
  let problem = i32(workgroupId.x) / ${blocks}; let block = i32(workgroupId.x) % ${blocks};
  let L = problem * (M + N + 1); let S = problem * (M + N + 3); let W = problem * ${size};
  if (state[S + M + N + 1] <= ${wgslFloat(tolerance)}) { return; }
  let k = state[S + M + N];
  let top = block * ${4 * blockRows4} + p * ${layout.rows}; let left = q * ${layout.columns};
  ${
      each(columns4, (c) =>
        `let g${c} = vec4<f32>(${
          range(4).map((e) =>
            `select(${NOTHING}, state[S + M + min(left + ${4 * c + e}, N - 1)], left + ${4 * c + e} < N)`
          )
            .join(", ")
        });`)
    }
  ${entries((i, c) => `var x${i}_${c} = g${c} - ${costAt(i, c)};`)}
  { ${exchange(larger)} }
  workgroupBarrier();
  if (t < ${blockRows4}) { ${joinParts("-3.0e38", larger)} ofRow[t] = all; }
  workgroupBarrier();
  ${each(rows4, (i4) => `let m${i4} = ofRow[p * ${rows4} + ${i4}];`)}
  ${entries((i, c) => `x${i}_${c} = exp(x${i}_${c} - m${i >> 2}.${XYZW[i & 3]});`)}
  { ${exchange(plus)} }
  workgroupBarrier();
  var change = 0.0;
  if (t < ${blockRows4}) {
    ${joinParts("0.0", plus)}
    let top4 = ofRow[t];
    let row = vec4<i32>(block * ${4 * blockRows4} + 4 * t) + vec4<i32>(0, 1, 2, 3);
    let at = min(row, vec4<i32>(M - 1));
    let log4 = vec4<f32>(logs[L + at.x], logs[L + at.y], logs[L + at.z], logs[L + at.w]);
    let old = vec4<f32>(state[S + at.x], state[S + at.y], state[S + at.z], state[S + at.w]);
    let lse = top4 + log(all);
    let raw = log4 - lse - k;
    let next = ${updateOf(kind, damping).potential};
    let moved = abs(next - old) - ${wgslFloat(ROUNDING)} * (abs(lse) + abs(k));
    ${
      each(4, (e) =>
        `if (row[${e}] < M) {
      result[W + ${potentials} + row[${e}]] = next[${e}];
      change = max(change, select(3.0e38, moved[${e}], moved[${e}] < 3.0e38));
    }`)
    }
    ofRow[t] = select(vec4<f32>(0.0), exp(next + top4 + k), row < vec4<i32>(M));
  }
  change = reduceMax(t, change);
  if (t == 0) { result[W + ${changes} + block] = change; }
  ${each(rows4, (i4) => `let h${i4} = ofRow[p * ${rows4} + ${i4}];`)}
  let into = W + (block * ${down} + p) * N;
  ${
      each(columns4, (c) =>
        `var c${c} = x0_${c} * h0.x; ${
          each(layout.rows - 1, (i) =>
            `c${c} = fma(x${i + 1}_${c}, vec4<f32>(h${(i + 1) >> 2}.${XYZW[(i + 1) & 3]}), c${c});`)
        }
  ${
          each(4, (e) => `if (left + ${4 * c + e} < N) { result[into + left + ${4 * c + e}] = c${c}[${e}]; }`)
        }`)
    }
}`,
  };
}

/**
 * Second half of an iteration of a large problem, a workgroup per problem: g from the column sums, the mass, the change and the count.
 *
 * Inputs: `cost`, `logs`, `state` as before the iteration, and the `work` of {@linkcode rowsShader}. Output: the next state.
 */
export function columnsShader(
  { problems, rows, columns, kind, tolerance, damping }: SinkhornShaderOptions,
): ShaderProgram {
  const { blocks, sums, potentials, changes, size } = workOf({ problems, rows, columns });
  return {
    key: `sinkhorn-columns/${problems}x${rows}x${columns}/${kind}/${tolerance}/${damping}`,
    inputs: ["cost", "logs", "state", "work"],
    outputShape: [problems, rows + columns + 3],
    workgroupSize: [CLOSING_THREADS, 1, 1],
    workgroups: [problems, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns};
${reductions(CLOSING_THREADS)}
fn columnSum(j : i32, C : i32, F : i32) -> f32 {
  var top = -3.0e38; var sum = 0.0;
  for (var i = 0; i < M; i = i + 8) {
    ${each(8, (e) => `let r${e} = min(i + ${e}, M - 1); top = max(top, work[F + r${e}] - cost[C + r${e} * N + j]);`)}
  }
  for (var i = 0; i < M; i = i + 8) {
    ${
      each(8, (e) =>
        `let r${e} = min(i + ${e}, M - 1); let x${e} = work[F + r${e}] - cost[C + r${e} * N + j] - top;
    sum = sum + select(0.0, exp(x${e}), i + ${e} < M);`)
    }
  }
  return top + log(sum);
}
fn main(index : i32) {
  let t = i32(localIndex); let problem = i32(workgroupId.x);
  let C = problem * M * N; let L = problem * (M + N + 1); let S = problem * (M + N + 3); let W = problem * ${size};
  let finished = state[S + M + N + 1] <= ${wgslFloat(tolerance)};
  let k = state[S + M + N];
  var change = 0.0; var top = -3.0e38; var total = 0.0;
  for (var j = t; j < N; j = j + ${CLOSING_THREADS}) {
    let old = state[S + M + j];
    var sum = 0.0;
    for (var i = 0; i < ${sums}; i = i + 4) {
      ${each(4, (e) => `sum = sum + select(0.0, work[W + min(i + ${e}, ${sums - 1}) * N + j], i + ${e} < ${sums});`)}
    }
    var lse = log(sum) - old - k;
    var lost = select(0, 1, !(sum > ${wgslFloat(1 / TRUSTED)} && sum < ${wgslFloat(TRUSTED)}));
    for (; lost > 0; lost = lost - 1) { lse = columnSum(j, C, W + ${potentials}); }
    let raw = logs[L + M + j] - lse - k;
    let next = ${updateOf(kind, damping).potential.replaceAll("vec4<f32>(0.0)", "0.0")};
    let moved = abs(next - old) - ${wgslFloat(ROUNDING)} * (abs(lse) + abs(k));
    change = max(change, select(3.0e38, moved, moved < 3.0e38));
    result[S + M + j] = select(next, old, finished);
    let term = next + lse;
    if (term > top) { total = total * exp(top - term) + 1.0; top = term; } else { total = total + exp(term - top); }
  }
  for (var block = t; block < ${blocks}; block = block + ${CLOSING_THREADS}) { change = max(change, work[W + ${changes} + block]); }
  for (var i = t; i < M; i = i + ${CLOSING_THREADS}) { result[S + i] = select(work[W + ${potentials} + i], state[S + i], finished); }
  var nextMass = k;
  ${
      kind === "partial"
        ? `let allTop = reduceMax(t, top);
  let all = allTop + log(reduceSum(t, total * exp(top - allTop)));
  nextMass = logs[L + M + N] - all;
  let moved = abs(nextMass - k) - ${wgslFloat(ROUNDING)} * abs(all);
  change = max(change, select(3.0e38, moved, moved < 3.0e38));`
        : ""
    }
  change = reduceMax(t, change);
  if (t == 0) {
    result[S + M + N] = select(nextMass, k, finished);
    result[S + M + N + 1] = select(change, state[S + M + N + 1], finished);
    result[S + M + N + 2] = state[S + M + N + 2] + select(1.0, 0.0, finished);
  }
}`,
  };
}
