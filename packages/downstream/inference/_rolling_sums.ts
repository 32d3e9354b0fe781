import { type Box, type Extent, intersect } from "./windows.ts";

/** One window that is to be predicted: where, and along which axes mirrored. */
export interface Job {
  readonly box: Box;
  readonly flips: readonly boolean[];
}

/** Sums of weighted logits over some planes of a column, which roll along depth with the windows. */
export class RollingSums {
  readonly #column: Box;
  readonly #channels: number;
  readonly #sums: Float32Array;
  readonly #weights: Float32Array;
  #first: number;

  /** Allocates sums of 0 for the first planes of a column; `depth` planes are held, at most the column's own. */
  constructor(column: Box, { depth, channels }: { readonly depth: number; readonly channels: number }) {
    const voxels = depth * column.shape[1] * column.shape[2];
    this.#column = column;
    this.#channels = channels;
    this.#sums = new Float32Array(voxels * channels);
    this.#weights = new Float32Array(voxels);
    this.#first = column.start[0];
  }

  /** The first plane that is held. */
  get first(): number {
    return this.#first;
  }

  /** Adds the part of a window that lies in the planes held; `offset` is the window's first voxel in the batch. */
  add(
    { box, flips }: Job,
    logits: Float32Array,
    { offset, patchSize, importance }: { offset: number; patchSize: Extent; importance: Float32Array },
  ): void {
    const shared = intersect(box, this.#held);
    if (!shared) return;
    const channels = this.#channels;
    const [, height, width] = this.#column.shape;
    const from = (axis: 0 | 1 | 2, place: number): number => {
      const inWindow = place - box.start[axis];
      return flips[axis] ? patchSize[axis] - 1 - inWindow : inWindow;
    };
    for (let z = shared.start[0]; z < shared.start[0] + shared.shape[0]; z++) {
      for (let y = shared.start[1]; y < shared.start[1] + shared.shape[1]; y++) {
        const row = (from(0, z) * patchSize[1] + from(1, y)) * patchSize[2];
        const [inZ, inY] = [z - this.#first, y - this.#column.start[1]];
        const target = (inZ * height + inY) * width - this.#column.start[2];
        const straight = ((z - box.start[0]) * patchSize[1] + y - box.start[1]) * patchSize[2] - box.start[2];
        for (let x = shared.start[2]; x < shared.start[2] + shared.shape[2]; x++) {
          const weight = importance[straight + x]!;
          const source = (offset + row + from(2, x)) * channels;
          this.#weights[target + x]! += weight;
          for (let c = 0; c < channels; c++) this.#sums[(target + x) * channels + c]! += weight * logits[source + c]!;
        }
      }
    }
  }

  /**
   * Hands out the planes before `end`, sums divided by their weights, and rolls on to those after. The last planes come without a copy: the
   * sums are then not to be used again.
   */
  take(end: number): Box & { readonly logits: Float32Array } {
    const [, height, width] = this.#column.shape;
    const box = this.#held;
    const voxels = (end - this.#first) * height * width;
    const channels = this.#channels;
    for (let voxel = 0, i = 0; voxel < voxels; voxel++) {
      const weight = this.#weights[voxel]!;
      for (let c = 0; c < channels; c++, i++) this.#sums[i]! /= weight;
    }
    const taken = { start: box.start, shape: [end - this.#first, height, width] } as const;
    this.#first = end;
    if (end === this.#column.start[0] + this.#column.shape[0]) {
      return { ...taken, logits: this.#sums.subarray(0, voxels * channels) };
    }
    const logits = this.#sums.slice(0, voxels * channels);
    roll(this.#sums, voxels * channels);
    roll(this.#weights, voxels);
    return { ...taken, logits };
  }

  get #held(): Box {
    const { start: [, y, x], shape: [, height, width] } = this.#column;
    const depth = this.#weights.length / (height * width);
    return { start: [this.#first, y, x], shape: [depth, height, width] };
  }
}

/** Brings what lies after the first values to the front, and 0 behind it. */
function roll(values: Float32Array, count: number): void {
  values.copyWithin(0, count);
  values.fill(0, values.length - count);
}
