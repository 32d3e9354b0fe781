import { assertShape } from "../geometry/resample.ts";
import { thickSliceAxis } from "./_move_sample.ts";
import { type AugmentRecipe, checkRecipe, NNUNET_3D } from "./recipe.ts";

/** How much further nnU-Net reaches for scaling: not for all of it, since that would be as much again. */
const REACH_FOR_SCALING = 1 / 0.85;

/** Options of {@linkcode patchSizeBefore}. */
export interface PatchSizeBeforeOptions {
  /** What is drawn from. Default: {@linkcode NNUNET_3D}. */
  readonly recipe?: AugmentRecipe;
  /** Voxel edges in millimetres, `[depth, height, width]`. Default: 1. */
  readonly spacingMm?: readonly [number, number, number];
}

/**
 * Works out how large a patch is to be cut out, so that after turning about any one axis and scaling its middle part has no
 * empty corners, as nnU-Net does: for `samplePatches` first, then `augmentSample` with `patchSize`.
 *
 * @param patchSize What the network sees, `[depth, height, width]` in voxels.
 * @param options The recipe, whose angles count, and the voxels' edges.
 * @returns The size to cut out. Across thick slices, where nothing turns, it is the network's. Turned about several axes at once, or scaled
 * further than by 1.18, corners may still come in.
 * @throws RangeError when the shape or something in the recipe is out of range.
 */
export function patchSizeBefore(
  patchSize: readonly [number, number, number],
  options: PatchSizeBeforeOptions = {},
): [number, number, number] {
  const { recipe = NNUNET_3D, spacingMm = [1, 1, 1] } = options;
  assertShape(patchSize, "work out a patch size");
  checkRecipe(recipe);
  const thickAxis = thickSliceAxis({ spacingMm }, patchSize, recipe.thickSliceRatio);
  const { rotation, scaling } = recipe;
  const range = thickAxis === undefined ? rotation.degrees : rotation.degreesInPlane;
  const most = rotation.probability === 0 ? 0 : Math.min(90, Math.max(...range.map(Math.abs))) * Math.PI / 180;
  const reach = scaling.probability === 0 ? 1 : Math.min(REACH_FOR_SCALING, Math.max(1, scaling.range[1]));
  return patchSize.map((size, axis) => {
    if (axis === thickAxis) return size;
    const extents = patchSize.map((other, across) => {
      if (across === axis || across === thickAxis) return size;
      const lever = other * spacingMm[across]! / spacingMm[axis]!;
      const angle = Math.min(most, Math.atan2(lever, size)); // beyond it the corner comes down again
      return size * Math.cos(angle) + lever * Math.sin(angle);
    });
    return Math.ceil(reach * Math.max(...extents) - 1e-9);
  }) as [number, number, number];
}
