import { SeededRandom } from "../_seeded_random.ts";

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
 * @param options Share, block size and seed.
 * @returns `[depth, height, width]` in C order: 1 where hidden, 0 where shown. `round(ratio · blocks)` blocks are hidden.
 * @throws RangeError when an extent or the ratio is out of range.
 */
export function maskBlocks(shape: readonly [number, number, number], options: MaskOptions = {}): Uint8Array {
  const { ratio = 0.5, blockSize = [4, 4, 4], seed = "0" } = options;
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new RangeError(
      `Cannot mask blocks: the ratio is out of range: got ${ratio}, expected a number of 0…1. Give the share to hide.`,
    );
  }
  if ([...shape, ...blockSize].some((extent) => !Number.isInteger(extent) || extent < 1)) {
    throw new RangeError(
      `Cannot mask blocks: an extent is out of range: got shape [${shape}] and blocks [${blockSize}], expected positive ` +
        `integers. Give [depth, height, width] in voxels.`,
    );
  }
  const [depth, height, width] = shape;
  const grid = shape.map((extent, axis) => Math.ceil(extent / blockSize[axis]!)) as [number, number, number];
  const hidden = drawHidden(grid[0] * grid[1] * grid[2], ratio, seed);
  const mask = new Uint8Array(depth * height * width);
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const first = (Math.floor(z / blockSize[0]) * grid[1] + Math.floor(y / blockSize[1])) * grid[2];
      const row = (z * height + y) * width;
      for (let block = 0; block < grid[2]; block++) {
        if (hidden[first + block] === 0) continue;
        mask.fill(1, row + block * blockSize[2], row + Math.min(width, (block + 1) * blockSize[2]));
      }
    }
  }
  return mask;
}

/** The first steps of a Fisher–Yates shuffle. */
function drawHidden(blocks: number, ratio: number, seed: string): Uint8Array {
  const random = new SeededRandom(seed);
  const order = Uint32Array.from({ length: blocks }, (_, index) => index);
  const hidden = new Uint8Array(blocks);
  const count = Math.round(ratio * blocks);
  for (let place = 0; place < count; place++) {
    const other = random.integer(place, blocks - 1);
    const drawn = order[other]!;
    order[other] = order[place]!;
    hidden[drawn] = 1;
  }
  return hidden;
}
