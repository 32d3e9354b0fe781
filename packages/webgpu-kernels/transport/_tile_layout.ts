import { LOOP_BUDGET } from "./_shader_parts.ts";

/** How one workgroup shares a matrix out: `down × across` invocations, each with a tile of `rows × columns`, all of it padded with nothing. */
export interface TileLayout {
  /** Invocations along the rows. */
  readonly down: number;
  /** Invocations along the columns. */
  readonly across: number;
  /** Rows of a tile, a multiple of 4. */
  readonly rows: number;
  /** Columns of a tile, a multiple of 4. */
  readonly columns: number;
}

/** Entries of a tile: each is a variable of the shader, and two statements. */
const MOST_ENTRIES = 400;
/** Entries up to which Mesa compiles in under a second; 256 take three and a half, once per machine. */
const QUICK_ENTRIES = 128;
/** Invocations of the workgroup. */
const MOST_THREADS = 256;
/** Workgroup memory for partial sums; 16 KiB are all that WebGPU grants without asking. */
const MOST_BYTES = 20_000;
const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/**
 * The cheapest layout of a matrix, by the numbers that pass through workgroup memory in an iteration and what waiting costs.
 *
 * @returns Nothing where the matrix is too large for the registers of one workgroup.
 */
export function tileLayout(rows: number, columns: number): TileLayout | undefined {
  let best: TileLayout | undefined;
  let least = Infinity;
  for (const down of COUNTS) {
    for (const across of COUNTS) {
      const layout = { down, across, rows: padded(rows, down), columns: padded(columns, across) };
      if (!fits(layout)) continue;
      const cost = costOf(layout);
      if (cost < least) [best, least] = [layout, cost];
    }
  }
  return best;
}

/** Size of a tile so that `count` of them hold `size`, in whole vectors of 4. */
function padded(size: number, count: number): number {
  return 4 * Math.ceil(size / (4 * count));
}

function fits({ down, across, rows, columns }: TileLayout): boolean {
  const threads = down * across;
  const floats = Math.max(across * down * rows, down * across * columns);
  // Each vector of potentials has an invocation of its own that updates it.
  const owned = threads >= 8 && down * rows <= 4 * threads && across * columns <= 4 * threads;
  return owned && threads <= MOST_THREADS && rows * columns <= MOST_ENTRIES && 4 * floats <= MOST_BYTES;
}

/** In numbers moved between invocations, which on llvmpipe go one by one; a vector of invocations there is 8 wide. */
function costOf({ down, across, rows, columns }: TileLayout): number {
  const vectors = Math.ceil(down * across / 8);
  const moved = 3 * down * across * columns + (across > 1 ? 3 * down * across * rows : 0);
  const barriers = across > 1 ? 4 : 2;
  const cost = moved + vectors * (30 * barriers + rows * columns / 2);
  return rows * columns > QUICK_ENTRIES ? 2 * cost : cost;
}

/** Absorptions that fit one dispatch of `iterations` iterations on a device that bounds loops. */
export function passesPerDispatch({ down, across, rows, columns }: TileLayout, iterations: number): number {
  const perPass = 2 * rows + 2 * (down + across) + across * columns / 8 + 16;
  return Math.max(1, Math.min(iterations, Math.floor((LOOP_BUDGET - 3 * iterations) / perPass)));
}

/** Iterations that one dispatch may attempt on a device that bounds loops. */
export const MOST_ITERATIONS_PER_DISPATCH = 8000;

/** Invocations of a workgroup of a problem that many workgroups share. */
const SPLIT_THREADS = 256;
/** Entries of a tile there, in registers for one iteration. */
const SPLIT_ENTRIES = 128;

/** How a workgroup shares out a block of rows of a matrix that is too large for {@linkcode tileLayout}. */
export function splitLayout(rows: number, columns: number): TileLayout {
  const across = Math.min(SPLIT_THREADS, 2 ** Math.ceil(Math.log2(Math.max(8, columns / 16))));
  const tileColumns = padded(columns, across);
  const tileRows = Math.min(16, Math.max(4, 4 * Math.floor(SPLIT_ENTRIES / tileColumns / 4)));
  // At least two blocks, for as many cores.
  const most = 2 ** Math.max(0, Math.floor(Math.log2(rows / (2 * tileRows))));
  return { down: Math.min(SPLIT_THREADS / across, most), across, rows: tileRows, columns: tileColumns };
}

/** Most rows and most columns of a problem: beyond, a tile of {@linkcode splitLayout} outgrows the registers. */
export const MAX_TRANSPORT_SIZE = 16_384;
