import type { VoxelArray } from "../volume.ts";
import { bitsOf, copyOf, sameTypeArray, type VoxelBits } from "./_voxel_bits.ts";

/** How one output axis is read from the input; axes in C order: 0 depth, 1 height, 2 width. */
export interface AxisSource {
  readonly axis: 0 | 1 | 2;
  readonly flipped: boolean;
}

/** Edge of the blocks in which an axis is turned into another: reads and writes of a block share cache lines. */
const BLOCK = 32;

/** Reorders and flips axes of a C-order array; `sources[i]` says which input axis output axis i is. */
export function permuteAxes(
  data: VoxelArray,
  shape: readonly [number, number, number],
  sources: readonly [AxisSource, AxisSource, AxisSource],
): { data: VoxelArray; shape: [number, number, number] } {
  const strides = [shape[1] * shape[2], shape[2], 1] as const;
  const outShape = sources.map(({ axis }) => shape[axis]) as [number, number, number];
  const steps = sources.map(({ axis, flipped }) => flipped ? -strides[axis] : strides[axis]) as [
    number,
    number,
    number,
  ];
  const first = sources.reduce((sum, { axis, flipped }) => sum + (flipped ? (shape[axis] - 1) * strides[axis] : 0), 0);
  if (sources.every(({ axis }, i) => axis === i)) return { data: flipRuns(data, shape, sources), shape: outShape };
  const out = sameTypeArray(data, data.length);
  const layout = { shape: outShape, steps, first };
  if (sources[2].axis === 2) moveRows(bitsOf(data), bitsOf(out), layout);
  else turnBlocks(bitsOf(data), bitsOf(out), layout, sources[0].axis === 2 ? 0 : 1);
  return { data: out, shape: outShape };
}

/** Axes keep their order: what the last axes that are flipped alike span is turned round, or moved, in one piece. */
function flipRuns(
  data: VoxelArray,
  shape: readonly [number, number, number],
  sources: readonly AxisSource[],
): VoxelArray {
  const [zFlipped, yFlipped, xFlipped] = sources.map(({ flipped }) => flipped);
  const isSlice = yFlipped === xFlipped;
  const isAll = isSlice && zFlipped === xFlipped;
  const [depth, height] = [isAll ? 1 : shape[0], isSlice ? 1 : shape[1]];
  const length = data.length / (depth * height);
  const isInPlace = (isAll || !zFlipped) && (isSlice || !yFlipped);
  const out = isInPlace ? copyOf(data) : sameTypeArray(data, data.length); // a copy needs not be zeroed first
  for (let z = 0, to = 0; z < depth; z++) {
    for (let y = 0; y < height; y++, to += length) {
      const from = ((zFlipped ? depth - 1 - z : z) * height + (yFlipped ? height - 1 - y : y)) * length;
      if (!isInPlace) out.set(data.subarray(from, from + length), to);
      if (xFlipped) out.subarray(to, to + length).reverse();
    }
  }
  return out;
}

interface Layout {
  /** Of the output. */
  readonly shape: readonly [number, number, number];
  /** In the input, for a step along each axis of the output. */
  readonly steps: readonly [number, number, number];
  readonly first: number;
}

/** Rows stay rows, perhaps turned round. */
function moveRows(data: VoxelBits, out: VoxelBits, { shape, steps, first }: Layout): void {
  const [depth, height, width] = shape;
  for (let z = 0, to = 0; z < depth; z++) {
    for (let y = 0; y < height; y++, to += width) {
      const from = first + z * steps[0] + y * steps[1];
      if (steps[2] === 1) out.set(data.subarray(from, from + width), to);
      else {
        out.set(data.subarray(from - width + 1, from + 1), to);
        out.subarray(to, to + width).reverse();
      }
    }
  }
}

/** The input's rows run along the output's axis `along`: blocks of rows are turned, the third axis outside. */
function turnBlocks(data: VoxelBits, out: VoxelBits, { shape, steps, first }: Layout, along: 0 | 1): void {
  const other = along === 0 ? 1 : 0;
  const outStrides = [shape[1] * shape[2], shape[2]] as const;
  const [stepAlong, outAlong, stepX] = [steps[along], outStrides[along], steps[2]];
  for (let o = 0; o < shape[other]; o++) {
    const from = first + o * steps[other];
    const to = o * outStrides[other];
    for (let i0 = 0; i0 < shape[along]; i0 += BLOCK) {
      const i1 = Math.min(shape[along], i0 + BLOCK);
      for (let x0 = 0; x0 < shape[2]; x0 += BLOCK) {
        const x1 = Math.min(shape[2], x0 + BLOCK);
        for (let i = i0; i < i1; i++) {
          let source = from + i * stepAlong + x0 * stepX;
          const target = to + i * outAlong;
          for (let x = x0; x < x1; x++, source += stepX) out[target + x] = data[source]!;
        }
      }
    }
  }
}
