import { Random } from "random";

/** Options of {@linkcode maskBlocks}. */
export interface MaskOptions {
  /** Share of the blocks that is hidden, in [0, 1]. Default 0.5. */
  readonly ratio?: number;
  /** Extent of a block, `[depth, height, width]` in voxels; blocks at the far ends may be cut short. Default [4, 4, 4]. */
  readonly blockSize?: readonly [number, number, number];
  /** Seed of which blocks. Default "0". */
  readonly seed?: string;
}

/**
 * Draws which blocks of a grid to hide, for masked reconstruction.
 *
 * @param shape `[depth, height, width]` in voxels.
 * @returns `[depth, height, width]` in C order: 1 where hidden, 0 where shown. `round(ratio · blocks)` blocks are hidden.
 * @throws RangeError when an extent or the ratio is out of range.
 */
export function maskBlocks(shape: readonly [number, number, number], options: MaskOptions = {}): Uint8Array {
  const { ratio = 0.5, blockSize = [4, 4, 4], seed = "0" } = options;
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new RangeError(`Cannot mask blocks: the ratio is out of range: got ${ratio}, expected a number of 0…1.`);
  }
  if ([...shape, ...blockSize].some((extent) => !Number.isInteger(extent) || extent < 1)) {
    throw new RangeError(
      `Cannot mask blocks: an extent is out of range: got shape [${shape}] and blocks [${blockSize}], expected positive integers.`,
    );
  }
  const [depth, height, width] = shape;
  const grid = shape.map((extent, axis) => Math.ceil(extent / blockSize[axis]!)) as [number, number, number];
  const blocks = grid[0] * grid[1] * grid[2];
  const hidden = new Uint8Array(blocks);
  const order = Array.from({ length: blocks }, (_, index) => index);
  const random = new Random(seed);
  const count = Math.round(ratio * blocks);
  for (let place = 0; place < count; place++) { // the first steps of a Fisher–Yates shuffle
    const other = random.int(place, blocks - 1);
    [order[place], order[other]] = [order[other]!, order[place]!];
    hidden[order[place]!] = 1;
  }
  const mask = new Uint8Array(depth * height * width);
  for (let z = 0, voxel = 0; z < depth; z++) {
    const planeStart = Math.floor(z / blockSize[0]) * grid[1];
    for (let y = 0; y < height; y++) {
      const rowStart = (planeStart + Math.floor(y / blockSize[1])) * grid[2];
      for (let x = 0; x < width; x++, voxel++) mask[voxel] = hidden[rowStart + Math.floor(x / blockSize[2])]!;
    }
  }
  return mask;
}
