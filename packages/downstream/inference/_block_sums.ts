import { type Box, type Extent, intersect } from "./windows.ts";

/** One window that is to be predicted: where, and along which axes mirrored. */
export interface Job {
  readonly box: Box;
  readonly flips: readonly boolean[];
}

/** Sums of weighted logits over the voxels of a block. */
export class BlockSums {
  readonly #block: Box;
  readonly #channels: number;
  readonly #sums: Float32Array;
  readonly #weights: Float32Array;

  /** Allocates sums of 0 for a block. */
  constructor(block: Box, channels: number) {
    const voxels = block.shape[0] * block.shape[1] * block.shape[2];
    this.#block = block;
    this.#channels = channels;
    this.#sums = new Float32Array(voxels * channels);
    this.#weights = new Float32Array(voxels);
  }

  /** Adds the part of a window that lies in the block; `offset` is the window's first voxel in the batch. */
  add(
    { box, flips }: Job,
    logits: Float32Array,
    { offset, patchSize, importance }: { offset: number; patchSize: Extent; importance: Float32Array },
  ): void {
    const shared = intersect(box, this.#block);
    if (!shared) return;
    const channels = this.#channels;
    const [, height, width] = this.#block.shape;
    const from = (axis: 0 | 1 | 2, place: number): number => {
      const inWindow = place - box.start[axis];
      return flips[axis] ? patchSize[axis] - 1 - inWindow : inWindow;
    };
    for (let z = shared.start[0]; z < shared.start[0] + shared.shape[0]; z++) {
      for (let y = shared.start[1]; y < shared.start[1] + shared.shape[1]; y++) {
        const row = (from(0, z) * patchSize[1] + from(1, y)) * patchSize[2];
        const [inZ, inY] = [z - this.#block.start[0], y - this.#block.start[1]];
        const target = (inZ * height + inY) * width - this.#block.start[2];
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

  /** Divides the sums by their weights, in place. */
  mean(): Float32Array {
    const channels = this.#channels;
    for (let voxel = 0, i = 0; voxel < this.#weights.length; voxel++) {
      const weight = this.#weights[voxel]!;
      for (let c = 0; c < channels; c++, i++) this.#sums[i]! /= weight;
    }
    return this.#sums;
  }
}
