import type { ShaderProgram } from "../program.ts";
import type { DeviceKind } from "./_device_kind.ts";
import { type FilterGradientShaders, totalShader } from "./_filter_gradient_parts.ts";
import { cellOf, chooseTile, offsetInGroup, type Tile, type Unit, unitsOf } from "./_filter_gradient_tile.ts";
import type { ConvolutionGeometry } from "./_geometry.ts";
import { load, loaded, repeat } from "./_shader_text.ts";

/** Settings of {@linkcode filterGradientShaders}. */
export interface FilterGradientSettings {
  /** Kind of device. */
  readonly device: DeviceKind;
  /** Turns that the loops may take before the rows are split further; llvmpipe silently ends an invocation at 65,535. Default 30,000. */
  readonly mostTurns?: number;
}

/**
 * Writes the shaders of a 3D convolution's gradient with respect to the filter.
 *
 * One invocation computes taps along depth, height and width × input channels × output channels, over its part of the rows, along which it
 * moves by a few positions a turn and keeps the cells that the next turn meets again. The blocks are those that need the least time by a
 * model of loads and products. Parts are added up in fixed order in a second pass: equal inputs give equal bits.
 */
export function filterGradientShaders(
  geometry: ConvolutionGeometry,
  { device, mostTurns = 30_000 }: FilterGradientSettings,
): FilterGradientShaders {
  const tile = chooseTile(geometry, device, mostTurns);
  const shape = [...geometry.axes.map(({ kernel }) => kernel), geometry.inChannels, geometry.outChannels];
  const weights = shape.reduce((product, size) => product * size, 1);
  const single = tile.parts === 1;
  return {
    partial: partialShader(geometry, tile, single ? shape : [tile.parts, weights]),
    total: single ? undefined : totalShader(tile.parts, shape, tile.workgroup),
  };
}

function partialShader(geometry: ConvolutionGeometry, tile: Tile, outputShape: readonly number[]): ShaderProgram {
  const { batch, inChannels, outChannels, axes: [depth, height, width] } = geometry;
  const { depthTaps, rowTaps, taps, inBlock, outBlock, positions, rowsPerPart, parts, workgroup } = tile;
  const tapGroups = Math.ceil(width.kernel / taps);
  const rowTapGroups = height.kernel / rowTaps;
  const depthTapGroups = depth.kernel / depthTaps;
  const inGroups = inChannels / inBlock;
  const outGroups = outChannels / outBlock;
  const invocations = parts * depthTapGroups * rowTapGroups * tapGroups * inGroups * outGroups;
  const { units, packed, step } = unitsOf(geometry, tile);
  const vectorInput = packed || inChannels % 4 === 0;
  const vectorOutput = outChannels % 4 === 0;
  const sourceRows = depthTaps * rowTaps;
  const everySum = (line: (sum: string) => string): string =>
    repeat(
      sourceRows * taps,
      (tap) => repeat(inBlock, (i) => repeat(outBlock, (o) => line(sumName(tap, i, o)))),
    );
  // With one source row, rows outside the input are left out; with several, the cells of each are 0 there.
  const outside = (row: number): string => `outsideDepth${Math.floor(row / rowTaps)} || outsideHeight${row % rowTaps}`;
  const lastPosition = (Math.ceil(width.output / positions) - 1) * positions;
  const lastFirstCell = lastPosition * width.stride + (tapGroups - 1) * taps * width.dilation - width.padding;
  const loadUnit = (row: number, { cell }: Unit, name: string): string => {
    const zeroIf = sourceRows === 1 ? [] : [`outside${row}`];
    if (cell < width.padding) zeroIf.push(`firstCell < ${-cell}`);
    if (lastFirstCell + cell >= width.input) zeroIf.push(`firstCell >= ${width.input - cell}`);
    return load({
      array: "x",
      vectors: vectorInput,
      index: packed
        ? `sourceRow${row} + firstCell + ${cell}`
        : `(sourceRow${row} + firstCell + ${cell}) * ${inChannels} + inChannel`,
      count: packed ? 4 : inBlock,
      name,
      zeroIf: zeroIf.join(" || "),
    });
  };
  const pieces = packed ? 1 : vectorInput ? inBlock / 4 : inBlock;
  const carried = units.filter((unit) => unit.carried);
  const everyCarried = (line: (row: number, unit: Unit) => string): string =>
    repeat(sourceRows, (row) => carried.map((unit) => line(row, unit)).join("\n"));
  const firstCell = `firstTap * ${width.dilation} - ${width.padding}`;
  const code = `
fn main(index : i32) {
  if (index >= ${invocations}) { return; }
  var rest = index;
  let outChannel = (rest % ${outGroups}) * ${outBlock}; rest = rest / ${outGroups};
  let inChannel = (rest % ${inGroups}) * ${inBlock}; rest = rest / ${inGroups};
  let firstTap = (rest % ${tapGroups}) * ${taps}; rest = rest / ${tapGroups};
  let firstRowTap = (rest % ${rowTapGroups}) * ${rowTaps}; rest = rest / ${rowTapGroups};
  let firstDepthTap = (rest % ${depthTapGroups}) * ${depthTaps};
  let part = rest / ${depthTapGroups};
${everySum((sum) => `var ${sum} = 0.0;`)}
  let end = min((part + 1) * ${rowsPerPart}, ${batch * depth.output * height.output});
  for (var row = part * ${rowsPerPart}; row < end; row++) {
    let slice = row / ${height.output};
${
    repeat(rowTaps, (tap) =>
      `let h${tap} = (row % ${height.output}) * ${height.stride} + (firstRowTap + ${tap}) * ${height.dilation} - ${height.padding};
    let outsideHeight${tap} = h${tap} < 0 || h${tap} >= ${height.input};`)
  }
${
    repeat(depthTaps, (tap) =>
      `let d${tap} = (slice % ${depth.output}) * ${depth.stride} + (firstDepthTap + ${tap}) * ${depth.dilation} - ${depth.padding};
    let outsideDepth${tap} = d${tap} < 0 || d${tap} >= ${depth.input};`)
  }
    if (${sourceRows === 1 ? `!(${outside(0)})` : "true"}) {
${
    repeat(sourceRows, (row) =>
      `let outside${row} = ${outside(row)};
      let sourceRow${row} = ((slice / ${depth.output} * ${depth.input} + d${
        Math.floor(row / rowTaps)
      }) * ${height.input} + h${row % rowTaps}) * ${width.input};`)
  }
${
    everyCarried((row, { cell }) =>
      repeat(pieces, (piece) => `var ${unitName(row, cell)}${piece} : ${vectorInput ? "vec4<f32>" : "f32"};`)
    )
  }
      {
        let firstCell = ${firstCell};
${
    everyCarried((row, unit) =>
      `${loadUnit(row, unit, "first_" + unitName(row, unit.cell))}
${repeat(pieces, (piece) => `${unitName(row, unit.cell)}${piece} = first_${unitName(row, unit.cell)}${piece};`)}`
    )
  }
      }
      for (var position = 0; position < ${width.output}; position += ${positions}) {
        let firstCell = position * ${width.stride} + ${firstCell};
${
    repeat(sourceRows, (row) =>
      units.filter((unit) =>
        !unit.carried
      ).map((unit) => loadUnit(row, unit, unitName(row, unit.cell))).join("\n"))
  }
${addProducts(geometry, tile, packed)}
${
    everyCarried((row, { cell }) =>
      repeat(pieces, (piece) => `${unitName(row, cell)}${piece} = ${unitName(row, cell + step)}${piece};`)
    )
  }
      }
    }
  }
${
    repeat(sourceRows, (row) =>
      `{ let start = ((part * ${depth.kernel} + firstDepthTap + ${
        Math.floor(row / rowTaps)
      }) * ${height.kernel} + firstRowTap + ${row % rowTaps}) * ${width.kernel} + firstTap;
${
        repeat(taps, (tap) => writeTap(tap, { geometry, tile, row }))
      } }`)
  }
}`;
  return {
    key: `conv3d/filterGradient/${JSON.stringify([geometry, tile])}`,
    inputs: ["x", "dy"],
    vectorInputs: [vectorInput ? 4 : 1, vectorOutput ? 4 : 1],
    vectorOutput: vectorOutput ? 4 : 1,
    outputShape,
    workgroupSize: [workgroup, 1, 1],
    workgroups: [Math.ceil(invocations / workgroup), 1, 1],
    code,
  };
}

/** Prefix of the variables that hold a unit of a source row. */
function unitName(row: number, cell: number): string {
  return `x${row}_${cell < 0 ? `m${-cell}` : cell}_`;
}

/** Adds, position by position, the products of the output's gradient with the cells that its taps meet. */
function addProducts(
  { inChannels, outChannels, axes: [, , width] }: ConvolutionGeometry,
  { depthTaps, rowTaps, taps, inBlock, outBlock, positions }: Tile,
  packed: boolean,
): string {
  const [vectorInput, vectorOutput] = [inChannels % 4 === 0, outChannels % 4 === 0];
  return repeat(positions, (p) => {
    const gradient = load({
      array: "dy",
      vectors: vectorOutput,
      index: `(row * ${width.output} + position + ${p}) * ${outChannels} + outChannel`,
      count: outBlock,
      name: "g",
      zeroIf: width.output % positions > 0 && p >= width.output % positions ? `position >= ${width.output - p}` : "",
    });
    const offset = offsetInGroup(width.padding);
    const products = repeat(depthTaps * rowTaps * taps, (tap) =>
      repeat(inBlock, (i) =>
        repeat(outBlock, (o) => {
          const row = Math.floor(tap / taps);
          const cell = cellOf(p, tap % taps, width);
          const lane = (cell + offset) & 3;
          const value = packed
            ? loaded(unitName(row, cell - lane), lane, true)
            : loaded(unitName(row, cell), i, vectorInput);
          const sum = sumName(tap, i, o);
          return `${sum} = fma(${value}, ${loaded("g", o, vectorOutput)}, ${sum});`;
        })));
    return `{ ${gradient}\n${products} }`;
  });
}

/** Writes the sums of one tap, where the filter has it. */
function writeTap(
  tap: number,
  { geometry: { inChannels, outChannels, axes: [, , width] }, tile: { taps, inBlock, outBlock }, row }: {
    readonly geometry: ConvolutionGeometry;
    readonly tile: Tile;
    readonly row: number;
  },
): string {
  const sum = row * taps + tap;
  const writes = repeat(inBlock, (i) => {
    const at = `((start + ${tap}) * ${inChannels} + inChannel + ${i}) * ${outChannels} + outChannel`;
    if (outChannels % 4 !== 0) return repeat(outBlock, (o) => `result[${at} + ${o}] = ${sumName(sum, i, o)};`);
    return repeat(outBlock / 4, (group) => {
      const lanes = [0, 1, 2, 3].map((lane) => sumName(sum, i, 4 * group + lane)).join(", ");
      return `result[((${at}) >> 2u) + ${group}] = vec4<f32>(${lanes});`;
    });
  });
  return width.kernel % taps === 0 ? writes : `if (firstTap + ${tap} < ${width.kernel}) { ${writes} }`;
}

function sumName(tap: number, input: number, output: number): string {
  return `a${tap}_${input}_${output}`;
}
