import { repeat } from "./_shader_text.ts";

/** Sizes of a tile that one workgroup computes of a matrix product, and of the block that one invocation has of it. */
export interface MatrixTile {
  /** Rows of the tile. */
  readonly rows: number;
  /** Columns of the tile. */
  readonly columns: number;
  /** Terms of the sums that go through workgroup memory at a time. */
  readonly terms: number;
  /** Rows of an invocation's block, a multiple of four. */
  readonly blockRows: number;
  /** Columns of an invocation's block, a multiple of four. */
  readonly blockColumns: number;
}

/** Invocations of the workgroup of a tile. */
export function workgroupSize(tile: MatrixTile): number {
  return (tile.rows / tile.blockRows) * (tile.columns / tile.blockColumns);
}

/**
 * Chooses a tile for a matrix product with that many columns: 64 rows, as many columns as pay up to 64, 64 to 128 invocations.
 * 8 KiB of workgroup memory at most. Estimated, not measured: no GPU was at hand.
 */
export function chooseMatrixTile(columns: number): MatrixTile {
  if (columns <= 16) return { rows: 64, columns: 16, terms: 16, blockRows: 4, blockColumns: 4 };
  if (columns <= 32) return { rows: 64, columns: 32, terms: 16, blockRows: 4, blockColumns: 8 };
  return { rows: 64, columns: 64, terms: 16, blockRows: 4, blockColumns: 8 };
}

/** Declares the two tiles in workgroup memory: `[terms][rows / 4]` and `[terms][columns / 4]` vectors. */
export function declareTiles({ rows, columns, terms }: MatrixTile): string {
  return `
var<workgroup> leftTile : array<vec4<f32>, ${terms * rows / 4}>;
var<workgroup> rightTile : array<vec4<f32>, ${terms * columns / 4}>;`;
}

/** Declares the sums of an invocation's block, and where the block lies in the tile. */
export function declareBlock(
  { blockRows, blockColumns, columns }: MatrixTile,
  first: (column: number) => string,
): string {
  const across = columns / blockColumns;
  return `
  let blockRow = (local / ${across}) * ${blockRows};
  let blockColumn = (local % ${across}) * ${blockColumns};
${
    repeat(
      blockRows,
      (row) => repeat(blockColumns / 4, (column) => `var sum${row}_${column} = ${first(column)};`),
    )
  }`;
}

/** Adds the products of all terms of the tiles to the block's sums. */
function addTileProducts({ rows, columns, terms, blockRows, blockColumns }: MatrixTile): string {
  return repeat(terms, (term) =>
    `{
${
      repeat(
        blockRows / 4,
        (group) => `let left${group} = leftTile[${term * rows / 4 + group} + blockRow / 4];`,
      )
    }
${
      repeat(
        blockColumns / 4,
        (group) => `let right${group} = rightTile[${term * columns / 4 + group} + blockColumn / 4];`,
      )
    }
${
      repeat(blockRows, (row) =>
        repeat(blockColumns / 4, (column) => {
          const sum = `sum${row}_${column}`;
          return `${sum} = fma(vec4<f32>(left${row >> 2}[${row & 3}]), right${column}, ${sum});`;
        }))
    }
}`);
}

/** How a matrix is read: four neighbours of a row or column at once, four terms at once, or number by number. */
export type ReadDirection = "width" | "terms" | "single";

/** One of the two matrices whose product is taken. */
export interface MatrixSource {
  /** Which one. */
  readonly side: "left" | "right";
  /** How the WGSL function of that name, `fn left(row : i32, term : i32)` or `fn right(column : i32, term : i32)`, reads. */
  readonly direction: ReadDirection;
}

/**
 * Copies a tile into workgroup memory, 4 × 4 numbers at a time and always whole vectors: WGSL allows a store to one component to write its
 * neighbours back, which another invocation may be writing.
 *
 * @param first WGSL for the tile's first row or column in the matrix.
 * @param firstTerm WGSL for the tile's first term.
 */
function fillTile({ side, direction }: MatrixSource, tile: MatrixTile, first: string, firstTerm: string): string {
  const width = side === "left" ? tile.rows : tile.columns;
  const [groups, invocations] = [width / 4, workgroupSize(tile)];
  const blocks = groups * tile.terms / 4;
  return repeat(Math.ceil(blocks / invocations), (turn) => {
    const block = `local + ${turn * invocations}`;
    const store = (term: number, value: string): string =>
      `${side}Tile[(term4 + ${term}) * ${groups} + group] = ${value};`;
    const call = (at: number, term: number): string => `${side}(at + ${at}, ${firstTerm} + term4 + ${term})`;
    const copy = direction === "width"
      ? repeat(4, (term) => store(term, call(0, term)))
      : direction === "terms"
      ? `${repeat(4, (at) => `let v${at} = ${call(at, 0)};`)}
${repeat(4, (term) => store(term, `vec4<f32>(${[0, 1, 2, 3].map((at) => `v${at}[${term}]`).join(", ")})`))}`
      : repeat(4, (term) => store(term, `vec4<f32>(${[0, 1, 2, 3].map((at) => call(at, term)).join(", ")})`));
    const body =
      `let group = (${block}) % ${groups}; let term4 = (${block}) / ${groups} * 4; let at = ${first} + group * 4;
${copy}`;
    return (turn + 1) * invocations > blocks ? `if (${block} < ${blocks}) { ${body} }` : `{ ${body} }`;
  });
}

/** The loop that multiplies two matrices tile by tile. */
export function multiplyTiles(
  tile: MatrixTile,
  sources: readonly [MatrixSource, MatrixSource],
  { firstRow, firstColumn, firstTerm, turns }: {
    readonly firstRow: string;
    readonly firstColumn: string;
    readonly firstTerm: string;
    readonly turns: number;
  },
): string {
  return `
  for (var turn = 0; turn < ${turns}; turn++) {
    let termsStart = ${firstTerm} + turn * ${tile.terms};
${fillTile(sources[0], tile, firstRow, "termsStart")}
${fillTile(sources[1], tile, firstColumn, "termsStart")}
    workgroupBarrier();
${addTileProducts(tile)}
    workgroupBarrier();
  }`;
}
