import { each, range, XYZW } from "./_shader_parts.ts";
import type { TileLayout } from "./_tile_layout.ts";

/** Entries up to which products are written out: what is written out is twice as fast, and takes Mesa 10 ms an entry to compile. */
const MOST_WRITTEN_OUT = 256;

function shapeOf({ down, across, rows, columns }: TileLayout) {
  const [rows4, columns4] = [rows / 4, columns / 4];
  const isRolled = rows * columns > MOST_WRITTEN_OUT && rows4 > 1;
  return { rows4, columns4, allRows4: down * rows4, allColumns4: across * columns4, isRolled };
}

/**
 * WGSL: the tile `k` times the column weights `w0` … (vectors of 4), into `parts`; where a tile has whole rows, into the variable `product`.
 *
 * `p` and `q` are the tile's place, `tileRows` its rows.
 */
export function productOfRows(layout: TileLayout): string {
  const { rows4, columns4, allRows4, isRolled } = shapeOf(layout);
  const row = (sum: string, at: (c: number) => string): string =>
    `var ${sum} = k[${at(0)}] * w0; ${each(columns4 - 1, (c) => `${sum} = fma(k[${at(c + 1)}], w${c + 1}, ${sum});`)}`;
  const total = (sum: string): string => `(${sum}.x + ${sum}.y) + (${sum}.z + ${sum}.w)`;
  const place = `q * ${allRows4} + p * ${rows4}`;
  if (isRolled) {
    return /* wgsl */ `
      var sums = vec4<f32>(0.0);
      for (var i = 0; i < tileRows; i = i + 1) {
        ${row("sum", (c) => `i * ${columns4} + ${c}`)}
        sums = select(sums, vec4<f32>(${total("sum")}), vec4<i32>(0, 1, 2, 3) == vec4<i32>(i & 3));
        parts[${place} + (i >> 2u)] = sums;
      }`;
  }
  return each(rows4, (i4) =>
    `{ ${each(4, (e) => row(`s${e}`, (c) => `${(4 * i4 + e) * columns4 + c}`))}
      ${layout.across === 1 ? "product" : `parts[${place} + ${i4}]`} = vec4<f32>(${
      range(4).map((e) => total(`s${e}`)).join(", ")
    }); }`);
}

/** WGSL: the transposed tile times the row weights, `uw` or, where a tile has whole rows, the variable `au`; into `parts`. */
export function productOfColumns(layout: TileLayout): string {
  const { rows4, columns4, allColumns4, isRolled } = shapeOf(layout);
  const weight = (i4: string): string => (layout.across === 1 ? "au" : `uw[p * ${rows4} + ${i4}]`);
  const store = each(columns4, (c) => `parts[p * ${allColumns4} + q * ${columns4} + ${c}] = c${c};`);
  if (isRolled) {
    return /* wgsl */ `
      ${each(columns4, (c) => `var c${c} = vec4<f32>(0.0);`)}
      for (var i = 0; i < tileRows; i = i + 1) {
        let weight = vec4<f32>(${weight("(i >> 2u)")}[i & 3]);
        ${each(columns4, (c) => `c${c} = fma(k[i * ${columns4} + ${c}], weight, c${c});`)}
      }
      ${store}`;
  }
  return /* wgsl */ `
      ${each(rows4, (i4) => `let u${i4} = ${weight(`${i4}`)};`)}
      ${
    each(columns4, (c) =>
      `var c${c} = k[${c}] * u0.x; ${
        each(4 * rows4 - 1, (i) =>
          `c${c} = fma(k[${(i + 1) * columns4 + c}], vec4<f32>(u${(i + 1) >> 2}.${XYZW[(i + 1) & 3]}), c${c});`)
      }`)
  }
      ${store}`;
}

/** WGSL: fills the tile `k` from an input of the problem `problem`, `vec4` where rows are whole vectors; beyond the edge with what is at it. */
export function loadTile(input: string, layout: TileLayout, rows: number, columns: number): string {
  const { columns4 } = shapeOf(layout);
  const row = `(problem * ${rows} + min(p * ${layout.rows} + i, ${rows - 1}))`;
  const at = (c: number, e: number): string =>
    `${input}[${row} * ${columns} + min(q * ${layout.columns} + ${4 * c + e}, ${columns - 1})]`;
  const vector = (c: number): string =>
    columns % 4 === 0
      ? `${input}[${row} * ${columns / 4} + min(q * ${columns4} + ${c}, ${columns / 4 - 1})]`
      : `vec4<f32>(${range(4).map((e) => at(c, e)).join(", ")})`;
  return `for (var i = 0; i < tileRows; i = i + 1) {
      ${each(columns4, (c) => `k[i * ${columns4} + ${c}] = ${vector(c)};`)}
    }`;
}

/** WGSL: the column weights of a tile, `w0` …, from `vw`. */
export function loadColumnWeights(layout: TileLayout): string {
  const { columns4 } = shapeOf(layout);
  return each(columns4, (c) => `let w${c} = vw[q * ${columns4} + ${c}];`);
}
