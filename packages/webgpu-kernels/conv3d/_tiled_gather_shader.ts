import type { ShaderProgram } from "../program.ts";
import { activated, activationFunction, type Epilogue, NO_EPILOGUE } from "./_epilogue.ts";
import type { GatherDirection } from "./_gather_shader.ts";
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

/** Workgroups that one axis of a dispatch may have. */
const MOST_WORKGROUPS = 65_535;

/** The positions of one axis of the target that meet the same taps, and those taps. */
interface AxisClass {
  /** First position. */
  readonly first: number;
  /** Positions from one to the next. */
  readonly step: number;
  /** Number of positions. */
  readonly count: number;
  /** First tap. */
  readonly firstTap: number;
  /** Taps from one to the next. */
  readonly tapStep: number;
  /** Number of taps. */
  readonly taps: number;
  /** Source cell that the first position meets at the first tap. */
  readonly firstCell: number;
  /** Source cells from one position to the next. */
  readonly cellStep: number;
  /** Source cells from one tap to the next. */
  readonly tapCellStep: number;
}

/**
 * Writes the shaders of a 3D convolution, or of its gradient with respect to the input, as implicit matrix products in workgroup memory:
 * positions × (taps · source channels) times (taps · source channels) × target channels, tile by tile. In the gradient of a strided
 * convolution, which taps meet a position depends on the position modulo the stride: each of these classes is a shader of its own. All
 * write into one output, between them every element of it.
 */
export function tiledGatherShaders(
  geometry: ConvolutionGeometry,
  direction: GatherDirection,
  epilogue: Epilogue = NO_EPILOGUE,
): ShaderProgram[] {
  const classes = geometry.axes.map((axis) =>
    (direction === "forward" ? [forwardClass(axis)] : gradientClasses(axis)).filter(({ count }) => count > 0)
  );
  const [depths, heights, widths] = classes as [AxisClass[], AxisClass[], AxisClass[]];
  return depths.flatMap((d) =>
    heights.flatMap((h) => widths.map((w) => tiledGatherShader(geometry, direction, { axes: [d, h, w], epilogue })))
  );
}

/** Shaders that {@linkcode tiledGatherShaders} gives. */
export function tiledGatherCount({ axes }: ConvolutionGeometry, direction: GatherDirection): number {
  return direction === "forward" ? 1 : axes.reduce((product, axis) => product * Math.min(axis.stride, axis.input), 1);
}

function forwardClass({ output, kernel, stride, dilation, padding }: ConvolutionAxis): AxisClass {
  return {
    first: 0,
    step: 1,
    count: output,
    firstTap: 0,
    tapStep: 1,
    taps: kernel,
    firstCell: -padding,
    cellStep: stride,
    tapCellStep: dilation,
  };
}

function gradientClasses({ input, kernel, stride, dilation, padding }: ConvolutionAxis): AxisClass[] {
  return Array.from({ length: Math.min(stride, input) }, (_, first) => {
    const firstTap = (((first + padding) % stride) + stride) % stride; // the padding is below 0 where a stride is wider than the kernel
    return {
      first,
      step: stride,
      count: Math.ceil((input - first) / stride),
      firstTap,
      tapStep: stride,
      taps: Math.max(0, Math.ceil((kernel - firstTap) / stride)),
      firstCell: (first + padding - firstTap) / stride,
      cellStep: 1,
      tapCellStep: -dilation, // TensorFlow.js dilates where the stride is 1 alone
    };
  });
}

function tiledGatherShader(
  { batch, inChannels, outChannels, axes: convolutionAxes }: ConvolutionGeometry,
  direction: GatherDirection,
  { axes, epilogue }: { readonly axes: readonly [AxisClass, AxisClass, AxisClass]; readonly epilogue: Epilogue },
): ShaderProgram {
  const forward = direction === "forward";
  const [sourceChannels, targetChannels] = forward ? [inChannels, outChannels] : [outChannels, inChannels];
  const source = convolutionAxes.map((axis) => forward ? axis.input : axis.output);
  const target = convolutionAxes.map((axis) => forward ? axis.output : axis.input);
  const [depth, height, width] = axes;
  const rows = batch * depth.count * height.count * width.count;
  const terms = depth.taps * height.taps * width.taps * sourceChannels;
  const tile = chooseMatrixTile(targetChannels);
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(targetChannels / tile.columns)];
  const vectorSource = sourceChannels % 4 === 0;
  const vectorWeights = outChannels % 4 === 0;
  const vectorTarget = targetChannels % 4 === 0;
  const workgroupsX = Math.min(MOST_WORKGROUPS, rowTiles * columnTiles);
  const code = `
${activationFunction(epilogue)}
${declareTiles(tile)}
${termFunction(axes, convolutionAxes, sourceChannels)}
${positionFunction(axes)}
${sourceFunction(axes, { source, sourceChannels, rows, terms, vector: vectorSource })}
${weightFunction({ forward, inChannels, outChannels, targetChannels, terms, vector: vectorWeights })}
fn main(index : i32) {
  let local = index % ${workgroupSize(tile)};
  let workgroup = index / ${workgroupSize(tile)};
  let firstRow = (workgroup / ${columnTiles}) * ${tile.rows};
  let firstColumn = (workgroup % ${columnTiles}) * ${tile.columns};
${declareBlock(tile, (column) => firstSum(column, targetChannels, epilogue))}
${
    multiplyTiles(
      tile,
      [
        { side: "left", direction: vectorSource ? "terms" : "single" },
        { side: "right", direction: vectorWeights ? forward ? "width" : "terms" : "single" },
      ],
      { firstRow: "firstRow", firstColumn: "firstColumn", firstTerm: "0", turns: Math.ceil(terms / tile.terms) },
    )
  }
${writeBlock(tile, { axes, target, targetChannels, rows, vectorTarget, epilogue })}
}`;
  return {
    key: `conv3d/tiled/${direction}/${
      JSON.stringify([batch, inChannels, outChannels, convolutionAxes, axes, epilogue])
    }`,
    inputs: epilogue.bias ? ["source", "kernel", "bias"] : ["source", "kernel"],
    vectorInputs: [vectorSource ? 4 : 1, vectorWeights ? 4 : 1, ...epilogue.bias ? [1 as const] : []],
    vectorOutput: vectorTarget ? 4 : 1,
    outputShape: [batch, ...target, targetChannels],
    workgroupSize: [workgroupSize(tile), 1, 1],
    workgroups: [workgroupsX, Math.ceil(rowTiles * columnTiles / workgroupsX), 1],
    code,
  };
}

/** What the sums of four columns start from. */
function firstSum(column: number, targetChannels: number, { bias }: Epilogue): string {
  if (!bias) return "vec4<f32>()";
  const lanes = [0, 1, 2, 3].map((lane) =>
    `bias[min(firstColumn + blockColumn + ${4 * column + lane}, ${targetChannels - 1})]`
  );
  return `vec4<f32>(${lanes.join(", ")})`;
}

/** Declares `Term` and `termAt`: which tap along each axis (counted within the class), which tap of the kernel and which channel a term is. */
function termFunction(
  [depth, height, width]: readonly [AxisClass, AxisClass, AxisClass],
  axes: readonly ConvolutionAxis[],
  sourceChannels: number,
): string {
  const tap = (name: string, { firstTap, tapStep }: AxisClass): string => `(${firstTap} + ${name} * ${tapStep})`;
  return `
struct Term { d : i32, h : i32, w : i32, tap : i32, channel : i32 }
fn termAt(term : i32) -> Term {
  let channel = term % ${sourceChannels};
  var rest = term / ${sourceChannels};
  let w = rest % ${Math.max(1, width.taps)}; rest = rest / ${Math.max(1, width.taps)};
  let h = rest % ${Math.max(1, height.taps)};
  let d = rest / ${Math.max(1, height.taps)};
  let tap = (${tap("d", depth)} * ${axes[1]!.kernel} + ${tap("h", height)}) * ${axes[2]!.kernel} + ${tap("w", width)};
  return Term(d, h, w, tap, channel);
}`;
}

/** Declares `Position` and `positionAt`: which sample and position (counted within the class) a row is. */
function positionFunction([depth, height, width]: readonly [AxisClass, AxisClass, AxisClass]): string {
  return `
struct Position { batch : i32, d : i32, h : i32, w : i32 }
fn positionAt(row : i32) -> Position {
  var rest = row;
  let w = rest % ${width.count}; rest = rest / ${width.count};
  let h = rest % ${height.count}; rest = rest / ${height.count};
  return Position(rest / ${depth.count}, rest % ${depth.count}, h, w);
}`;
}

/** Declares `left`: the source cell, or four channels of it, that a row meets at a term; 0 outside. */
function sourceFunction(
  axes: readonly [AxisClass, AxisClass, AxisClass],
  { source, sourceChannels, rows, terms, vector }: {
    readonly source: readonly number[];
    readonly sourceChannels: number;
    readonly rows: number;
    readonly terms: number;
    readonly vector: boolean;
  },
): string {
  const type = vector ? "vec4<f32>" : "f32";
  const cell = (name: string, { firstCell, cellStep, tapCellStep }: AxisClass): string =>
    `${firstCell} + position.${name} * ${cellStep} + at.${name} * (${tapCellStep})`;
  const [depth, height, width] = axes;
  const [sourceDepth, sourceHeight, sourceWidth] = source;
  return `
fn left(row : i32, term : i32) -> ${type} {
  let position = positionAt(row);
  let at = termAt(term);
  let d = ${cell("d", depth)};
  let h = ${cell("h", height)};
  let w = ${cell("w", width)};
  let inside = row < ${rows} && term < ${terms} && d >= 0 && d < ${sourceDepth} && h >= 0 && h < ${sourceHeight} &&
    w >= 0 && w < ${sourceWidth};
  let start = (((position.batch * ${sourceDepth} + d) * ${sourceHeight} + h) * ${sourceWidth} + w) * ${sourceChannels} + at.channel;
  return select(${type}(), source[select(0, start${vector ? " >> 2u" : ""}, inside)], inside);
}`;
}

/** Declares `right`: the weight, or four of them along columns (forward) or terms (gradient), of a column at a term; 0 outside. */
function weightFunction(
  { forward, inChannels, outChannels, targetChannels, terms, vector }: {
    readonly forward: boolean;
    readonly inChannels: number;
    readonly outChannels: number;
    readonly targetChannels: number;
    readonly terms: number;
    readonly vector: boolean;
  },
): string {
  const type = vector ? "vec4<f32>" : "f32";
  const [input, output] = forward ? ["at.channel", "column"] : ["column", "at.channel"];
  return `
fn right(column : i32, term : i32) -> ${type} {
  let at = termAt(term);
  let inside = column < ${targetChannels} && term < ${terms};
  let start = (at.tap * ${inChannels} + ${input}) * ${outChannels} + ${output};
  return select(${type}(), kernel[select(0, start${vector ? " >> 2u" : ""}, inside)], inside);
}`;
}

/** Writes an invocation's block of sums to the positions and channels that exist. */
function writeBlock(
  { blockRows, blockColumns }: MatrixTile,
  { axes, target, targetChannels, rows, vectorTarget, epilogue }: {
    readonly axes: readonly [AxisClass, AxisClass, AxisClass];
    readonly target: readonly number[];
    readonly targetChannels: number;
    readonly rows: number;
    readonly vectorTarget: boolean;
    readonly epilogue: Epilogue;
  },
): string {
  const [depth, height, width] = axes;
  const place = (name: string, { first, step }: AxisClass): string => `(${first} + position.${name} * ${step})`;
  return repeat(blockRows, (row) =>
    `{
  let row = firstRow + blockRow + ${row};
  if (row < ${rows}) {
    let position = positionAt(row);
    let start = (((position.batch * ${target[0]} + ${place("d", depth)}) * ${target[1]} + ${place("h", height)}) * ${
      target[2]
    } + ${place("w", width)}) * ${targetChannels};
${
      repeat(blockColumns / 4, (column) => {
        const sum = `sum${row}_${column}`;
        const channel = `firstColumn + blockColumn + ${4 * column}`;
        const lanes = [0, 1, 2, 3].map((lane) => activated(`${sum}[${lane}]`, epilogue));
        return vectorTarget
          ? `if (${channel} < ${targetChannels}) { result[(start + ${channel}) >> 2u] = vec4<f32>(${
            lanes.join(", ")
          }); }`
          : repeat(
            4,
            (lane) =>
              `if (${channel} + ${lane} < ${targetChannels}) { result[start + ${channel} + ${lane}] = ${
                lanes[lane]
              }; }`,
          );
      })
    }
  }
}`);
}
