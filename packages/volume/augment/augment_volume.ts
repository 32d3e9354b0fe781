import { SeededRandom } from "../_seeded_random.ts";
import { deriveVolume, type Volume } from "../volume.ts";
import { type AugmentOptions, resolveAugmentOptions } from "./augment_options.ts";
import { type Move, moveLinear, moveNearest } from "./_move.ts";
import { recolour } from "./_recolour.ts";

/** A scan with its label map on the same grid. */
export interface LabelledVolume {
  /** The scan. */
  readonly image: Volume;
  /** Class numbers, as many voxels as the scan's. */
  readonly labels: Volume;
}

/**
 * Varies a scan for training: flip, rotation and scaling about the grid's centre, then contrast, brightness, noise and gamma.
 *
 * The grid, its affine and the range of intensities stay: the content is changed, not where it is said to lie. What comes in from
 * outside the grid is the scan's least intensity, label 0. Images are interpolated linearly and become float32, labels take the
 * nearest and keep their type; both are moved alike. Rotations are even in ±`rotationDegrees` about each axis and hold in
 * millimetres; factors are drawn evenly on a logarithmic scale. Each step adds a line to the history with what was drawn.
 *
 * @param scan Stays as it is. Axes are taken as RAS+, which only matters to the meaning of the flips.
 * @param seed Fixes everything; make it of the run's seed and the step.
 * @param options How far to go. Flips are off by default, since they make captions wrong.
 * @returns The varied scan, or scan and labels where both were given.
 * @throws RangeError when an option is out of range, or labels and scan differ in shape.
 */
export function augmentVolume(scan: Volume, seed: string, options?: AugmentOptions): Volume;
/**
 * Varies a scan and its label map alike.
 *
 * @param scan Scan and labels; stay as they are.
 * @param seed As above.
 * @param options As above.
 */
export function augmentVolume(scan: LabelledVolume, seed: string, options?: AugmentOptions): LabelledVolume;
export function augmentVolume(
  scan: Volume | LabelledVolume,
  seed: string,
  options: AugmentOptions = {},
): Volume | LabelledVolume {
  const resolved = resolveAugmentOptions(options);
  const { image, labels } = "image" in scan ? scan : { image: scan, labels: undefined };
  if (labels && labels.shape.some((extent, axis) => extent !== image.shape[axis])) {
    throw new RangeError(
      `Cannot augment volume: labels and scan differ in shape: got [${labels.shape}] and [${image.shape}], expected the ` +
        `same. Resample the labels to the scan's grid.`,
    );
  }
  const move = drawMove(new SeededRandom(`${seed}/move`), resolved);
  const moves = move.scale !== 1 || move.flips.includes(true) || move.degrees.some((angle) => angle !== 0);
  const moved = moves ? moveImage(image, move) : image;
  const varied = recolourImage(moved, new SeededRandom(`${seed}/intensity`), resolved);
  if (!labels) return varied;
  return {
    image: varied,
    labels: moves ? deriveVolume(labels, { data: moveNearest(labels, move) }, lineOf(move)) : labels,
  };
}

function drawMove(random: SeededRandom, options: Required<AugmentOptions>): Move {
  const { rotationDegrees: most, scaleRange, flipProbability } = options;
  const angle = (): number => most === 0 ? 0 : random.float(-most, most);
  return {
    degrees: [angle(), angle(), angle()],
    scale: drawFactor(random, scaleRange),
    flips: flipProbability.map((probability) => random.chance(probability)) as [boolean, boolean, boolean],
  };
}

function moveImage(image: Volume, move: Move): Volume {
  let least = Infinity;
  for (const value of image.data) if (value < least) least = value;
  return deriveVolume(image, { data: moveLinear(image, move, least) }, lineOf(move));
}

function lineOf({ degrees, scale, flips }: Move): string {
  const angles = degrees.map((angle) => angle.toFixed(2)).join(", ");
  const flipped = ["depth", "height", "width"].filter((_, axis) => flips[axis]).join(", ");
  return `augmented: content rotated by ${angles}° about width, height, depth and scaled by ${scale.toFixed(3)}` +
    (flipped === "" ? "" : `, flipped along ${flipped}`);
}

function recolourImage(image: Volume, random: SeededRandom, options: Required<AugmentOptions>): Volume {
  const change = {
    brightness: options.brightness === 0 ? 0 : random.float(-options.brightness, options.brightness),
    contrast: drawFactor(random, options.contrastRange),
    gamma: drawFactor(random, options.gammaRange),
    noise: random.float(0, options.noise),
  };
  const { brightness, contrast, gamma, noise } = change;
  if (brightness === 0 && contrast === 1 && gamma === 1 && noise === 0) return image;
  const data = Float32Array.from(image.data);
  recolour(data, change, random);
  const line = `augmented: intensities with contrast ${contrast.toFixed(3)}, brightness ${
    brightness.toFixed(3)
  }, noise ${noise.toFixed(3)} of their range, gamma ${gamma.toFixed(3)}`;
  return deriveVolume(image, { data }, line);
}

function drawFactor(random: SeededRandom, [low, high]: readonly [number, number]): number {
  return low === high ? low : Math.exp(random.float(Math.log(low), Math.log(high)));
}
