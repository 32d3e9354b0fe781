import type { ShaderProgram } from "../program.ts";
import {
  LOOK_EVERY,
  NOTHING,
  RANGES,
  ROUNDING,
  type SinkhornShaderOptions,
  updateOf,
  wgslFloat,
} from "./_sinkhorn_options.ts";
import { each, range } from "./_shader_parts.ts";
import { loadColumnWeights, loadTile, productOfColumns, productOfRows } from "./_tile_products.ts";
import { passesPerDispatch, type TileLayout } from "./_tile_layout.ts";

/**
 * Sinkhorn by stabilised scaling, one workgroup per problem, each invocation with a tile of the kernel matrix in its registers.
 *
 * A pass does one iteration in the log domain, absorbs the potentials into `K_ij = exp(f_i + g_j + k − C_ij) / (a_i b_j)`, and goes on with
 * matrix-vector products until a scaling factor leaves its range, in which case that iteration is undone and the next pass does it in the log
 * domain (Schmitzer 2019, section 3.1, with Chizat et al. 2018 for the kinds).
 *
 * Inputs: `cost` `[problems, rows, columns]` over ε, `logs` `[problems, rows + columns + 1]` (log a, log b, log mass), `state`
 * `[problems, rows + columns + 3]`, and `origin`, the state before the first dispatch. Output, in the form of `state`: f, g, k, the last
 * change of a potential, iterations done.
 */
export function tileShader(
  options: SinkhornShaderOptions,
  layout: TileLayout,
  attempted: number,
): ShaderProgram {
  const { problems, rows, columns, kind, iterations, tolerance, damping } = options;
  const { down, across } = layout;
  const [rows4, columns4] = [layout.rows / 4, layout.columns / 4];
  const [allRows4, allColumns4] = [down * rows4, across * columns4];
  const threads = down * across;
  const isPartial = kind === "partial";
  const wide = columns % 4 === 0;
  const passes = passesPerDispatch(layout, attempted);
  const dims = `${problems}x${rows}x${columns}/${down}x${across}`;
  const owners = Math.max(allRows4, allColumns4);
  const { potential, scaling } = updateOf(kind, damping);
  const loadColumns = loadColumnWeights(layout);
  const sumMass = isPartial
    ? /* wgsl */ `
    if (t < 8) {
      var sum = 0.0;
      ${
      each(Math.ceil(allColumns4 / 8), (e) =>
        `if (t + ${8 * e} < ${allColumns4}) { sum = sum + massParts[t + ${8 * e}]; }`)
    }
      massSums[t] = sum;
    }`
    : "";
  const readMass = !isPartial
    ? ""
    : across === 1
    ? `let moved = ${range(allColumns4).map((e) => `massParts[${e}]`).join(" + ")};`
    : `let moved = ${range(8).map((e) => `massSums[${e}]`).join(" + ")};`;
  const settle = /* wgsl */ `
      if (tried) {
        if (atomicLoad(&alarmV) < 2u) { done = done + 1.0; } else { u = lastU; v = lastV; safe = false; }
      }`;
  return {
    key: `sinkhorn-tile/${dims}/${kind}/${iterations}/${attempted}/${tolerance}/${damping}`,
    inputs: ["cost", "logs", "state", "origin"],
    vectorInputs: [wide ? 4 : 1, 1, 1, 1],
    outputShape: [problems, rows + columns + 3],
    workgroupSize: [threads, 1, 1],
    workgroups: [problems, 1, 1],
    code: /* wgsl */ `
const M = ${rows}; const N = ${columns};
const SOFT_LOW = ${wgslFloat(1 / RANGES.soft)}; const SOFT_HIGH = ${wgslFloat(RANGES.soft)};
const HARD_LOW = ${wgslFloat(1 / RANGES.hard)}; const HARD_HIGH = ${wgslFloat(RANGES.hard)};
var<workgroup> uw : array<vec4<f32>, ${allRows4}>;
var<workgroup> vw : array<vec4<f32>, ${allColumns4}>;
var<workgroup> parts : array<vec4<f32>, ${Math.max(across * allRows4, down * allColumns4)}>;
${isPartial ? `var<workgroup> massParts : array<f32, ${allColumns4}>; var<workgroup> massSums : array<f32, 8>;` : ""}
var<workgroup> worst : atomic<u32>;
var<workgroup> alarmU : atomic<u32>;
var<workgroup> alarmV : atomic<u32>;
var<workgroup> burst : i32;
var<private> k : array<vec4<f32>, ${layout.rows * columns4}>;

fn noteChange(change : vec4<f32>, held : vec4<bool>) {
  let known = select(vec4<f32>(3.0e38), change, change < vec4<f32>(3.0e38));
  let kept = select(vec4<f32>(0.0), known, held);
  atomicMax(&worst, bitcast<u32>(max(max(max(kept.x, kept.y), max(kept.z, kept.w)), 0.0)));
}
fn levelOf(factor : vec4<f32>, held : vec4<bool>) -> u32 {
  let safe = select(vec4<f32>(1.0), factor, held);
  if (all((safe > vec4<f32>(SOFT_LOW)) & (safe < vec4<f32>(SOFT_HIGH)))) { return 0u; }
  return select(2u, 1u, all((safe > vec4<f32>(HARD_LOW)) & (safe < vec4<f32>(HARD_HIGH))));
}
fn joined(at : i32, stride : i32, count : i32) -> vec4<f32> {
  var top = vec4<f32>(-3.0e38); var sum = vec4<f32>(0.0);
  for (var i = 0; i < count; i = i + 1) { top = max(top, parts[at + i * stride]); }
  for (var i = 0; i < count; i = i + 1) { sum = sum + exp(parts[at + i * stride] - top); }
  return top + log(sum);
}
fn nextPotential(log4 : vec4<f32>, lse : vec4<f32>, mass : f32) -> vec4<f32> {
  let raw = log4 - lse - mass;
  return ${potential};
}
fn nextFactor(absorbed : vec4<f32>, cap : vec4<f32>, sum : vec4<f32>, kappa : f32) -> vec4<f32> {
  return ${scaling};
}
fn main(index : i32) {
  let t = i32(localIndex); let p = t / ${across}; let q = t % ${across};
  let problem = i32(workgroupId.x);
  let L = problem * (M + N + 1); let S = problem * (M + N + 3);
  let ownsRows = t < ${allRows4}; let ownsColumns = t < ${allColumns4};
  let own = vec4<i32>(4 * t) + vec4<i32>(0, 1, 2, 3);
  let rowHeld = own < vec4<i32>(M); let columnHeld = own < vec4<i32>(N);
  var logA = vec4<f32>(0.0); var logB = vec4<f32>(0.0);
  var f = vec4<f32>(${NOTHING}); var g = vec4<f32>(${NOTHING});
  ${
      each(4, (e) =>
        `if (rowHeld[${e}]) { logA[${e}] = logs[L + own[${e}]]; f[${e}] = state[S + own[${e}]]; }
  if (columnHeld[${e}]) { logB[${e}] = logs[L + M + own[${e}]]; g[${e}] = state[S + M + own[${e}]]; }`)
    }
  let a = select(vec4<f32>(0.0), exp(logA), rowHeld); let b = select(vec4<f32>(0.0), exp(logB), columnHeld);
  var potential = state[S + M + N];
  ${isPartial ? "let mass = exp(logs[L + M + N]);" : ""}
  var reached = state[S + M + N + 1];
  var done = state[S + M + N + 2];
  // Not a constant, so that no compiler unrolls what runs once a round; nor from a uniform, for which Mesa would compile anew.
  let tileRows = select(${layout.rows}, 0, origin[S + M + N + 2] < 0.0);
  let goal = min(origin[S + M + N + 2] + ${wgslFloat(iterations)}, done + ${wgslFloat(attempted)});
  if (t == 0) { burst = select(1, 0, reached <= ${wgslFloat(tolerance)} || done >= goal); }
  for (var round = 0; round < ${passes}; round = round + 1) {
    if (workgroupUniformLoad(&burst) == 0) { break; }
    ${loadTile("cost", layout, rows, columns)}
    if (ownsColumns) { vw[t] = g; }
    if (t == 0) { atomicStore(&worst, 0u); atomicStore(&alarmU, 0u); atomicStore(&alarmV, 0u); }
    workgroupBarrier();
    {
      ${loadColumns}
      var sums = vec4<f32>(0.0);
      for (var i = 0; i < tileRows; i = i + 1) {
        ${each(columns4, (c) => `let x${c} = w${c} - k[i * ${columns4} + ${c}];`)}
        var top4 = x0; ${each(columns4 - 1, (c) => `top4 = max(top4, x${c + 1});`)}
        let top = max(max(top4.x, top4.y), max(top4.z, top4.w));
        var sum4 = exp(x0 - top); ${each(columns4 - 1, (c) => `sum4 = sum4 + exp(x${c + 1} - top);`)}
        let lse = top + log(sum4.x + sum4.y + sum4.z + sum4.w);
        sums = select(sums, vec4<f32>(lse), vec4<i32>(0, 1, 2, 3) == vec4<i32>(i & 3));
        parts[q * ${allRows4} + p * ${rows4} + (i >> 2u)] = sums;
      }
    }
    workgroupBarrier();
    if (ownsRows) {
      let lse = joined(t, ${allRows4}, ${across});
      let next = nextPotential(logA, lse, potential);
      noteChange(abs(next - f) - ${wgslFloat(ROUNDING)} * (abs(lse) + abs(potential)), rowHeld);
      f = select(vec4<f32>(${NOTHING}), next, rowHeld);
      uw[t] = f;
    }
    workgroupBarrier();
    {
      ${each(columns4, (c) => `var top${c} = vec4<f32>(-3.0e38); var sum${c} = vec4<f32>(0.0);`)}
      for (var i = 0; i < tileRows; i = i + 1) {
        let own = uw[p * ${rows4} + (i >> 2u)][i & 3];
        ${each(columns4, (c) => `top${c} = max(top${c}, own - k[i * ${columns4} + ${c}]);`)}
      }
      for (var i = 0; i < tileRows; i = i + 1) {
        let own = uw[p * ${rows4} + (i >> 2u)][i & 3];
        ${each(columns4, (c) => `sum${c} = sum${c} + exp(own - k[i * ${columns4} + ${c}] - top${c});`)}
      }
      ${each(columns4, (c) => `parts[p * ${allColumns4} + q * ${columns4} + ${c}] = top${c} + log(sum${c});`)}
    }
    workgroupBarrier();
    if (ownsColumns) {
      let lse = joined(t, ${allColumns4}, ${down});
      let next = nextPotential(logB, lse, potential);
      noteChange(abs(next - g) - ${wgslFloat(ROUNDING)} * (abs(lse) + abs(potential)), columnHeld);
      g = select(vec4<f32>(${NOTHING}), next, columnHeld);
      vw[t] = select(vec4<f32>(${NOTHING}), g - logB, columnHeld);
      ${
      isPartial
        ? `let total = select(vec4<f32>(${NOTHING}), g + lse, columnHeld);
      let top = max(max(total.x, total.y), max(total.z, total.w));
      massParts[t] = top + log(dot(exp(total - top), vec4<f32>(1.0)));`
        : ""
    }
    }
    workgroupBarrier();
    ${
      isPartial
        ? `if (t < 8) {
      var top = -3.0e38; var sum = 0.0;
      for (var i = t; i < ${allColumns4}; i = i + 8) { top = max(top, massParts[i]); }
      for (var i = t; i < ${allColumns4}; i = i + 8) { sum = sum + exp(massParts[i] - top); }
      massSums[t] = select(-3.0e38, top + log(sum), t < ${allColumns4});
    }
    workgroupBarrier();
    {
      var top = massSums[0]; ${each(7, (e) => `top = max(top, massSums[${e + 1}]);`)}
      let total = top + log(${range(8).map((e) => `exp(massSums[${e}] - top)`).join(" + ")});
      let next = logs[L + M + N] - total;
      if (t == 0) { noteChange(vec4<f32>(abs(next - potential) - ${
          wgslFloat(ROUNDING)
        } * abs(total)), vec4<bool>(true)); }
      potential = next;
    }`
        : ""
    }
    if (ownsRows) { uw[t] = select(vec4<f32>(${NOTHING}), f + potential - logA, rowHeld); }
    done = done + 1.0;
    workgroupBarrier();
    if (t == 0) {
      reached = bitcast<f32>(atomicLoad(&worst));
      let left = i32(goal - done);
      burst = select(min(${LOOK_EVERY}, left), 0, reached <= ${wgslFloat(tolerance)} || left <= 0);
    }
    {
      ${loadColumns}
      for (var i = 0; i < tileRows; i = i + 1) {
        let own = uw[p * ${rows4} + (i >> 2u)][i & 3];
        ${each(columns4, (c) => `k[i * ${columns4} + ${c}] = exp(own + w${c} - k[i * ${columns4} + ${c}]);`)}
      }
    }
    let absorbedF = f; let absorbedG = g; let absorbedMass = potential;
    ${
      isPartial
        ? "let capF = exp(min(-f, vec4<f32>(80.0))); let capG = exp(min(-g, vec4<f32>(80.0)));"
        : "let capF = a; let capG = b;"
    }
    var u = vec4<f32>(1.0); var v = vec4<f32>(1.0); var kappa = 1.0;
    var sumU = u; var sumV = v; var lastU = u; var lastV = v;
    workgroupBarrier();
    if (ownsColumns) { vw[t] = b; ${isPartial ? `massParts[t] = select(0.0, mass, t == 0);` : ""} }
    for (var turn = 0; turn < ${Math.ceil(attempted / LOOK_EVERY) + 1}; turn = turn + 1) {
      let count = workgroupUniformLoad(&burst);
      if (count <= 0) { break; }
      var safe = true; var tried = false;
      for (var n = 0; n < count; n = n + 1) {
        ${settle}
        tried = safe;
        ${across === 1 ? "var product : vec4<f32>;" : ""}
        {
          ${loadColumns}
          ${productOfRows(layout)}
        }
        ${across === 1 ? "" : `${sumMass}\nworkgroupBarrier();`}
        if (safe && t < ${owners}) { ${readMass}
          ${
      isPartial
        ? "kappa = mass / max(moved, 1.0e-30); atomicMax(&alarmU, levelOf(vec4<f32>(kappa), vec4<bool>(true)));"
        : ""
    }
        }
        if (safe && ownsRows) {
          ${
      across === 1
        ? "let sum = product;"
        : `var sum = parts[t]; ${each(across - 1, (e) => `sum = sum + parts[t + ${(e + 1) * allRows4}];`)}`
    }
          lastU = u; sumU = sum;
          u = select(vec4<f32>(1.0), nextFactor(absorbedF, capF, sum, kappa), rowHeld);
          atomicMax(&alarmU, levelOf(u, rowHeld));
          ${across === 1 ? "" : "uw[t] = a * u;"}
        }
        ${across === 1 ? "let au = a * u;" : "workgroupBarrier();"}
        {
          ${productOfColumns(layout)}
        }
        workgroupBarrier();
        if (safe && atomicLoad(&alarmU) >= 2u) { u = lastU; safe = false; }
        tried = safe;
        if (safe && ownsColumns) {
          var sum = parts[t]; ${each(down - 1, (e) => `sum = sum + parts[t + ${(e + 1) * allColumns4}];`)}
          lastV = v; sumV = sum;
          v = select(vec4<f32>(1.0), nextFactor(absorbedG, capG, sum, kappa), columnHeld);
          atomicMax(&alarmV, levelOf(v, columnHeld));
          vw[t] = b * v;
          ${isPartial ? "massParts[t] = dot(b * v, sum);" : ""}
        }
        workgroupBarrier();
      }
      ${settle}
      if (t == 0) { atomicStore(&worst, 0u); }
      ${across > 1 ? sumMass : ""}
      workgroupBarrier();
      if (safe && ownsRows) {
        let lse = logA - absorbedF - absorbedMass + log(max(sumU, vec4<f32>(1.0e-30)));
        noteChange(abs(log(u / lastU)) - ${wgslFloat(ROUNDING)} * (abs(lse) + abs(absorbedMass)), rowHeld);
      }
      if (safe && ownsColumns) {
        let lse = logB - absorbedG - absorbedMass + log(max(sumV, vec4<f32>(1.0e-30)));
        noteChange(abs(log(v / lastV)) - ${wgslFloat(ROUNDING)} * (abs(lse) + abs(absorbedMass)), columnHeld);
      }
      ${
      isPartial
        ? `if (safe && t < ${owners}) { ${readMass}
        let next = mass / max(moved, 1.0e-30);
        if (t == 0) {
          noteChange(vec4<f32>(abs(log(next / kappa)) - ${
          wgslFloat(ROUNDING)
        } * abs(logs[L + M + N] - absorbedMass - log(next))), vec4<bool>(true));
        }
        kappa = next;
      }`
        : ""
    }
      workgroupBarrier();
      if (t == 0) {
        let level = max(atomicLoad(&alarmU), atomicLoad(&alarmV));
        if (level < 2u) { reached = bitcast<f32>(atomicLoad(&worst)); }
        let left = i32(goal - done);
        let finished = (level < 2u && reached <= ${wgslFloat(tolerance)}) || left <= 0;
        burst = select(select(min(${LOOK_EVERY}, left), -1, level > 0u), 0, finished);
      }
    }
    f = absorbedF + log(u); g = absorbedG + log(v); potential = absorbedMass + log(kappa);
    ${
      isPartial
        ? "f = select(min(f, vec4<f32>(0.0)), vec4<f32>(0.0), u >= capF); g = select(min(g, vec4<f32>(0.0)), vec4<f32>(0.0), v >= capG);"
        : ""
    }
    f = select(vec4<f32>(${NOTHING}), f, rowHeld); g = select(vec4<f32>(${NOTHING}), g, columnHeld);
  }
  ${
      each(4, (e) =>
        `if (rowHeld[${e}]) { result[S + own[${e}]] = f[${e}]; }
  if (columnHeld[${e}]) { result[S + M + own[${e}]] = g[${e}]; }`)
    }
  if (t == 0) { result[S + M + N] = potential; result[S + M + N + 1] = reached; result[S + M + N + 2] = done; }
}`,
  };
}
