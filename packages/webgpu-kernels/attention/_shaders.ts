import { repeat } from "../conv3d/_shader_text.ts";
import type { ShaderProgram } from "../program.ts";
import {
  attentionProgram,
  type AttentionShader,
  dotOf,
  drawn,
  keptOf,
  loadRow,
  rowsFor,
  scoreOf,
} from "./_shader_parts.ts";

/** Keys that one turn of a loop takes, so that maxima are renewed once for all of them. */
const MOST_KEYS_PER_TURN = 4;
/** Products that one turn may spell out; bounds the time that the driver compiles. */
const MOST_PRODUCTS = 1024;

/** Keys of a turn where each meets `rows` rows with `products` products. */
function keysPerTurn({ keys }: AttentionShader, rows: number, products: number): number {
  return Math.min(keys, MOST_KEYS_PER_TURN, Math.max(1, Math.floor(MOST_PRODUCTS / (rows * products))));
}

/** Below every score but not infinite, so that differences stay numbers. */
const LOWEST = "-3.0e38";

const QUERY = { name: "query", rows: true };
const KEY = { name: "key", rows: true };
const VALUE = { name: "value", rows: true };
const GRADIENT = { name: "gradient", rows: true };
const STATS = { name: "stats", rows: false };

/** WGSL: names and clamps the rows of an invocation; `i<r>` is the row, `at<r>` its index over all groups. */
function ownRows(count: number, total: number): string {
  return repeat(
    count,
    (r) => `let i${r} = min(within * ${count} + ${r}, ${total - 1}); let at${r} = group * ${total} + i${r};`,
  );
}

/** WGSL: the keys of one turn, and their rows. */
function turnKeys(shader: AttentionShader, count: number): string {
  return repeat(
    count,
    (b) => `let j${b} = min(j + ${b}, ${shader.keys - 1});\n${loadRow(`k${b}`, "key", `keyStart + j${b}`, shader)}`,
  );
}

/** The scores of one turn, the lowest for keys beyond the last, renewing the maximum `m<r>` to `top<r>`. */
function turnScores(shader: AttentionShader, rows: number, count: number): string {
  const cut = shader.keys % count !== 0;
  return repeat(rows, (r) =>
    repeat(count, (b) => {
      const score = scoreOf({ q: `q${r}`, k: `k${b}`, i: `i${r}`, j: `j${b}` }, shader);
      const last = cut && b > 0 ? `select(${score}, ${LOWEST}, j + ${b} >= ${shader.keys})` : score;
      return `let s${r}_${b} = ${last};`;
    }) + `\nlet top${r} = max(m${r}, ${
      Array.from({ length: count }, (_, b) => `s${r}_${b}`).reduce((a, b) => `max(${a}, ${b})`)
    });`);
}

/** Softmax-weighted values, `[groups, queries, width]`, by an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022). */
export function forwardShader(shader: AttentionShader): ShaderProgram {
  const { queries, keys, groups, width, elements, type, dropout } = shader;
  const rows = rowsFor(shader, 2);
  const count = keysPerTurn(shader, rows, 2 * width);
  return attentionProgram("forward", shader, {
    inputs: [QUERY, KEY, VALUE],
    rowsOut: true,
    outputShape: [groups, queries, width],
    perGroup: Math.ceil(queries / rows),
    body: `
  let keyStart = group * ${keys};
  ${drawn(shader)}
${ownRows(rows, queries)}
${repeat(rows, (r) => loadRow(`q${r}`, "query", `at${r}`, shader))}
${
      repeat(rows, (r) =>
        `var m${r} = ${LOWEST}; var l${r} = 0.0;\n${repeat(elements, (e) => `var a${r}_${e} = ${type}();`)}`)
    }
  for (var j = 0; j < ${keys}; j += ${count}) {
${turnKeys(shader, count)}
${turnScores(shader, rows, count)}
${
      repeat(rows, (r) => `
    let fade${r} = exp(m${r} - top${r});
    m${r} = top${r};
    l${r} *= fade${r};
${
        repeat(count, (b) => `
    let p${r}_${b} = exp(s${r}_${b} - top${r});
    l${r} += p${r}_${b};
    let w${r}_${b} = p${r}_${b}${dropout > 0 ? ` * ${keptOf(`i${r}`, `j${b}`, shader)}` : ""};`)
      }
${repeat(elements, (e) => `a${r}_${e} *= fade${r};`)}`)
    }
${
      repeat(count, (b) =>
        `${loadRow(`v${b}`, "value", `keyStart + j${b}`, shader)}\n${
          repeat(rows, (r) =>
            repeat(elements, (e) => `a${r}_${e} += w${r}_${b} * v${b}_${e};`))
        }`)
    }
  }
${
      repeat(rows, (r) =>
        `if (within * ${rows} + ${r} < ${queries}) {\n${
          repeat(elements, (e) =>
            `result[at${r} * ${elements} + ${e}] = a${r}_${e} / l${r};`)
        }\n}`)
    }`,
  });
}

/** Log of the sum of exponentials of each row of scores, and the sum of output × its gradient: `[2, groups, queries]`. */
export function statsShader(shader: AttentionShader): ShaderProgram {
  const { queries, keys, groups, elements } = shader;
  const rows = rowsFor(shader, 1);
  const count = keysPerTurn(shader, rows, shader.width);
  return attentionProgram("stats", { ...shader, dropout: 0 }, {
    inputs: [QUERY, KEY, { name: "output", rows: true }, GRADIENT],
    rowsOut: false,
    outputShape: [2, groups, queries],
    perGroup: Math.ceil(queries / rows),
    body: `
  let keyStart = group * ${keys};
${ownRows(rows, queries)}
${repeat(rows, (r) => loadRow(`q${r}`, "query", `at${r}`, shader))}
${repeat(rows, (r) => `var m${r} = ${LOWEST}; var l${r} = 0.0;`)}
  for (var j = 0; j < ${keys}; j += ${count}) {
${turnKeys(shader, count)}
${turnScores(shader, rows, count)}
${
      repeat(rows, (r) =>
        `l${r} *= exp(m${r} - top${r}); m${r} = top${r};\n${
          repeat(count, (b) =>
            `l${r} += exp(s${r}_${b} - top${r});`)
        }`)
    }
  }
${
      repeat(rows, (r) => `
  if (within * ${rows} + ${r} < ${queries}) {
    result[at${r}] = m${r} + log(l${r});
    var sum = 0.0;
    for (var e = 0; e < ${elements}; e++) {
      let o_0 = output[at${r} * ${elements} + e];
      let g_0 = gradient[at${r} * ${elements} + e];
      sum += ${dotOf("o", "g", { ...shader, elements: 1 })};
    }
    result[${groups * queries} + at${r}] = sum;
  }`)
    }`,
  });
}

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
