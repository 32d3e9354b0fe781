/** `[depth, height, width]` in voxels. */
export type Extent = readonly [number, number, number];

/**
 * Places windows along an axis: as few as keep neighbours overlapping by the share asked for, spread evenly from end to end (nnU-Net's rule).
 *
 * @param extent Voxels of the axis.
 * @param window Voxels of a window; at most `extent`.
 * @param overlap Least share of a window that the next one covers too, in [0, 1).
 * @returns First voxels, ascending; one of 0 where the window is the axis.
 */
export function windowStarts(extent: number, window: number, overlap: number): number[] {
  if (window >= extent) return [0];
  const steps = Math.ceil((extent - window) / Math.max(1, window * (1 - overlap)));
  return Array.from({ length: steps + 1 }, (_, i) => Math.round(i * (extent - window) / steps));
}

/**
 * Weighs the voxels of a window by a Gaussian about its middle, of an eighth of the window as deviation (nnU-Net's rule): borders, where a
 * network sees least, count least.
 *
 * @returns Weights in C order, the largest 1, the smallest 1e-3, so that none vanishes.
 */
export function gaussianImportance(window: Extent): Float32Array {
  const axes = window.map((extent) =>
    Float64Array.from({ length: extent }, (_, i) => Math.exp(-0.5 * ((i - (extent - 1) / 2) / (extent / 8)) ** 2))
  );
  const peak = axes.reduce((product, axis) => product * Math.max(...axis), 1);
  const [along, down, across] = axes as [Float64Array, Float64Array, Float64Array];
  const weights = new Float32Array(window[0] * window[1] * window[2]);
  let i = 0;
  for (const a of along) {
    for (const b of down) {
      for (const c of across) weights[i++] = Math.max(1e-3, a * b * c / peak);
    }
  }
  return weights;
}

/** A box of voxels. */
export interface Box {
  /** First voxel, `[depth, height, width]`. */
  readonly start: Extent;
  /** Voxels along each axis. */
  readonly shape: Extent;
}

/**
 * Cuts a grid into boxes of at most so many voxels, as few as halving the axis that is longest in windows leads to.
 *
 * @param shape The grid.
 * @param window Of the network: an axis is cut where most windows lie along it.
 * @param mostVoxels Least 1.
 * @returns Boxes that cover the grid once, in C order.
 */
export function cutIntoBlocks(shape: Extent, window: Extent, mostVoxels: number): Box[] {
  const parts = [1, 1, 1];
  const extent = (axis: number): number => Math.ceil(shape[axis]! / parts[axis]!);
  while (extent(0) * extent(1) * extent(2) > mostVoxels && [0, 1, 2].some((axis) => extent(axis) > 1)) {
    const longest = [0, 1, 2].reduce((best, axis) =>
      extent(axis) / window[axis]! > extent(best) / window[best]! || extent(best) === 1 ? axis : best
    );
    parts[longest]!++;
  }
  const ranges = shape.map((size, axis) => {
    const each = extent(axis);
    return Array.from(
      { length: Math.ceil(size / each) },
      (_, i) => [i * each, Math.min(each, size - i * each)] as const,
    );
  });
  return ranges[0]!.flatMap(([z, depth]) =>
    ranges[1]!.flatMap(([y, height]) =>
      ranges[2]!.map(([x, width]): Box => ({ start: [z, y, x], shape: [depth, height, width] }))
    )
  );
}

/** The voxels that two boxes share, or nothing. */
export function intersect(one: Box, other: Box): Box | undefined {
  const start = one.start.map((first, axis) => Math.max(first, other.start[axis]!));
  const shape = start.map((first, axis) =>
    Math.min(one.start[axis]! + one.shape[axis]!, other.start[axis]! + other.shape[axis]!) - first
  );
  return shape.every((extent) => extent > 0)
    ? { start: start as unknown as Extent, shape: shape as unknown as Extent }
    : undefined;
}
