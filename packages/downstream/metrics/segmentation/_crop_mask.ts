import type { Triple, VoxelArray } from "@med3d/volume";
import type { Box } from "./_label_runs.ts";

/** Voxels along each axis of a box. */
export function shapeOf({ low, high }: Box): Triple {
  return [high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1];
}

/** What {@linkcode cropMask} takes beside the label map. */
export interface CropMaskOptions {
  readonly shape: Triple;
  readonly labels: readonly number[];
  readonly box: Box;
  /** Voxels of this map that hold `ignoreLabel` count as background. */
  readonly reference: VoxelArray;
  readonly ignoreLabel: number | undefined;
}

/** Cuts a box out of a label map: 1 where it has one of the labels, else 0. */
export function cropMask(labelMap: VoxelArray, options: CropMaskOptions): Uint8Array {
  const { shape: [, height, width], labels, box, reference, ignoreLabel } = options;
  const wanted = new Set(labels);
  const [depth, rows, columns] = shapeOf(box);
  const mask = new Uint8Array(depth * rows * columns);
  let [to, last, inside] = [0, NaN, false];
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < rows; y++) {
      const start = ((box.low[0] + z) * height + box.low[1] + y) * width + box.low[2];
      for (let x = start; x < start + columns; x++, to++) {
        const label = labelMap[x]!;
        if (label !== last) {
          last = label;
          inside = wanted.has(label);
        }
        if (inside && (ignoreLabel === undefined || reference[x] !== ignoreLabel)) mask[to] = 1;
      }
    }
  }
  return mask;
}
