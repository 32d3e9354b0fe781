import { rotationOf } from "../_rotation.ts";
import { SeededRandom } from "../_seeded_random.ts";
import { regridAffine } from "../geometry/affine.ts";
import { centredStart } from "../geometry/pad_or_crop.ts";
import { deriveVolume, type Volume } from "../volume.ts";
import type { TrainingSample } from "./augment_sample.ts";
import { ElasticField } from "./_elastic_field.ts";
import type { AugmentRecipe } from "./recipe.ts";
import { warpTogether } from "./_warp.ts";

type Shape = readonly [number, number, number];

/** What was drawn about how the content moves. */
export interface Movement {
  /** 3×3 row-major in voxels, depth, height, width: place in the result from the centre → place in the input. */
  readonly matrix: Float64Array;
  readonly fields: readonly (ElasticField | undefined)[];
  readonly line: string;
}

/** The axis across thick slices, as nnU-Net decides it from the patch; undefined where slices are not thick. */
export function thickSliceAxis(
  grid: Pick<Volume, "spacingMm">,
  to: Shape,
  ratio: number,
): number | undefined {
  const longest = Math.max(...grid.spacingMm);
  const axis = [0, 1, 2]
    .filter((candidate) => grid.spacingMm[candidate]! > longest * (1 - 1e-6))
    .reduce((best, candidate) => to[candidate]! < to[best]! ? candidate : best);
  return Math.max(...to) / to[axis]! > ratio ? axis : undefined;
}

/** Draws rotation, scaling and elastic deformation; undefined where none is to be done. */
export function drawMovement(
  seed: string,
  options: {
    readonly recipe: AugmentRecipe;
    readonly shape: Shape;
    readonly spacingMm: Shape;
    readonly thickAxis: number | undefined;
  },
): Movement | undefined {
  const { recipe, shape, spacingMm, thickAxis } = options;
  const degrees = drawDegrees(new SeededRandom(`${seed}/rotation`), recipe, thickAxis);
  const ofScale = new SeededRandom(`${seed}/scaling`);
  const scale = ofScale.chance(recipe.scaling.probability) ? ofScale.float(...recipe.scaling.range) : undefined;
  const elastic = drawFields(new SeededRandom(`${seed}/elastic`), { recipe, shape, thickAxis });
  if (!degrees && scale === undefined && !elastic) return undefined;
  const rotation = rotationOf(degrees ?? [0, 0, 0]);
  const matrix = new Float64Array(9);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      // The rotation's inverse, from new places to old ones, with axes turned from width, height, depth.
      const turned = rotation[(2 - column) * 3 + (2 - row)]! * spacingMm[column]! / spacingMm[row]!;
      matrix[row * 3 + column] = turned * (row === thickAxis ? 1 : scale ?? 1);
    }
  }
  const told = [
    ...(elastic ? [elastic.told] : []),
    ...(degrees ? [`rotated by ${degrees.map((d) => d.toFixed(4)).join(", ")}° about width, height, depth`] : []),
    ...(scale === undefined ? [] : [`scaled to show ${scale.toFixed(4)} times as much`]),
  ];
  return { matrix, fields: elastic?.fields ?? [], line: `augmented: content ${told.join(", ")}` };
}

function drawDegrees(
  random: SeededRandom,
  { rotation }: AugmentRecipe,
  thickAxis: number | undefined,
): [number, number, number] | undefined {
  if (!random.chance(rotation.probability)) return undefined;
  const drawn = [0, 1, 2].map(() => random.float()) as [number, number, number];
  const within = ([least, largest]: readonly [number, number], share: number) => least + (largest - least) * share;
  if (thickAxis === undefined) return drawn.map((share) => within(rotation.degrees, share)) as [number, number, number];
  const degrees: [number, number, number] = [0, 0, 0];
  degrees[2 - thickAxis] = within(rotation.degreesInPlane, drawn[2 - thickAxis]!);
  return degrees;
}

function drawFields(
  random: SeededRandom,
  options: { readonly recipe: AugmentRecipe; readonly shape: Shape; readonly thickAxis: number | undefined },
): { fields: (ElasticField | undefined)[]; told: string } | undefined {
  const { recipe: { elastic }, shape, thickAxis } = options;
  if (!random.chance(elastic.probability)) return undefined;
  const smoothness = random.float(...elastic.smoothness);
  const sigmaVoxels = shape.map((extent) => smoothness * extent) as [number, number, number];
  const displacement = random.float(...elastic.displacement);
  const fields = sigmaVoxels.map((sigma, axis) =>
    axis === thickAxis
      ? undefined
      : new ElasticField(shape, { sigmaVoxels, largest: displacement * sigma, constantAxis: thickAxis, random })
  );
  const most = sigmaVoxels.map((sigma, axis) => (axis === thickAxis ? 0 : displacement * sigma).toFixed(2)).join(", ");
  return {
    fields,
    told: `deformed by up to ${most} voxels along depth, height, width, as smooth as ${smoothness.toFixed(4)} of them`,
  };
}

/** Moves channels and labels by one interpolation, onto the middle `to` voxels. */
export function moveSample(
  { channels, labels }: TrainingSample,
  { matrix, fields, line }: Movement,
  options: { readonly recipe: AugmentRecipe; readonly to: Shape },
): TrainingSample {
  const { recipe: { fill, labels: labelMethod }, to } = options;
  const from = channels[0]!.shape;
  const start = centredStart(from, to);
  const moved = warpTogether(channels.map(({ data }) => data), labels?.data, {
    warp: { from, to, start, matrix, fields },
    fill,
    labelMethod,
  });
  const place = (volume: Volume, data: Volume["data"], how: string): Volume => {
    const affine = regridAffine(volume.affine, [1, 1, 1], [start[2], start[1], start[0]]);
    return deriveVolume(volume, { data, shape: to, affine }, `${line}, ${how}`);
  };
  return {
    channels: channels.map((channel, i) => place(channel, moved.images[i]!, `linear interpolation, fill ${fill}`)),
    ...(labels && { labels: place(labels, moved.labels!, `${labelMethod} interpolation, fill 0`) }),
  };
}
