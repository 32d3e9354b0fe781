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
  VALUE,
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

/**
 * WGSL: walks all keys for `rows` queries by an online softmax (Milakov & Gimelshein 2018), which leaves the maximum `m<r>` of each row's scores and the sum
 * `l<r>` of exponentials below it. Once a turn `perTurn` sees the weights `p<r>_<b>` of its `count` keys, and `fade<r>`, by which what was added up shrinks.
 */
function walkKeys(
  shader: AttentionShader,
  { rows, count, perTurn }: { readonly rows: number; readonly count: number; readonly perTurn: string },
): string {
  return `
  let keyStart = group * ${shader.keys};
${ownRows(rows, shader.queries)}
${repeat(rows, (r) => loadRow(`q${r}`, "query", `at${r}`, shader))}
${repeat(rows, (r) => `var m${r} = ${LOWEST}; var l${r} = 0.0;`)}
  for (var j = 0; j < ${shader.keys}; j += ${count}) {
${turnKeys(shader, count)}
${turnScores(shader, rows, count)}
${
    repeat(rows, (r) => `
    let fade${r} = exp(m${r} - top${r});
    m${r} = top${r};
    l${r} *= fade${r};
${repeat(count, (b) => `let p${r}_${b} = exp(s${r}_${b} - top${r}); l${r} += p${r}_${b};`)}`)
  }
${perTurn}
  }`;
}

/** Softmax-weighted values, `[groups, queries, width]`, by an online softmax (Dao et al. 2022). */
export function forwardShader(shader: AttentionShader): ShaderProgram {
  const { queries, groups, width, elements, type, dropout } = shader;
  const rows = rowsFor(shader, 2);
  const count = keysPerTurn(shader, rows, 2 * width);
  const weight = (r: number, b: number): string =>
    `p${r}_${b}${dropout > 0 ? ` * ${keptOf(`i${r}`, `j${b}`, shader)}` : ""}`;
  const perTurn = repeat(
    rows,
    (r) =>
      repeat(count, (b) => `let w${r}_${b} = ${weight(r, b)};`) + "\n" +
      repeat(elements, (e) => `a${r}_${e} *= fade${r};`),
  ) + "\n" +
    repeat(
      count,
      (b) =>
        `${loadRow(`v${b}`, "value", `keyStart + j${b}`, shader)}\n${
          repeat(rows, (r) => repeat(elements, (e) => `a${r}_${e} += w${r}_${b} * v${b}_${e};`))
        }`,
    );
  return attentionProgram("forward", shader, {
    inputs: [QUERY, KEY, VALUE],
    rowsOut: true,
    outputShape: [groups, queries, width],
    perGroup: Math.ceil(queries / rows),
    body: `
  ${drawn(shader)}
${repeat(rows, (r) => repeat(elements, (e) => `var a${r}_${e} = ${type}();`))}
${walkKeys(shader, { rows, count, perTurn })}
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
  const { queries, groups, elements } = shader;
  const rows = rowsFor(shader, 1);
  const count = keysPerTurn(shader, rows, shader.width);
  return attentionProgram("stats", { ...shader, dropout: 0 }, {
    inputs: [QUERY, KEY, { name: "output", rows: true }, GRADIENT],
    rowsOut: false,
    outputShape: [2, groups, queries],
    perGroup: Math.ceil(queries / rows),
    body: `
${walkKeys(shader, { rows, count, perTurn: "" })}
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
