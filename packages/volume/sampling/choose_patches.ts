import { SeededRandom } from "../_seeded_random.ts";
import { assertShape } from "../geometry/resample.ts";
import type { Volume } from "../volume.ts";
import { ClassIndex } from "./class_index.ts";

/** Options of {@linkcode choosePatches}. */
export interface ChoosePatchesOptions {
  /** `[depth, height, width]` of a patch in voxels; may be larger than the volume. */
  readonly patchSize: readonly [number, number, number];
  /**
   * `[depth, height, width]` of the middle part of the patch that the network sees in the end, where the patch is cut out larger so that it
   * can be turned: this part alone is kept within the volume, so that it comes to the borders as often as anywhere. Default: `patchSize`.
   */
  readonly innerSize?: readonly [number, number, number];
  /** How many patches. */
  readonly count: number;
  /** Fixes everything that is drawn. */
  readonly seed: string;
  /** Least share of the patches that are centred on foreground, in [0, 1]. Default: 1/3, about nnU-Net's 0.33. */
  readonly foregroundFraction?: number;
  /** Labels that count as foreground. Default: all that occur but 0. */
  readonly foregroundClasses?: readonly number[];
  /** The label map's index, to be made once where patches of one map are drawn often. Default: made anew. */
  readonly index?: ClassIndex;
}

/** Where a patch lies. */
export interface PatchPlace {
  /** Index `[depth, height, width]` in the volume of the patch's first voxel; negative where the patch begins in padding. */
  readonly start: readonly [number, number, number];
  /** The foreground voxel that the patch was centred on, as far as the volume's borders allow; undefined for a patch from anywhere. */
  readonly centre: readonly [number, number, number] | undefined;
  /** The class of `centre`. */
  readonly label: number | undefined;
}

/**
 * Chooses patches of a labelled volume, with foreground oversampled by nnU-Net's rule.
 *
 * The first patches come from anywhere, each place as likely as another. The last `ceil(count · foregroundFraction)` are each
 * centred on a voxel: a class is drawn evenly among the foreground classes that occur, so that small structures are seen as often
 * as large ones, then a voxel evenly among all of that class. A patch, or its inner part, stays within the volume where it fits; where it
 * does not, what is missing is shared by both ends. (nnU-Net lets patches reach beyond the far end, keeps at most 10,000 voxels
 * of a class and rounds the share to the nearest count.) Without any foreground all patches come from anywhere, and their `label` says so.
 * Voxels are found by rank, not from lists of them: see {@linkcode ClassIndex}.
 *
 * @param labels Class numbers.
 * @param options Size, count, seed and what counts as foreground.
 * @returns One place for each patch.
 * @throws RangeError when a size, count or share is out of range, or the inner size above the patch's.
 */
export function choosePatches(labels: Volume, options: ChoosePatchesOptions): PatchPlace[] {
  const { patchSize, innerSize = patchSize, count, seed, foregroundFraction = 1 / 3, foregroundClasses } = options;
  assertShape(patchSize, "choose patches");
  assertShape(innerSize, "choose patches");
  if (innerSize.some((extent, axis) => extent > patchSize[axis]!)) {
    throw new RangeError(
      `Cannot choose patches: innerSize is out of range: got [${innerSize}], expected at most the patch's [${patchSize}]. Give what the ` +
        `network sees.`,
    );
  }
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new RangeError(
      `Cannot choose patches: bad count: got ${count}, expected an integer from 0. Give how many patches to draw.`,
    );
  }
  if (!(foregroundFraction >= 0 && foregroundFraction <= 1)) {
    throw new RangeError(
      `Cannot choose patches: foregroundFraction is out of range: got ${foregroundFraction}, expected 0…1. Give a share.`,
    );
  }
  const centred = Math.ceil(count * foregroundFraction - 1e-9);
  const index = centred === 0 ? undefined : options.index ?? new ClassIndex(labels);
  const present = index?.classes.filter((label) => foregroundClasses ? foregroundClasses.includes(label) : label !== 0);
  return Array.from({ length: count }, (_, patch): PatchPlace => {
    const random = new SeededRandom(`${seed}/patch/${patch}`);
    if (!index || !present || present.length === 0 || patch < count - centred) {
      const start = labels.shape.map((size, axis) =>
        random.integer(...startRange(size, patchSize[axis]!, innerSize[axis]!))
      );
      return { start: start as [number, number, number], centre: undefined, label: undefined };
    }
    const label = random.pick(present);
    const centre = index.find(label, random.integer(0, index.count(label) - 1));
    const start = centre.map((place, axis) => {
      const [least, most] = startRange(labels.shape[axis]!, patchSize[axis]!, innerSize[axis]!);
      return Math.min(Math.max(place - Math.floor(patchSize[axis]! / 2), least), most);
    });
    return { start: start as [number, number, number], centre, label };
  });
}

/** Least and largest index of a patch's first voxel along an axis, by where its inner part, which lies in its middle, may begin. */
function startRange(size: number, extent: number, inner: number): [number, number] {
  const before = Math.floor((extent - inner) / 2); // as padOrCrop takes the middle
  const missing = Math.max(0, inner - size);
  const [least, most] = missing > 0 ? [-Math.ceil(missing / 2), -Math.floor(missing / 2)] : [0, size - inner];
  return [least - before, most - before + 0]; // no negative zero
}
