import type { ShaderProgram } from "../program.ts";
import { type FilterGradientShaders, totalShader } from "./_filter_gradient_parts.ts";
import type { ConvolutionAxis, ConvolutionGeometry } from "./_geometry.ts";
import { repeat } from "./_shader_text.ts";
import {
  chooseMatrixTile,
  declareBlock,
  declareTiles,
  type MatrixTile,
  multiplyTiles,
  workgroupSize,
} from "./_tiled_shader_parts.ts";

/** Workgroups that keep a GPU busy. Estimated, not measured: no GPU was at hand. */
const WANTED_WORKGROUPS = 512;
/** Floats that the partial sums may take. */
const MOST_PARTIAL_SUMS = 1 << 24;

/**
 * Writes the shaders of a 3D convolution's gradient with respect to the filter as an implicit matrix product in workgroup memory:
 * (taps · input channels) × positions times positions × output channels, tile by tile. The positions are split into parts so that
 * enough workgroups run; the parts are added up in fixed order in a second pass: equal inputs give equal bits.
 *
 * @param mostTurns Turns of the loop over tiles before the positions are split further; llvmpipe silently ends an invocation at 65,535.
 */
export function tiledFilterGradientShaders(geometry: ConvolutionGeometry, mostTurns = 30_000): FilterGradientShaders {
  const { batch, inChannels, outChannels, axes } = geometry;
  const shape = [...axes.map(({ kernel }) => kernel), inChannels, outChannels];
  const weights = shape.reduce((product, size) => product * size, 1);
  const rows = weights / outChannels;
  const positions = axes.reduce((product, { output }) => product * output, batch);
  const tile = chooseMatrixTile(outChannels);
  const tiles = Math.ceil(rows / tile.rows) * Math.ceil(outChannels / tile.columns);
  const turns = Math.max(1, Math.ceil(positions / tile.terms));
  const wanted = Math.max(
    Math.min(Math.ceil(WANTED_WORKGROUPS / tiles), Math.floor(MOST_PARTIAL_SUMS / weights)),
    Math.ceil(turns / mostTurns),
    1,
  );
  const turnsPerPart = Math.ceil(turns / Math.min(wanted, turns));
  const parts = Math.ceil(turns / turnsPerPart);
  return {
    partial: partialShader(geometry, { tile, turns: turnsPerPart, parts, positions, rows, shape }),
    total: parts === 1 ? undefined : totalShader(parts, shape),
  };
}

interface Split {
  readonly tile: MatrixTile;
  /** Turns of the loop over tiles in each part. */
  readonly turns: number;
  readonly parts: number;
  /** Output positions of all samples. */
  readonly positions: number;
  /** Taps times input channels. */
  readonly rows: number;
  /** Of the filter. */
  readonly shape: readonly number[];
}

function partialShader(geometry: ConvolutionGeometry, split: Split): ShaderProgram {
  const { inChannels, outChannels } = geometry;
  const { tile, turns, parts, positions, rows, shape } = split;
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(outChannels / tile.columns)];
  const vectorInput = inChannels % 4 === 0;
  const vectorOutput = outChannels % 4 === 0;
  const code = `
${declareTiles(tile)}
${inputFunction(geometry, { positions, rows, vector: vectorInput })}
${outputFunction(outChannels, positions, vectorOutput)}
fn main(index : i32) {
  let local = index % ${workgroupSize(tile)};
  var rest = index / ${workgroupSize(tile)};
  let firstColumn = (rest % ${columnTiles}) * ${tile.columns}; rest = rest / ${columnTiles};
  let firstRow = (rest % ${rowTiles}) * ${tile.rows};
  let part = rest / ${rowTiles};
${declareBlock(tile, () => "vec4<f32>()")}
${
    multiplyTiles(
      tile,
      [
        { side: "left", direction: vectorInput ? "width" : "single" },
        { side: "right", direction: vectorOutput ? "width" : "single" },
      ],
      { firstRow: "firstRow", firstColumn: "firstColumn", firstTerm: `part * ${turns * tile.terms}`, turns },
    )
  }
${writeBlock(tile, { rows, outChannels, vectorOutput })}
}`;
  return {
    key: `conv3d/tiled/filterGradient/${JSON.stringify([geometry, turns, parts])}`,
    inputs: ["x", "dy"],
    vectorInputs: [vectorInput ? 4 : 1, vectorOutput ? 4 : 1],
    vectorOutput: vectorOutput ? 4 : 1,
    outputShape: parts === 1 ? shape : [parts, rows * outChannels],
    workgroupSize: [workgroupSize(tile), 1, 1],
    workgroups: [rowTiles * columnTiles * parts, 1, 1],
    code,
  };
}

/** Declares `left`: the input cell, or four channels of it, that a tap and channel meet at a position; 0 outside. */
function inputFunction(
  { inChannels, axes: [depth, height, width] }: ConvolutionGeometry,
  { positions, rows, vector }: { readonly positions: number; readonly rows: number; readonly vector: boolean },
): string {
  const type = vector ? "vec4<f32>" : "f32";
  const cell = (position: string, tap: string, { stride, dilation, padding }: ConvolutionAxis): string =>
    `(${position}) * ${stride} + (${tap}) * ${dilation} - (${padding})`;
  return `
fn left(row : i32, term : i32) -> ${type} {
  let channel = row % ${inChannels};
  let tap = row / ${inChannels};
  var rest = term;
  let w = ${cell(`rest % ${width.output}`, `tap % ${width.kernel}`, width)}; rest = rest / ${width.output};
  let h = ${cell(`rest % ${height.output}`, `tap / ${width.kernel} % ${height.kernel}`, height)};
  rest = rest / ${height.output};
  let d = ${cell(`rest % ${depth.output}`, `tap / ${width.kernel * height.kernel}`, depth)};
  let inside = row < ${rows} && term < ${positions} && d >= 0 && d < ${depth.input} && h >= 0 && h < ${height.input} &&
    w >= 0 && w < ${width.input};
  let start = (((rest / ${depth.output} * ${depth.input} + d) * ${height.input} + h) * ${width.input} + w) * ${inChannels} + channel;
  return select(${type}(), x[select(0, start${vector ? " >> 2u" : ""}, inside)], inside);
}`;
}

/** Declares `right`: the output's gradient, or four channels of it, at a position; 0 outside. */
function outputFunction(outChannels: number, positions: number, vector: boolean): string {
  const type = vector ? "vec4<f32>" : "f32";
  return `
fn right(column : i32, term : i32) -> ${type} {
  let inside = column < ${outChannels} && term < ${positions};
  let start = term * ${outChannels} + column;
  return select(${type}(), dy[select(0, start${vector ? " >> 2u" : ""}, inside)], inside);
}`;
}

/** Writes an invocation's block of sums to the weights that exist. */
function writeBlock(
  { blockRows, blockColumns }: MatrixTile,
  { rows, outChannels, vectorOutput }: {
    readonly rows: number;
    readonly outChannels: number;
    readonly vectorOutput: boolean;
  },
): string {
  return repeat(blockRows, (row) =>
    `if (firstRow + blockRow + ${row} < ${rows}) {
  let start = (part * ${rows} + firstRow + blockRow + ${row}) * ${outChannels};
${
      repeat(blockColumns / 4, (column) => {
        const channel = `firstColumn + blockColumn + ${4 * column}`;
        const sum = `sum${row}_${column}`;
        return vectorOutput
          ? `if (${channel} < ${outChannels}) { result[(start + ${channel}) >> 2u] = ${sum}; }`
          : repeat(
            4,
            (lane) =>
              `if (${channel} + ${lane} < ${outChannels}) { result[start + ${channel} + ${lane}] = ${sum}[${lane}]; }`,
          );
      })
    }
}`);
}
