import { type Extent, gaussianImportance, windowStarts } from "../inference/windows.ts";

/** Windows over a scan whose features lie on one grid of cells. */
export interface FeatureGrid {
  /** Cells that touch the scan, `[depth, height, width]`. */
  readonly shape: Extent;
  /** Cells of a window. */
  readonly windowShape: Extent;
  /** First cell of each window, C order. */
  readonly starts: readonly Extent[];
  /** Weight of each cell of a window, C order. */
  readonly importance: Float32Array;
}

/**
 * Lays windows so that each begins at a whole cell: one feature grid for all of them.
 *
 * @param extent Voxels of the scan.
 * @param patchSize Voxels of a window, multiples of the stride.
 * @param stride Voxels per cell.
 * @param overlap Least share of a window that the next one covers too.
 */
export function planFeatureGrid(
  extent: Extent,
  { patchSize, stride, overlap }: { patchSize: Extent; stride: Extent; overlap: number },
): FeatureGrid {
  const shape = extent.map((size, axis) => Math.ceil(size / stride[axis]!)) as unknown as Extent;
  const windowShape = patchSize.map((size, axis) => size / stride[axis]!) as unknown as Extent;
  const [along, down, across] = shape.map((cells, axis) => windowStarts(cells, windowShape[axis]!, overlap)) as [
    number[],
    number[],
    number[],
  ];
  const starts = along.flatMap((z) => down.flatMap((y) => across.map((x): Extent => [z, y, x])));
  return { shape, windowShape, starts, importance: gaussianImportance(windowShape) };
}

/** Visits the cells of a window that lie on the grid: index on the grid, index in the window, C order. */
export function forEachCell(
  { shape, windowShape }: FeatureGrid,
  start: Extent,
  visit: (gridCell: number, windowCell: number) => void,
): void {
  const [depth, height, width] = windowShape.map((cells, axis) => Math.min(cells, shape[axis]! - start[axis]!));
  for (let z = 0; z < depth!; z++) {
    for (let y = 0; y < height!; y++) {
      const onGrid = ((start[0] + z) * shape[1] + start[1] + y) * shape[2] + start[2];
      const inWindow = (z * windowShape[1] + y) * windowShape[2];
      for (let x = 0; x < width!; x++) visit(onGrid + x, inWindow + x);
    }
  }
}

/** Sum of the windows' weights in each cell of the grid: no cell has none. */
export function sumOfWeights(grid: FeatureGrid): Float32Array {
  const sums = new Float32Array(grid.shape[0] * grid.shape[1] * grid.shape[2]);
  for (const start of grid.starts) {
    forEachCell(grid, start, (cell, inWindow) => sums[cell]! += grid.importance[inWindow]!);
  }
  return sums;
}

/**
 * Where cells lie: the middles of the blocks of voxels that they stand for.
 *
 * @param affine Of the voxels, 4×4 row-major, index (width, height, depth) → RAS+ millimetres.
 * @param stride Voxels per cell, `[depth, height, width]`.
 * @returns The same for cells.
 */
export function affineOfCells(affine: Float64Array, stride: Extent): Float64Array {
  const byColumn = [stride[2], stride[1], stride[0]];
  return affine.map((value, i) => {
    if (i >= 12) return value;
    if (i % 4 < 3) return value * byColumn[i % 4]!;
    return byColumn.reduce((sum, step, column) => sum + affine[i - 3 + column]! * (step - 1) / 2, value);
  });
}

/**
 * Mean over the cells whose middle lies in the scan; along an axis thinner than half a cell its only cell counts.
 *
 * @param dense `[depth, height, width, channels]`.
 * @returns One number for each channel.
 */
export function poolCells(
  dense: Float32Array,
  { shape, extent, stride }: { shape: Extent; extent: Extent; stride: Extent },
): Float32Array {
  const channels = dense.length / (shape[0] * shape[1] * shape[2]);
  const [depth, height, width] = extent.map((size, axis) => Math.max(1, Math.round(size / stride[axis]! - 1e-9)));
  const sums = new Float64Array(channels);
  for (let z = 0; z < depth!; z++) {
    for (let y = 0; y < height!; y++) {
      let at = (z * shape[1] + y) * shape[2] * channels;
      for (let x = 0; x < width!; x++) {
        for (let channel = 0; channel < channels; channel++) sums[channel]! += dense[at++]!;
      }
    }
  }
  return Float32Array.from(sums, (sum) => sum / (depth! * height! * width!));
}
