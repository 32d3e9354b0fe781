import type { ShaderProgram } from "../program.ts";
import { type FilterGradientShaders, totalShader } from "./_filter_gradient_parts.ts";
import type { DeviceKind } from "./_device_kind.ts";
import { blockSize, type ConvolutionAxis, type ConvolutionGeometry, segmentSize } from "./_geometry.ts";
import { load, loaded, repeat } from "./_shader_text.ts";

/** What suits a kind of device; costs are in products. */
const DEVICES = {
  // Measured on llvmpipe: loads cost most, one float about half of four; more parts only add work.
  processor: { mostIn: 8, mostSums: 192, vectorCost: 60, scalarCost: 30, wantedInvocations: 512 },
  // Estimated: as many sums as registers hold, enough invocations to fill the device.
  gpu: { mostIn: 4, mostSums: 96, vectorCost: 8, scalarCost: 4, wantedInvocations: 16_384 },
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
  /** Taps along the height that one invocation computes. */
  readonly rowTaps: number;
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
 * One invocation computes, for one tap along depth, taps along height and width × input channels × output channels, over its part of the
 * rows, along which it moves by a few positions a turn. The blocks are those that need the fewest loads. Parts are added up in fixed order in a second pass: equal inputs give equal bits.
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

function chooseTile(geometry: ConvolutionGeometry, device: DeviceKind, mostTurns: number): Tile {
  const { batch, inChannels, outChannels, axes: [depth, height, width] } = geometry;
  const { wantedInvocations } = DEVICES[device];
  const block = chooseBlock(geometry, device);
  const { rowTaps, taps, inBlock, outBlock, positions } = block;
  const rows = batch * depth.output * height.output;
  const segments = Math.ceil(width.output / positions);
  const groups = depth.kernel * Math.ceil(height.kernel / rowTaps) * Math.ceil(width.kernel / taps) *
    (inChannels / inBlock) * (outChannels / outBlock);
  const weights = depth.kernel * height.kernel * width.kernel * inChannels * outChannels;
  // Rounded down: on two cores one workgroup too many leaves the other idle for a ninth of the time.
  const wanted = Math.min(Math.floor(wantedInvocations / groups), Math.floor(MOST_PARTIAL_SUMS / weights));
  const needed = Math.ceil(rows / Math.max(1, Math.floor(mostTurns / (segments + 1))));
  const rowsPerPart = Math.ceil(rows / Math.min(rows, Math.max(1, wanted, needed)));
  return { ...block, rowsPerPart, parts: Math.ceil(rows / rowsPerPart) };
}

type Block = Omit<Tile, "rowsPerPart" | "parts">;

/** Chooses the sums of an invocation that take the least time a product by the costs above. */
function chooseBlock(
  { inChannels, outChannels, axes: [, height, width] }: ConvolutionGeometry,
  device: DeviceKind,
): Block {
  const { mostIn, mostSums, vectorCost, scalarCost } = DEVICES[device];
  const loadCost = (channels: number, of: number): number =>
    of % 4 === 0 ? channels / 4 * vectorCost : channels * scalarCost;
  const inBlock = blockSize(inChannels, mostIn);
  let best: Block | undefined;
  let least = Infinity;
  for (const mostOut of [8, 12, 16, 24, 32, 48]) {
    const outBlock = blockSize(outChannels, mostOut);
    const taps = Math.max(1, Math.min(width.kernel, Math.floor(mostSums / (inBlock * outBlock))));
    for (let rowTaps = 1; rowTaps <= height.kernel; rowTaps++) {
      const sums = rowTaps * taps * inBlock * outBlock;
      if (height.kernel % rowTaps > 0 || best && sums > mostSums) continue;
      const positions = segmentSize(width.output, Math.min(8, Math.max(1, Math.floor(MOST_PRODUCTS / sums))));
      const cells = new Set<number>();
      for (let p = 0; p < positions; p++) for (let tap = 0; tap < taps; tap++) cells.add(cellOf(p, tap, width));
      const packed = packedGroups(width, inChannels, { taps, positions });
      const inputLoads = packed === undefined ? cells.size * loadCost(inBlock, inChannels) : packed * vectorCost;
      const loads = rowTaps * inputLoads + positions * loadCost(outBlock, outChannels);
      const cost = (loads + positions * sums) / (positions * sums);
      if (cost >= least) continue;
      least = cost;
      best = { rowTaps, taps, inBlock, outBlock, positions };
    }
  }
  return best!;
}

/**
 * Groups of four cells along the width that hold the cells of a turn, where the input has one channel, so that four cells lie in a vector, and
 * turns begin at the same place of a group; undefined elsewhere.
 */
function packedGroups(
  { input, kernel, stride, dilation, padding }: ConvolutionAxis,
  inChannels: number,
  { taps, positions }: Pick<Tile, "taps" | "positions">,
): number | undefined {
  if (inChannels !== 1 || input % 4 !== 0 || positions * stride % 4 !== 0 || taps < kernel) return undefined;
  return Math.ceil((offsetInGroup(padding) + (positions - 1) * stride + (kernel - 1) * dilation + 1) / 4);
}

/** Place in its group of four of the first cell of every turn. */
function offsetInGroup(padding: number): number {
  return ((-padding % 4) + 4) % 4;
}

function partialShader(geometry: ConvolutionGeometry, tile: Tile, outputShape: readonly number[]): ShaderProgram {
  const { batch, inChannels, outChannels, axes: [depth, height, width] } = geometry;
  const { rowTaps, taps, inBlock, outBlock, positions, rowsPerPart, parts } = tile;
  const tapGroups = Math.ceil(width.kernel / taps);
  const rowTapGroups = height.kernel / rowTaps;
  const inGroups = inChannels / inBlock;
  const outGroups = outChannels / outBlock;
  const invocations = parts * depth.kernel * rowTapGroups * tapGroups * inGroups * outGroups;
  const vectorInput = inChannels % 4 === 0 || packedGroups(width, inChannels, tile) !== undefined;
  const vectorOutput = outChannels % 4 === 0;
  const everySum = (line: (sum: string) => string): string =>
    repeat(
      rowTaps * taps,
      (tap) => repeat(inBlock, (i) => repeat(outBlock, (o) => line(sumName(tap, i, o)))),
    );
  // With one tap along the height, rows outside the input are left out; with several, each tap's cells are 0 there.
  const rowInside = (rowTap: number): string => `h${rowTap} >= 0 && h${rowTap} < ${height.input}`;
  const code = `
fn main(index : i32) {
  if (index >= ${invocations}) { return; }
  var rest = index;
  let outChannel = (rest % ${outGroups}) * ${outBlock}; rest = rest / ${outGroups};
  let inChannel = (rest % ${inGroups}) * ${inBlock}; rest = rest / ${inGroups};
  let firstTap = (rest % ${tapGroups}) * ${taps}; rest = rest / ${tapGroups};
  let firstRowTap = (rest % ${rowTapGroups}) * ${rowTaps}; rest = rest / ${rowTapGroups};
  let kd = rest % ${depth.kernel};
  let part = rest / ${depth.kernel};
${everySum((sum) => `var ${sum} = 0.0;`)}
  let end = min((part + 1) * ${rowsPerPart}, ${batch * depth.output * height.output});
  for (var row = part * ${rowsPerPart}; row < end; row++) {
    let slice = row / ${height.output};
${
    repeat(rowTaps, (rowTap) =>
      `let h${rowTap} = (row % ${height.output}) * ${height.stride} + (firstRowTap + ${rowTap}) * ${height.dilation} - ${height.padding};`)
  }
    let d = (slice % ${depth.output}) * ${depth.stride} + kd * ${depth.dilation} - ${depth.padding};
    if (d >= 0 && d < ${depth.input}${rowTaps === 1 ? ` && ${rowInside(0)}` : ""}) {
${
    repeat(rowTaps, (rowTap) =>
      `let outside${rowTap} = ${rowTaps === 1 ? "false" : `!(${rowInside(rowTap)})`};
      let sourceRow${rowTap} = ((slice / ${depth.output} * ${depth.input} + d) * ${height.input} + h${rowTap}) * ${width.input};`)
  }
      for (var position = 0; position < ${width.output}; position += ${positions}) {
        let firstCell = position * ${width.stride} + firstTap * ${width.dilation} - ${width.padding};
${loadCells(geometry, tile, tapGroups)}
${addProducts(geometry, tile)}
      }
    }
  }
${
    repeat(rowTaps, (rowTap) =>
      `{ let start = ((part * ${depth.kernel} + kd) * ${height.kernel} + firstRowTap + ${rowTap}) * ${width.kernel} + firstTap;
${
        repeat(taps, (tap) => writeTap(tap, { geometry, tile, rowTap }))
      } }`)
  }
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
  { rowTaps, taps, inBlock, positions }: Tile,
  tapGroups: number,
): string {
  const cells = new Set<number>();
  for (let p = 0; p < positions; p++) {
    for (let tap = 0; tap < taps; tap++) cells.add(cellOf(p, tap, width));
  }
  const lastPosition = (Math.ceil(width.output / positions) - 1) * positions;
  const lastFirstCell = lastPosition * width.stride + (tapGroups - 1) * taps * width.dilation - width.padding;
  const groups = packedGroups(width, inChannels, { taps, positions });
  if (groups !== undefined) {
    return repeat(rowTaps, (rowTap) => loadPackedCells(width, { rowTap, rowTaps, groups, cells, lastFirstCell }));
  }
  return repeat(rowTaps, (rowTap) =>
    [...cells].map((cell) => {
      const outside = rowTaps === 1 ? [] : [`outside${rowTap}`];
      if (cell < width.padding) outside.push(`firstCell < ${-cell}`);
      if (lastFirstCell + cell >= width.input) outside.push(`firstCell >= ${width.input - cell}`);
      return load({
        array: "x",
        vectors: inChannels % 4 === 0,
        index: `(sourceRow${rowTap} + firstCell + ${cell}) * ${inChannels} + inChannel`,
        count: inBlock,
        name: `x${rowTap}_${cell}_`,
        zeroIf: outside.join(" || "),
      });
    }).join("\n"));
}

/** Loads the cells of one row by four along the width; a group lies inside the row or outside it as a whole. */
function loadPackedCells(
  width: ConvolutionAxis,
  { rowTap, rowTaps, groups, cells, lastFirstCell }: {
    readonly rowTap: number;
    readonly rowTaps: number;
    readonly groups: number;
    readonly cells: ReadonlySet<number>;
    readonly lastFirstCell: number;
  },
): string {
  const offset = offsetInGroup(width.padding);
  const loads = repeat(groups, (group) => {
    const cell = 4 * group - offset; // of the group's first, counted from the turn's first
    const outside = rowTaps === 1 ? [] : [`outside${rowTap}`];
    if (cell < width.padding) outside.push(`firstCell < ${-cell}`);
    if (lastFirstCell + cell >= width.input) outside.push(`firstCell >= ${width.input - cell}`);
    return load({
      array: "x",
      vectors: true,
      index: `sourceRow${rowTap} + firstCell + ${cell}`,
      count: 4,
      name: `x${rowTap}_group${group}_`,
      zeroIf: outside.join(" || "),
    });
  });
  const names = [...cells].map((cell) => {
    const at = cell + offset;
    return `let x${rowTap}_${cell}_0 = ${loaded(`x${rowTap}_group${at >> 2}_`, at & 3, true)};`;
  });
  return [loads, ...names].join("\n");
}

/** Adds, position by position, the products of the output's gradient with the cells that its taps meet. */
function addProducts(
  { inChannels, outChannels, axes: [, , width] }: ConvolutionGeometry,
  { rowTaps, taps, inBlock, outBlock, positions }: Tile,
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
    const products = repeat(rowTaps * taps, (tap) =>
      repeat(inBlock, (i) =>
        repeat(outBlock, (o) => {
          const name = `x${Math.floor(tap / taps)}_${cellOf(p, tap % taps, width)}_`;
          const cell = loaded(name, i, vectorInput);
          const sum = sumName(tap, i, o);
          return `${sum} = fma(${cell}, ${loaded("g", o, vectorOutput)}, ${sum});`;
        })));
    return `{ ${gradient}\n${products} }`;
  });
}

/** Writes the sums of one tap, where the filter has it. */
function writeTap(
  tap: number,
  { geometry: { inChannels, outChannels, axes: [, , width] }, tile: { taps, inBlock, outBlock }, rowTap }: {
    readonly geometry: ConvolutionGeometry;
    readonly tile: Tile;
    readonly rowTap: number;
  },
): string {
  const sum = rowTap * taps + tap;
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

/** The cell, counted from the turn's first, that a tap meets at a position of the turn. */
function cellOf(position: number, tap: number, { stride, dilation }: ConvolutionAxis): number {
  return position * stride + tap * dilation;
}

function sumName(tap: number, input: number, output: number): string {
  return `a${tap}_${input}_${output}`;
}
