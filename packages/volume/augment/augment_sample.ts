import { SeededRandom } from "../_seeded_random.ts";
import { permuteAxes } from "../geometry/_permute.ts";
import { padOrCrop } from "../geometry/pad_or_crop.ts";
import { assertShape } from "../geometry/resample.ts";
import { deriveVolume, type Volume } from "../volume.ts";
import { augmentIntensities } from "./_augment_intensities.ts";
import { drawMovement, moveSample, thickSliceAxis } from "./_move_sample.ts";
import { type AugmentRecipe, checkRecipe, NNUNET_3D } from "./recipe.ts";

/** Images of one patient on one grid, one for each channel, with their label map. */
export interface TrainingSample {
  /** At least one, such as the sequences of an MR examination. */
  readonly channels: readonly Volume[];
  /** Class numbers on the same grid; undefined where there are none. */
  readonly labels?: Volume;
}

/** Options of {@linkcode augmentSample}. */
export interface AugmentSampleOptions {
  /** What is drawn from. Default: {@linkcode NNUNET_3D}. */
  readonly recipe?: AugmentRecipe;
  /**
   * `[depth, height, width]` of the result, taken from the middle: a sample that is larger than what the network sees turns
   * without empty corners coming in. Default: the sample's own.
   */
  readonly patchSize?: readonly [number, number, number];
}

/**
 * Varies a sample for training a segmentation, at the level of nnU-Net's recipe in 3D.
 *
 * In this order, each with its probability: elastic deformation, rotation and scaling (images and labels together, by one
 * interpolation), noise, blur, brightness, contrast, low resolution, gamma of the negative, gamma, mirroring. The affine stays:
 * the content is changed, not where it is said to lie. Images become float32 where they are changed, labels keep their type. What was done
 * is told in the history with what was drawn.
 *
 * Each kind of augmentation draws from a stream of its own, which the seed fixes: turning one off changes no other.
 *
 * @param sample Stays as it is. Voxels should be normalised and must be finite.
 * @param seed Fixes everything; make it of the run's seed, the step and the place in the batch.
 * @param options The recipe and the size of the result.
 * @returns The varied sample.
 * @throws RangeError when there is no channel, grids differ in shape, or something in the recipe is out of range.
 */
export function augmentSample(
  sample: TrainingSample,
  seed: string,
  options: AugmentSampleOptions = {},
): TrainingSample {
  const { recipe = NNUNET_3D, patchSize } = options;
  checkRecipe(recipe);
  const [first] = sample.channels;
  if (!first) {
    throw new RangeError(
      `Cannot augment sample: it has no channel: got 0 images, expected at least one. Give the image as channels: [image].`,
    );
  }
  for (const { shape } of [...sample.channels, ...(sample.labels ? [sample.labels] : [])]) {
    if (shape.every((extent, axis) => extent === first.shape[axis])) continue;
    throw new RangeError(
      `Cannot augment sample: channels and labels differ in shape: got [${shape}] and [${first.shape}], expected the same. ` +
        `Resample them to one grid.`,
    );
  }
  const to = patchSize ?? first.shape;
  assertShape(to, "augment sample");
  const thickAxis = thickSliceAxis(first, to, recipe.thickSliceRatio);
  const movement = drawMovement(seed, { recipe, shape: to, spacingMm: first.spacingMm, thickAxis });
  const moved = movement ? moveSample(sample, movement, { recipe, to }) : cropSample(sample, to, recipe.fill);
  const varied = augmentIntensities(moved.channels, seed, { recipe, thickAxis });
  return mirrorSample({ ...moved, channels: varied }, new SeededRandom(`${seed}/mirror`), recipe);
}

function cropSample(
  { channels, labels }: TrainingSample,
  to: readonly [number, number, number],
  fill: number,
): TrainingSample {
  const isSame = to.every((extent, axis) => extent === channels[0]!.shape[axis]);
  const crop = (volume: Volume, kind: "image" | "label"): Volume =>
    isSame ? volume : padOrCrop(volume, to, { kind, fill: kind === "image" ? fill : 0 });
  return {
    channels: channels.map((channel) => crop(channel, "image")),
    ...(labels && { labels: crop(labels, "label") }),
  };
}

function mirrorSample(sample: TrainingSample, random: SeededRandom, { mirror }: AugmentRecipe): TrainingSample {
  const flips = mirror.probability.map((probability) => random.chance(probability));
  if (!flips.includes(true)) return sample;
  const names = ["depth", "height", "width"].filter((_, axis) => flips[axis]).join(", ");
  const sources = ([0, 1, 2] as const).map((axis) => ({ axis, flipped: flips[axis]! }));
  const flip = (volume: Volume): Volume =>
    deriveVolume(
      volume,
      { data: permuteAxes(volume.data, volume.shape, [sources[0]!, sources[1]!, sources[2]!]).data },
      `augmented: mirrored along ${names}`,
    );
  return { channels: sample.channels.map(flip), ...(sample.labels && { labels: flip(sample.labels) }) };
}
