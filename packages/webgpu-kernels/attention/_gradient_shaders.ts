import { repeat } from "../conv3d/_shader_text.ts";
import type { ShaderProgram } from "../program.ts";
import {
  attentionProgram,
  type AttentionShader,
  dotOf,
  drawn,
  GRADIENT,
  keptOf,
  KEY,
  loadRow,
  ownRows,
  QUERY,
  rowsFor,
  scoreOf,
  STATS,
  VALUE,
} from "./_shader_parts.ts";

/** WGSL: weight `p`, kept factor `kept` and gradient of the score `ds` of query row `q`, key row `k`, value row `v`, output gradient row `g`. */
function scoreGradient(
  { r, i, j, q, k, v, g, lse, delta }: Readonly<
    Record<"r" | "i" | "j" | "q" | "k" | "v" | "g" | "lse" | "delta", string>
  >,
  shader: AttentionShader,
): string {
  return `
    let p${r} = exp(${scoreOf({ q, k, i, j }, shader)} - ${lse});
    let kept${r} = ${keptOf(i, j, shader)};
    let ds${r} = p${r} * ((${dotOf(g, v, shader)}) * kept${r} - ${delta});`;
}

/** Rows that a gradient's loop walks; what they give is added up over all ranges. */
export interface RowRange {
  readonly first: number;
  readonly end: number;
}

/** The part of the gradient with respect to the queries that comes from a range of keys. */
export function queryGradientShader(shader: AttentionShader, { first, end }: RowRange): ShaderProgram {
  const { queries, keys, groups, width, elements, type, scale } = shader;
  const rows = rowsFor(shader, 3);
  return attentionProgram(`queryGradient/${first}-${end}`, shader, {
    inputs: [QUERY, KEY, VALUE, GRADIENT, STATS],
    rowsOut: true,
    outputShape: [groups, queries, width],
    perGroup: Math.ceil(queries / rows),
    body: `
  let keyStart = group * ${keys};
  ${drawn(shader)}
${ownRows(rows, queries)}
${
      repeat(rows, (r) => `
${loadRow(`q${r}`, "query", `at${r}`, shader)}
${loadRow(`g${r}`, "gradient", `at${r}`, shader)}
  let lse${r} = stats[at${r}];
  let delta${r} = stats[${groups * queries} + at${r}];
${repeat(elements, (e) => `var a${r}_${e} = ${type}();`)}`)
    }
  for (var j = ${first}; j < ${end}; j++) {
${loadRow("k", "key", "keyStart + j", shader)}
${loadRow("v", "value", "keyStart + j", shader)}
${
      repeat(rows, (r) =>
        scoreGradient(
          { r: `${r}`, i: `i${r}`, j: "j", q: `q${r}`, k: "k", v: "v", g: `g${r}`, lse: `lse${r}`, delta: `delta${r}` },
          shader,
        ) + "\n" + repeat(elements, (e) => `a${r}_${e} += ds${r} * k_${e};`))
    }
  }
${
      repeat(rows, (r) =>
        `if (within * ${rows} + ${r} < ${queries}) {\n${
          repeat(elements, (e) =>
            `result[at${r} * ${elements} + ${e}] = a${r}_${e} * f32(${scale});`)
        }\n}`)
    }`,
  });
}

/** The part of the gradients with respect to keys and values, `[2, groups, keys, width]`, that comes from a range of queries. */
export function keyValueGradientShader(shader: AttentionShader, { first, end }: RowRange): ShaderProgram {
  const { queries, keys, groups, width, elements, type, scale } = shader;
  const rows = rowsFor(shader, 4);
  return attentionProgram(`keyValueGradient/${first}-${end}`, shader, {
    inputs: [QUERY, KEY, VALUE, GRADIENT, STATS],
    rowsOut: true,
    outputShape: [2, groups, keys, width],
    perGroup: Math.ceil(keys / rows),
    body: `
  let queryStart = group * ${queries};
  ${drawn(shader)}
${ownRows(rows, keys)}
${
      repeat(rows, (r) => `
${loadRow(`k${r}`, "key", `at${r}`, shader)}
${loadRow(`v${r}`, "value", `at${r}`, shader)}
${repeat(elements, (e) => `var dk${r}_${e} = ${type}(); var dv${r}_${e} = ${type}();`)}`)
    }
  for (var i = ${first}; i < ${end}; i++) {
${loadRow("q", "query", "queryStart + i", shader)}
${loadRow("g", "gradient", "queryStart + i", shader)}
    let lse = stats[queryStart + i];
    let delta = stats[${groups * queries} + queryStart + i];
${
      repeat(rows, (r) =>
        scoreGradient(
          { r: `${r}`, i: "i", j: `i${r}`, q: "q", k: `k${r}`, v: `v${r}`, g: "g", lse: "lse", delta: "delta" },
          shader,
        ) + "\n" + repeat(elements, (e) => `dk${r}_${e} += ds${r} * q_${e}; dv${r}_${e} += p${r} * kept${r} * g_${e};`))
    }
  }
${
      repeat(rows, (r) =>
        `if (within * ${rows} + ${r} < ${keys}) {\n${
          repeat(elements, (e) => `
    result[at${r} * ${elements} + ${e}] = dk${r}_${e} * f32(${scale});
    result[(${groups * keys} + at${r}) * ${elements} + ${e}] = dv${r}_${e};`)
        }\n}`)
    }`,
  });
}

/**
 * The part of the gradient with respect to the bias, `[biasGroups, queries, keys]`, that comes from a range of its repeats: the scores' own, added up over
 * the groups that share the bias.
 */
export function biasGradientShader(shader: AttentionShader, { first, end }: RowRange): ShaderProgram {
  const { queries, keys, groups, biasGroups } = shader;
  return attentionProgram(`biasGradient/${first}-${end}`, shader, {
    inputs: [QUERY, KEY, VALUE, GRADIENT, STATS],
    rowsOut: false,
    outputShape: [biasGroups, queries, keys],
    perGroup: queries * keys,
    groups: biasGroups,
    body: `
  let i = within / ${keys};
  let j = within % ${keys};
  var sum = 0.0;
  let own = group;
  for (var repeat = ${first}; repeat < ${end}; repeat++) {
    let group = repeat * ${biasGroups} + own;
    ${drawn(shader)}
    let at = group * ${queries} + i;
${loadRow("q", "query", "at", shader)}
${loadRow("g", "gradient", "at", shader)}
${loadRow("k", "key", `group * ${keys} + j`, shader)}
${loadRow("v", "value", `group * ${keys} + j`, shader)}
${
      scoreGradient({
        r: "",
        i: "i",
        j: "j",
        q: "q",
        k: "k",
        v: "v",
        g: "g",
        lse: "stats[at]",
        delta: `stats[${groups * queries} + at]`,
      }, shader)
    }
    sum += ds;
  }
  result[index] = sum;`,
  });
}
