import type { ShaderProgram } from "../program.ts";
import { type FilterGradientShaders, totalShader } from "./_filter_gradient_parts.ts";
import type { DeviceKind } from "./_device_kind.ts";
import { blockSize, type ConvolutionAxis, type ConvolutionGeometry, segmentSize } from "./_geometry.ts";
import { load, loaded, repeat } from "./_shader_text.ts";

/** What suits a kind of device. */
const DEVICES = {
  // Measured on llvmpipe: 8 × 8 channels beat 4 × 8 by 1.7, since loads cost most; more parts only add work.
  processor: { inBlock: 8, mostSums: 192, wantedInvocations: 512 },
  // Estimated: as many sums as registers hold, enough invocations to fill the device.
  gpu: { inBlock: 4, mostSums: 96, wantedInvocations: 16_384 },
} as const satisfies Record<DeviceKind, unknown>;

/** Products that one turn of the inner loop may spell out; bounds the time that the driver compiles. */
const MOST_PRODUCTS = 1024;
/** Floats that the partial sums may take. */
const MOST_PARTIAL_SUMS = 1 << 24;
/** Invocations of a workgroup. */
const WORKGROUP = 32;

/** Settings of {@linkcode filterGradientShaders}. */
export interface FilterGradientSettings {
  /** Kind of device. */
  readonly device: DeviceKind;
  /** Turns that the loops may take before the rows are split further; llvmpipe silently ends an invocation at 65,535. Default 30,000. */
  readonly mostTurns?: number;
}

/** How the sums of a filter gradient are shared out. */
interface Tile {
  /** Taps along the width that one invocation computes. */
  readonly taps: number;
  /** Input channels that one invocation computes. */
  readonly inBlock: number;
  /** Output channels that one invocation computes. */
  readonly outBlock: number;
  /** Positions along the width that one turn of the inner loop adds up. */
  readonly positions: number;
  /** Rows (sample, output depth, output height) that one invocation adds up. */
  readonly rowsPerPart: number;
  /** Parts that the rows are split into. */
  readonly parts: number;
}

/**
 * Writes the shaders of a 3D convolution's gradient with respect to the filter.
 *
 * One invocation computes, for one tap along depth and height, taps along the width × input channels × output channels, over its part of the
 * rows, along which it moves by a few positions a turn. Parts are added up in fixed order in a second pass: equal inputs give equal bits.
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
    total: single ? undefined : totalShader(tile.parts, shape),
  };
}

function chooseTile(
  { batch, inChannels, outChannels, axes: [depth, height, width] }: ConvolutionGeometry,
  device: DeviceKind,
  mostTurns: number,
): Tile {
  const { mostSums, wantedInvocations, ...blocks } = DEVICES[device];
  const inBlock = blockSize(inChannels, blocks.inBlock);
  const outBlock = blockSize(outChannels, 8);
  const taps = Math.max(1, Math.min(width.kernel, Math.floor(mostSums / (inBlock * outBlock))));
  const mostPositions = Math.floor(MOST_PRODUCTS / (taps * inBlock * outBlock));
  const positions = segmentSize(width.output, Math.min(8, Math.max(1, mostPositions)));
  const rows = batch * depth.output * height.output;
  const segments = Math.ceil(width.output / positions);
  const groups = depth.kernel * height.kernel * Math.ceil(width.kernel / taps) *
    (inChannels / inBlock) * (outChannels / outBlock);
  const weights = depth.kernel * height.kernel * width.kernel * inChannels * outChannels;
  const wanted = Math.min(Math.ceil(wantedInvocations / groups), Math.floor(MOST_PARTIAL_SUMS / weights));
  const needed = Math.ceil(rows / Math.max(1, Math.floor(mostTurns / (segments + 1))));
  const rowsPerPart = Math.ceil(rows / Math.min(rows, Math.max(1, wanted, needed)));
  return { taps, inBlock, outBlock, positions, rowsPerPart, parts: Math.ceil(rows / rowsPerPart) };
}

function partialShader(geometry: ConvolutionGeometry, tile: Tile, outputShape: readonly number[]): ShaderProgram {
  const { batch, inChannels, outChannels, axes: [depth, height, width] } = geometry;
  const { taps, inBlock, outBlock, positions, rowsPerPart, parts } = tile;
  const tapGroups = Math.ceil(width.kernel / taps);
  const inGroups = inChannels / inBlock;
  const outGroups = outChannels / outBlock;
  const invocations = parts * depth.kernel * height.kernel * tapGroups * inGroups * outGroups;
  const vectorInput = inChannels % 4 === 0;
  const vectorOutput = outChannels % 4 === 0;
  const everySum = (line: (sum: string) => string): string =>
    repeat(taps, (tap) => repeat(inBlock, (i) => repeat(outBlock, (o) => line(sumName(tap, i, o)))));
  const code = `
fn main(index : i32) {
  if (index >= ${invocations}) { return; }
  var rest = index;
  let outChannel = (rest % ${outGroups}) * ${outBlock}; rest = rest / ${outGroups};
  let inChannel = (rest % ${inGroups}) * ${inBlock}; rest = rest / ${inGroups};
  let firstTap = (rest % ${tapGroups}) * ${taps}; rest = rest / ${tapGroups};
  let kh = rest % ${height.kernel}; rest = rest / ${height.kernel};
  let kd = rest % ${depth.kernel};
  let part = rest / ${depth.kernel};
${everySum((sum) => `var ${sum} = 0.0;`)}
  let end = min((part + 1) * ${rowsPerPart}, ${batch * depth.output * height.output});
  for (var row = part * ${rowsPerPart}; row < end; row++) {
    let slice = row / ${height.output};
    let h = (row % ${height.output}) * ${height.stride} + kh * ${height.dilation} - ${height.padding};
    let d = (slice % ${depth.output}) * ${depth.stride} + kd * ${depth.dilation} - ${depth.padding};
    if (h >= 0 && h < ${height.input} && d >= 0 && d < ${depth.input}) {
      let sourceRow = ((slice / ${depth.output} * ${depth.input} + d) * ${height.input} + h) * ${width.input};
      for (var position = 0; position < ${width.output}; position += ${positions}) {
        let firstCell = position * ${width.stride} + firstTap * ${width.dilation} - ${width.padding};
${loadCells(geometry, tile, tapGroups)}
${addProducts(geometry, tile)}
      }
    }
  }
  let start = ((part * ${depth.kernel} + kd) * ${height.kernel} + kh) * ${width.kernel} + firstTap;
${repeat(taps, (tap) => writeTap(tap, geometry, tile))}
}`;
  return {
    key: `conv3d/filterGradient/${JSON.stringify([geometry, tile])}`,
    inputs: ["x", "dy"],
    vectorInputs: [vectorInput ? 4 : 1, vectorOutput ? 4 : 1],
    vectorOutput: vectorOutput ? 4 : 1,
    outputShape,
    workgroupSize: [WORKGROUP, 1, 1],
    workgroups: [Math.ceil(invocations / WORKGROUP), 1, 1],
    code,
  };
}

/** Loads the cells of the input that the positions of one turn meet. */
function loadCells(
  { inChannels, axes: [, , width] }: ConvolutionGeometry,
  { taps, inBlock, positions }: Tile,
  tapGroups: number,
): string {
  const cells = new Set<number>();
  for (let p = 0; p < positions; p++) {
    for (let tap = 0; tap < taps; tap++) cells.add(cellOf(p, tap, width));
  }
  const lastPosition = (Math.ceil(width.output / positions) - 1) * positions;
  const lastFirstCell = lastPosition * width.stride + (tapGroups - 1) * taps * width.dilation - width.padding;
  return [...cells].map((cell) => {
    const outside = [];
    if (cell < width.padding) outside.push(`firstCell < ${-cell}`);
    if (lastFirstCell + cell >= width.input) outside.push(`firstCell >= ${width.input - cell}`);
    return load({
      array: "x",
      vectors: inChannels % 4 === 0,
      index: `(sourceRow + firstCell + ${cell}) * ${inChannels} + inChannel`,
      count: inBlock,
      name: `x${cell}_`,
      zeroIf: outside.join(" || "),
    });
  }).join("\n");
}

/** Adds, position by position, the products of the output's gradient with the cells that its taps meet. */
function addProducts(
  { inChannels, outChannels, axes: [, , width] }: ConvolutionGeometry,
  { taps, inBlock, outBlock, positions }: Tile,
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
    const products = repeat(taps, (tap) =>
      repeat(inBlock, (i) =>
        repeat(outBlock, (o) => {
          const cell = loaded(`x${cellOf(p, tap, width)}_`, i, vectorInput);
          const sum = sumName(tap, i, o);
          return `${sum} = fma(${cell}, ${loaded("g", o, vectorOutput)}, ${sum});`;
        })));
    return `{ ${gradient}\n${products} }`;
  });
}

/** Writes the sums of one tap, where the filter has it. */
function writeTap(
  tap: number,
  { inChannels, outChannels, axes: [, , width] }: ConvolutionGeometry,
  { taps, inBlock, outBlock }: Tile,
): string {
  const writes = repeat(inBlock, (i) => {
    const at = `((start + ${tap}) * ${inChannels} + inChannel + ${i}) * ${outChannels} + outChannel`;
    if (outChannels % 4 !== 0) return repeat(outBlock, (o) => `result[${at} + ${o}] = ${sumName(tap, i, o)};`);
    return repeat(outBlock / 4, (group) => {
      const lanes = [0, 1, 2, 3].map((lane) => sumName(tap, i, 4 * group + lane)).join(", ");
      return `result[((${at}) >> 2u) + ${group}] = vec4<f32>(${lanes});`;
    });
  });
  return width.kernel % taps === 0 ? writes : `if (firstTap + ${tap} < ${width.kernel}) { ${writes} }`;
}

/** The cell, counted from the turn's first, that a tap meets at a position of the turn. */
function cellOf(position: number, tap: number, { stride, dilation }: ConvolutionAxis): number {
  return position * stride + tap * dilation;
}

function sumName(tap: number, input: number, output: number): string {
  return `a${tap}_${input}_${output}`;
}
