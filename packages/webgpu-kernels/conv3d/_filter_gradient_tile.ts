import type { DeviceKind } from "./_device_kind.ts";
import { blockSize, type ConvolutionAxis, type ConvolutionGeometry, segmentSize } from "./_geometry.ts";

/** What suits a kind of device; costs are in products. */
const DEVICES = {
  // Measured on llvmpipe, which loads lane by lane, one float in about half the time of four. It keeps the sums in memory, so that many of them
  // cost little, and one position a turn is fastest; more parts only add work, and workgroups of one vector share it out best.
  processor: {
    mostSums: 400,
    mostPositions: 1,
    vectorCost: 60,
    scalarCost: 30,
    cellCost: 2,
    partCost: 30,
    wantedInvocations: 160,
    workgroup: 8,
  },
  // Estimated: as many sums as registers hold, enough invocations to fill the device.
  gpu: {
    mostSums: 96,
    mostPositions: 8,
    vectorCost: 8,
    scalarCost: 4,
    cellCost: 0,
    partCost: 0,
    wantedInvocations: 16_384,
    workgroup: 32,
  },
} as const satisfies Record<DeviceKind, unknown>;

/** Products that one turn of the inner loop may spell out; bounds the time that the driver compiles. */
const MOST_PRODUCTS = 1024;
/** Floats that the partial sums may take. */
const MOST_PARTIAL_SUMS = 1 << 24;
/** Sizes of blocks of channels that are tried. */
const BLOCKS = [1, 2, 4, 8, 12, 16, 24, 32, 48];

/** How the sums of a filter gradient are shared out. */
export interface Tile {
  /** Taps along the depth that one invocation computes. */
  readonly depthTaps: number;
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
  /** Invocations of a workgroup. */
  readonly workgroup: number;
}

type Block = Omit<Tile, "rowsPerPart" | "parts" | "workgroup">;

/** Shares out the sums so that they take the least time by the costs above, and no invocation takes more than `mostTurns` turns. */
export function chooseTile(geometry: ConvolutionGeometry, device: DeviceKind, mostTurns: number): Tile {
  const { batch, inChannels, outChannels, axes: [depth, height, width] } = geometry;
  const { wantedInvocations, workgroup } = DEVICES[device];
  const block = chooseBlock(geometry, device, mostTurns);
  const { depthTaps, rowTaps, taps, inBlock, outBlock, positions } = block;
  const rows = batch * depth.output * height.output;
  const segments = Math.ceil(width.output / positions);
  const groups = depth.kernel / depthTaps * (height.kernel / rowTaps) * Math.ceil(width.kernel / taps) *
    (inChannels / inBlock) * (outChannels / outBlock);
  const weights = depth.kernel * height.kernel * width.kernel * inChannels * outChannels;
  // Rounded down: on two cores one workgroup too many leaves the other idle meanwhile.
  const wanted = Math.min(Math.floor(wantedInvocations / groups), Math.floor(MOST_PARTIAL_SUMS / weights));
  const needed = Math.ceil(rows / Math.max(1, Math.floor(mostTurns / (segments + 1))));
  const rowsPerPart = Math.ceil(rows / Math.min(rows, Math.max(1, wanted, needed)));
  return { ...block, rowsPerPart, parts: Math.ceil(rows / rowsPerPart), workgroup };
}

/** Chooses the sums of an invocation that take the least time a product. */
function chooseBlock(geometry: ConvolutionGeometry, device: DeviceKind, mostTurns: number): Block {
  const { mostSums, mostPositions } = DEVICES[device];
  const { inChannels, outChannels, axes: [depth, height, width] } = geometry;
  const fewestPositions = Math.ceil(2 * width.output / mostTurns); // of which a segment has at least half
  let best: Block | undefined;
  let least = Infinity;
  for (const inBlock of blocksOf(inChannels)) {
    for (const outBlock of blocksOf(outChannels)) {
      const channels = inBlock * outBlock;
      const taps = Math.max(1, Math.min(width.kernel, Math.floor(mostSums / channels)));
      for (const rowTaps of divisorsOf(height.kernel)) {
        for (const depthTaps of divisorsOf(depth.kernel)) {
          const sums = depthTaps * rowTaps * taps * channels;
          if (sums > mostSums) continue;
          const most = Math.max(1, fewestPositions, Math.min(mostPositions, Math.floor(MOST_PRODUCTS / sums)));
          const block = { depthTaps, rowTaps, taps, inBlock, outBlock, positions: segmentSize(width.output, most) };
          const cost = costOf(block, geometry, device);
          if (cost < least) [best, least] = [block, cost];
        }
      }
    }
  }
  return best!;
}

/** Time of a product, all else shared out among the products. */
function costOf(block: Block, geometry: ConvolutionGeometry, device: DeviceKind): number {
  const { depthTaps, rowTaps, taps, inBlock, outBlock, positions } = block;
  const { vectorCost, scalarCost, cellCost, partCost, wantedInvocations } = DEVICES[device];
  const { batch, inChannels, outChannels, axes } = geometry;
  const loadCost = (channels: number, of: number): number =>
    of % 4 === 0 ? channels / 4 * vectorCost : channels * scalarCost;
  const { units, packed } = unitsOf(geometry, block);
  const fresh = units.filter(({ carried }) => !carried).length;
  const floats = packed ? 4 : inBlock;
  const rowCost = fresh * (packed ? vectorCost : loadCost(inBlock, inChannels)) + 2 * units.length * floats * cellCost;
  const tapSums = depthTaps * rowTaps * taps * inBlock * outBlock;
  const segments = Math.ceil(axes[2].output / positions);
  const products = tapSums * axes[2].output;
  const turns = segments * (depthTaps * rowTaps * rowCost + positions * (loadCost(outBlock, outChannels) + tapSums));
  // Each part writes its sums, and all are read again.
  const all = axes.reduce((product, { output, kernel }) => product * output * kernel, batch * inChannels * outChannels);
  return turns / products + partCost * Math.min(1, wantedInvocations * tapSums / all);
}

function blocksOf(channels: number): number[] {
  return [...new Set(BLOCKS.map((most) => blockSize(channels, most)))].filter((size) =>
    channels % 4 !== 0 || size % 4 === 0
  );
}

function divisorsOf(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((size) => n % size === 0);
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
export function offsetInGroup(padding: number): number {
  return ((-padding % 4) + 4) % 4;
}

/** What one turn of the inner loop loads at once of the input: a cell's channels, or of one channel four cells along the width. */
export interface Unit {
  /** Its first cell, counted from the turn's first. */
  readonly cell: number;
  /** Whether the turn before has loaded it. */
  readonly carried: boolean;
}

/** The cells of the input that one turn meets in a row, and how they are loaded. */
export interface Units {
  readonly units: readonly Unit[];
  /** Whether a unit is four cells. */
  readonly packed: boolean;
  /** Cells that a turn moves on by. */
  readonly step: number;
}

export function unitsOf(
  { inChannels, axes: [, , width] }: ConvolutionGeometry,
  { taps, positions }: Pick<Tile, "taps" | "positions">,
): Units {
  const step = positions * width.stride;
  const groups = packedGroups(width, inChannels, { taps, positions });
  const cells = new Set<number>();
  if (groups !== undefined) {
    for (let group = 0; group < groups; group++) cells.add(4 * group - offsetInGroup(width.padding));
  } else {
    for (let p = 0; p < positions; p++) for (let tap = 0; tap < taps; tap++) cells.add(cellOf(p, tap, width));
  }
  const turns = width.output > positions;
  const units = [...cells].toSorted((a, b) => a - b).map((cell) => ({
    cell,
    carried: turns && cells.has(cell + step),
  }));
  return { units, packed: groups !== undefined, step };
}

/** The cell, counted from the turn's first, that a tap meets at a position of the turn. */
export function cellOf(position: number, tap: number, { stride, dilation }: ConvolutionAxis): number {
  return position * stride + tap * dilation;
}
