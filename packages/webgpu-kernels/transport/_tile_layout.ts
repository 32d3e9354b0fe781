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

/** Entries of a tile: on a GPU as many as there are registers. Mesa takes two seconds to compile 400, and twenty for what 512 × 512 would need. */
const MOST_ENTRIES = { software: 400, gpu: 256 } as const;
/** Entries up to which Mesa compiles in under a second; 256 take three and a half, once per machine. */
const QUICK_ENTRIES = 128;
/** What of a device a layout depends on. */
export interface TileDevice {
  /** Whether the device is a processor or a GPU. */
  readonly kind: "software" | "gpu";
  /** Workgroup memory in bytes. */
  readonly workgroupBytes: number;
}

/** Invocations of the workgroup. */
const MOST_THREADS = 256;
/** Workgroup memory beside potentials and partial sums: changes, flags, mass. */
const OTHER_BYTES = 512;
const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/**
 * The cheapest layout of a matrix, by the numbers that pass through workgroup memory in an iteration and what waiting costs.
 *
 * @param device Whether it is a processor's, and the workgroup memory that it has, at least 16 KiB.
 * @returns Nothing where the matrix is too large for one workgroup.
 */
export function tileLayout(rows: number, columns: number, device: TileDevice): TileLayout | undefined {
  let best: TileLayout | undefined;
  let least = Infinity;
  for (const down of COUNTS) {
    for (const across of COUNTS) {
      const layout = { down, across, rows: padded(rows, down), columns: padded(columns, across) };
      if (!fits(layout, device)) continue;
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

function fits({ down, across, rows, columns }: TileLayout, device: TileDevice): boolean {
  const threads = down * across;
  const floats = Math.max(across * down * rows, down * across * columns) + down * rows + 1.25 * across * columns;
  // Each vector of potentials has an invocation of its own that updates it.
  const owned = threads >= 8 && down * rows <= 4 * threads && across * columns <= 4 * threads;
  return owned && threads <= MOST_THREADS && rows * columns <= MOST_ENTRIES[device.kind] &&
    4 * floats + OTHER_BYTES <= device.workgroupBytes;
}

/** In numbers moved between invocations, which on llvmpipe go one by one; a vector of invocations there is 8 wide. */
function costOf({ down, across, rows, columns }: TileLayout): number {
  const vectors = Math.ceil(down * across / 8);
  const moved = 3 * down * across * columns + (across > 1 ? 3 * down * across * rows : 0);
  const barriers = across > 1 ? 4 : 2;
  const cost = moved + vectors * (30 * barriers + rows * columns / 2);
  return rows * columns > QUICK_ENTRIES ? 2 * cost : cost;
}

/** Loops of an iteration, at most. */
const loopsOf = ({ rows }: TileLayout): number => 2 * rows + 3;

/** Iterations that one dispatch may attempt on a device that bounds loops; half of the bound is for absorptions. */
export function iterationsPerDispatch(layout: TileLayout): number {
  return Math.floor(LOOP_BUDGET / 2 / loopsOf(layout));
}

/** Absorptions that fit one dispatch of `iterations` iterations on a device that bounds loops. */
export function passesPerDispatch(layout: TileLayout, iterations: number): number {
  const { down, across, rows, columns } = layout;
  const perPass = 5 * rows + 2 * (down + across) + across * columns / 16 + 8;
  const left = LOOP_BUDGET - loopsOf(layout) * iterations;
  return Math.max(1, Math.min(iterations, Math.floor(left / perPass)));
}

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
/** Most rows and most columns of an adjoint system: beyond, one of its iterations outgrows the loops of a dispatch. */
export const MAX_ADJOINT_SIZE = 1024;
