import type { Triple } from "@med3d/nn";
import { product } from "../_cost.ts";
import type { WindowPlan } from "../swin_unetr/_windows.ts";

/** Windows of a stage. */
export interface VolumeWindow {
  /** Cells that the table of relative positions is for. */
  readonly cells: Triple;
  /** Whether windows keep their size on grids shorter than they are, which are filled up; else they shrink to the shortest axis. */
  readonly fixed: boolean;
}

/**
 * Plans the windows of a grid as the published code does. Cubes that shrink: no shift on a grid whose shortest axis is one window. Windows of
 * fixed size: no shift where one window is the whole grid, or is one cell thick.
 */
export function planVolumeWindows(size: Triple, { cells, fixed }: VolumeWindow, shifted: boolean): WindowPlan {
  const shortest = Math.min(...size);
  const edge = Math.min(cells[0], shortest);
  const window: Triple = fixed ? cells : [edge, edge, edge];
  const rolls = shifted && (fixed ? size.join() !== window.join() && Math.min(...window) > 1 : edge < shortest);
  const along = (f: (n: number, w: number) => number): Triple => [
    f(size[0], window[0]),
    f(size[1], window[1]),
    f(size[2], window[2]),
  ];
  return {
    window,
    shift: along((_, w) => rolls ? Math.floor(w / 2) : 0),
    padded: along((n, w) => Math.ceil(n / w) * w),
    counts: along((n, w) => Math.ceil(n / w)),
  };
}

/** Rows of the table of a window: as many as there are offsets. */
export function tableRows([d, h, w]: Triple): number {
  return (2 * d - 1) * (2 * h - 1) * (2 * w - 1);
}

/**
 * Row of an offset as nnFormer's checkpoints have it: depth counts 3·height − 1 rows, height 2·height − 1. Several offsets so share a row, and some
 * rows have none.
 *
 * @param cells Cells of the window that the table is for.
 * @param offset Each from 0, for the most negative, to 2·cells − 2.
 */
export function offsetRow([, height]: Triple, [d, h, w]: Triple): number {
  return d * (3 * height - 1) + h * (2 * height - 1) + w;
}

/**
 * Numbers the offset from each cell of a window to each other one.
 *
 * @param cells Cells of the window that the table is for.
 * @param window Cells of the window at hand, no larger.
 * @returns `[tokens, tokens]` in C order.
 */
export function volumePositions(cells: Triple, window: Triple): Int32Array {
  const [depth, height, width] = cells;
  const tokens = product(window);
  const [, h, w] = window;
  const places = Array.from(
    { length: tokens },
    (_, token): Triple => [Math.floor(token / (h * w)), Math.floor(token / w) % h, token % w],
  );
  const indices = new Int32Array(tokens * tokens);
  places.forEach(([di, hi, wi], i) =>
    places.forEach(([dj, hj, wj], j) => {
      indices[i * tokens + j] = offsetRow(cells, [di - dj + depth - 1, hi - hj + height - 1, wi - wj + width - 1]);
    })
  );
  return indices;
}
