import type { TrainingSample } from "../augment/augment_sample.ts";
import { padOrCrop, smallestFinite } from "../geometry/pad_or_crop.ts";
import type { Volume, VoxelArray } from "../volume.ts";
import { choosePatches, type ChoosePatchesOptions, type PatchPlace } from "./choose_patches.ts";

/** Options of {@linkcode samplePatches}. */
export interface SamplePatchesOptions extends ChoosePatchesOptions {
  /** Intensity of padding. Default: each image's smallest finite voxel (air in CT, background in MR). Labels are padded with 0. */
  readonly fill?: number;
}

/** A patch: images and labels that {@linkcode augmentSample} takes, and where it lies. */
export interface SampledPatch extends TrainingSample {
  /** One volume for each image that was given, each knowing its place in the world. */
  readonly channels: readonly Volume[];
  /** Class numbers of the same voxels. */
  readonly labels: Volume;
  /** Where the patch lies, and what it was centred on. */
  readonly place: PatchPlace;
}

/**
 * Cuts patches out of a labelled scan for training, with foreground oversampled as {@linkcode choosePatches} says.
 *
 * @param images The scan, or its channels on one grid; left as they are.
 * @param labels Class numbers on the same grid; left as they are.
 * @param options Size, count, seed, foreground and padding.
 * @returns The patches, each of the size asked for; a patch's voxels are copies.
 * @throws RangeError when grids differ in shape, there is no image, or an option is out of range.
 */
export function samplePatches(
  images: Volume | readonly Volume[],
  labels: Volume,
  options: SamplePatchesOptions,
): SampledPatch[] {
  const channels = "data" in images ? [images] : images;
  const other = channels.find(({ shape }) => shape.some((extent, axis) => extent !== labels.shape[axis]));
  if (channels.length === 0 || other) {
    throw new RangeError(
      `Cannot sample patches: images and labels differ in shape: got ${other ? `[${other.shape}]` : "no image"} and ` +
        `[${labels.shape}], expected the same. Resample them to one grid.`,
    );
  }
  const { patchSize } = options;
  const places = choosePatches(labels, options);
  const isPadded = places.some(({ start }) =>
    start.some((first, axis) => first < 0 || first + patchSize[axis]! > labels.shape[axis]!)
  );
  const fills = channels.map(({ data }) => options.fill ?? (isPadded ? smallestOf(data) : 0));
  return places.map((place) => ({
    channels: channels.map((channel, i) => padOrCrop(channel, patchSize, { start: place.start, fill: fills[i]! })),
    labels: padOrCrop(labels, patchSize, { kind: "label", start: place.start }),
    place,
  }));
}

/** Smallest voxels by array: patches of one scan are drawn step after step. */
const smallest = new WeakMap<VoxelArray, number>();

function smallestOf(data: VoxelArray): number {
  const known = smallest.get(data);
  if (known !== undefined) return known;
  const found = smallestFinite(data);
  smallest.set(data, found);
  return found;
}
