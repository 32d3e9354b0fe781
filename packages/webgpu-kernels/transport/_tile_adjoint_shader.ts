import type { ShaderProgram } from "../program.ts";
import { each, range } from "./_shader_parts.ts";
import { wgslFloat } from "./_sinkhorn_options.ts";
import type { TileLayout } from "./_tile_layout.ts";
import { loadColumnWeights, loadTile, productOfColumns, productOfRows } from "./_tile_products.ts";
import { ADJOINT_DEFAULTS } from "./solve_adjoint.ts";

/** What an adjoint shader in tiles is generated from. */
export interface TileAdjointOptions {
  readonly problems: number;
  readonly rows: number;
  readonly columns: number;
  readonly iterations: number;
  readonly damping: number;
}

/** Workgroup memory in bytes beyond that of the layout. */
export const TILE_ADJOINT_BYTES = 16 * 256 + 16 * 8;

/**
 * Conjugate gradients for the system of `solve_adjoint.ts`, one workgroup per problem, the plan in its registers as in `_tile_shader.ts`.
 *
 * Inputs: `plan` `[problems, rows, columns]`, `right` and `free` `[problems, rows + columns + 1]`. Output: the solutions, likewise.
 */
export function tileAdjointShader(options: TileAdjointOptions, layout: TileLayout): ShaderProgram {
  const { problems, rows, columns, iterations, damping } = options;
  const { down, across } = layout;
  const [rows4, columns4, threads] = [layout.rows / 4, layout.columns / 4, down * across];
  const [allRows4, allColumns4] = [down * rows4, across * columns4];
  const sumOf = (count: number, stride: number): string =>
    range(count).map((index) => `parts[t + ${index * stride}]`).join(" + ");
  /** Products with `vw` and `uw`, which owners find in `ofRows` and `ofColumns`. */
  const multiply = /* wgsl */ `
    workgroupBarrier();
    ${across === 1 ? "var product : vec4<f32>; let au = uw[t];" : ""}
    {
      ${loadColumnWeights(layout)}
      ${productOfRows(layout)}
    }
    ${
    across === 1
      ? "ofRows = product;"
      : `workgroupBarrier();\nif (ownsRows) { ofRows = ${sumOf(across, allRows4)}; }\nworkgroupBarrier();`
  }
    {
      ${productOfColumns(layout)}
    }
    workgroupBarrier();
    if (ownsColumns) { ofColumns = ${sumOf(down, allColumns4)}; }`;
  return {
    key: `sinkhorn-tile-adjoint/${problems}x${rows}x${columns}/${down}x${across}/${iterations}/${damping}`,
    inputs: ["plan", "right", "free"],
    vectorInputs: [columns % 4 === 0 ? 4 : 1, 1, 1],
    outputShape: [problems, rows + columns + 1],
    workgroupSize: [threads, 1, 1],
    workgroups: [problems, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns}; const S = ${rows + columns + 1};
const DAMPING = ${wgslFloat(damping)}; const LAMBDA = ${wgslFloat(ADJOINT_DEFAULTS.regularisation)};
var<workgroup> uw : array<vec4<f32>, ${allRows4}>;
var<workgroup> vw : array<vec4<f32>, ${allColumns4}>;
var<workgroup> parts : array<vec4<f32>, ${Math.max(across * allRows4, down * allColumns4)}>;
var<workgroup> lane : array<vec2<f32>, ${threads}>;
var<workgroup> lanes : array<vec2<f32>, 8>;
var<workgroup> going : i32;
var<private> k : array<vec4<f32>, ${layout.rows * columns4}>;
fn total(t : i32, value : vec2<f32>) -> vec2<f32> {
  lane[t] = value;
  workgroupBarrier();
  if (t < 8) { lanes[t] = ${range(threads / 8).map((e) => `lane[t + ${8 * e}]`).join(" + ")}; }
  workgroupBarrier();
  return ${range(8).map((e) => `lanes[${e}]`).join(" + ")};
}
fn scaleOf(isFree : vec4<f32>, diagonal : vec4<f32>) -> vec4<f32> {
  let used = (isFree > vec4<f32>(0.0)) & (diagonal > vec4<f32>(0.0));
  return select(vec4<f32>(0.0), inverseSqrt(select(vec4<f32>(1.0), diagonal, used)), used);
}
fn main(index : i32) {
  let t = i32(localIndex); let p = t / ${across}; let q = t % ${across};
  let problem = i32(workgroupId.x); let B = problem * S;
  let tileRows = select(${layout.rows}, 0, free[B] < -1.0); // not a constant, so that no compiler unrolls the loops
  let ownsRows = t < ${allRows4}; let ownsColumns = t < ${allColumns4};
  let own = vec4<i32>(4 * t) + vec4<i32>(0, 1, 2, 3);
  let rowHeld = own < vec4<i32>(M); let columnHeld = own < vec4<i32>(N);
  var rightR = vec4<f32>(0.0); var rightC = rightR; var freeR = rightR; var freeC = rightR;
  ${
      each(4, (e) =>
        `if (rowHeld[${e}]) { rightR[${e}] = right[B + own[${e}]]; freeR[${e}] = free[B + own[${e}]]; }
  if (columnHeld[${e}]) { rightC[${e}] = right[B + M + own[${e}]]; freeC[${e}] = free[B + M + own[${e}]]; }`)
    }
  ${loadTile("plan", layout, rows, columns)}
  var ofRows = vec4<f32>(0.0); var ofColumns = vec4<f32>(0.0);
  if (ownsRows) { uw[t] = select(vec4<f32>(0.0), vec4<f32>(1.0), rowHeld); }
  if (ownsColumns) { vw[t] = select(vec4<f32>(0.0), vec4<f32>(1.0), columnHeld); }
  { ${multiply} }
  ofRows = select(vec4<f32>(0.0), ofRows, rowHeld); ofColumns = select(vec4<f32>(0.0), ofColumns, columnHeld);
  let diagonalR = ofRows / DAMPING; let diagonalC = ofColumns / DAMPING;
  let diagonalK = total(t, vec2<f32>(dot(ofRows, vec4<f32>(1.0)), 0.0)).x;
  let scaleR = scaleOf(freeR, diagonalR); let scaleC = scaleOf(freeC, diagonalC);
  let scaleK = scaleOf(vec4<f32>(free[B + S - 1]), vec4<f32>(diagonalK)).x;
  var residualR = rightR * scaleR; var residualC = rightC * scaleC; var residualK = right[B + S - 1] * scaleK;
  var directionR = residualR; var directionC = residualC; var directionK = residualK;
  var solutionR = vec4<f32>(0.0); var solutionC = vec4<f32>(0.0); var solutionK = 0.0;
  var squared = total(t, vec2<f32>(dot(residualR, residualR) + dot(residualC, residualC), 0.0)).x + residualK * residualK;
  let goal = ${wgslFloat(ADJOINT_DEFAULTS.tolerance ** 2)} * squared;
  if (t == 0) { going = select(0, 1, squared > goal); }
  for (var iteration = 0; iteration < ${iterations}; iteration = iteration + 1) {
    if (workgroupUniformLoad(&going) == 0) { break; }
    let x = directionR * scaleR; let y = directionC * scaleC; let kappa = directionK * scaleK;
    if (ownsRows) { uw[t] = x; }
    if (ownsColumns) { vw[t] = y; }
    ${multiply}
    let productR = (ofRows + diagonalR * (x + DAMPING * kappa)) * scaleR + LAMBDA * directionR;
    let productC = (ofColumns + diagonalC * (y + DAMPING * kappa)) * scaleC + LAMBDA * directionC;
    let sums = total(t, vec2<f32>(
      dot(productR, directionR) + dot(productC, directionC),
      DAMPING * (dot(diagonalR, x) + dot(diagonalC, y)),
    ));
    let productK = (sums.y + diagonalK * kappa) * scaleK + LAMBDA * directionK;
    let curvature = sums.x + productK * directionK;
    var step = 0.0;
    if (curvature > 0.0) { step = squared / curvature; }
    solutionR = solutionR + step * x; solutionC = solutionC + step * y; solutionK = solutionK + step * kappa;
    residualR = residualR - step * productR; residualC = residualC - step * productC; residualK = residualK - step * productK;
    let next = total(t, vec2<f32>(dot(residualR, residualR) + dot(residualC, residualC), 0.0)).x + residualK * residualK;
    let ratio = next / squared;
    squared = next;
    directionR = residualR + ratio * directionR; directionC = residualC + ratio * directionC; directionK = residualK + ratio * directionK;
    if (t == 0) { going = select(0, 1, squared > goal && step > 0.0); }
  }
  ${
      each(4, (e) =>
        `if (rowHeld[${e}]) { result[B + own[${e}]] = solutionR[${e}]; }
  if (columnHeld[${e}]) { result[B + M + own[${e}]] = solutionC[${e}]; }`)
    }
  if (t == 0) { result[B + S - 1] = solutionK; }
}`,
  };
}
