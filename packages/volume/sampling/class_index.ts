import type { Volume } from "../volume.ts";

/** More values than any label map has: such a volume is an image. */
const MOST_CLASSES = 4096;

/**
 * How often each label occurs in each slice of a label map: enough to find any voxel of a class by its rank while looking
 * at one slice, in memory of classes × depth numbers, however many voxels a class has.
 */
export class ClassIndex {
  /** The labels that occur, ascending, 0 among them. */
  readonly classes: readonly number[];
  readonly #labels: Volume;
  readonly #counts: ReadonlyMap<number, Uint32Array>;

  /**
   * Counts a label map's voxels in one pass; the map must not change afterwards.
   *
   * @param labels Class numbers.
   * @throws RangeError when there are more than 4096 different values.
   */
  constructor(labels: Volume) {
    this.#labels = labels;
    this.#counts = countBySlice(labels);
    this.classes = [...this.#counts.keys()].sort((a, b) => a - b);
  }

  /**
   * Counts a class's voxels.
   *
   * @param label Class number.
   * @returns How many voxels have it, 0 for one that does not occur.
   */
  count(label: number): number {
    return this.#counts.get(label)?.reduce((sum, count) => sum + count, 0) ?? 0;
  }

  /**
   * Finds a voxel of a class by its rank.
   *
   * @param label Class number.
   * @param rank From 0 to one less than {@linkcode ClassIndex.count}, in C order.
   * @returns The voxel's `[depth, height, width]` index.
   * @throws RangeError when there is no such voxel.
   */
  find(label: number, rank: number): [number, number, number] {
    const { data, shape: [depth, height, width] } = this.#labels;
    const counts = this.#counts.get(label);
    let left = rank;
    for (let z = 0; counts && left >= 0 && z < depth; z++) {
      if (left >= counts[z]!) {
        left -= counts[z]!;
        continue;
      }
      const first = z * height * width;
      for (let i = 0; i < height * width; i++) {
        if (data[first + i] === label && left-- === 0) return [z, Math.floor(i / width), i % width];
      }
    }
    throw new RangeError(
      `Cannot find voxel: the class has no such voxel: got label ${label}, rank ${rank}, expected a rank of 0 to below ` +
        `${this.count(label)}. Ask for a rank below count(label).`,
    );
  }
}

function countBySlice({ data, shape: [depth, height, width] }: Volume): Map<number, Uint32Array> {
  const counts = new Map<number, Uint32Array>();
  const add = (label: number, z: number, voxels: number): void => {
    let ofLabel = counts.get(label);
    if (!ofLabel) {
      if (counts.size === MOST_CLASSES) {
        throw new RangeError(
          `Cannot index classes: too many different values for a label map: got more than ${MOST_CLASSES}, expected class ` +
            `numbers. Give the label map, not the image.`,
        );
      }
      counts.set(label, ofLabel = new Uint32Array(depth));
    }
    ofLabel[z] = ofLabel[z]! + voxels;
  };
  const area = height * width;
  for (let z = 0; z < depth; z++) { // labels come in runs: a run is counted at its end
    let start = z * area;
    const end = start + area;
    let label = data[start]!;
    for (let i = start + 1; i < end; i++) {
      if (data[i] === label) continue;
      add(label, z, i - start);
      label = data[i]!;
      start = i;
    }
    add(label, z, end - start);
  }
  return counts;
}
