import type { Volume, VoxelArray } from "../volume.ts";
import { type AxisMethod, type AxisPlan, planAxis } from "./_axis_plan.ts";
import type { AxisMap } from "./axis_map.ts";
import { interpolateSeparably } from "./_interpolate.ts";
import { resampleOneHot } from "./_one_hot.ts";

/**
 * How values between voxel centres are made: `"nearest"` takes the nearest voxel, `"linear"` mixes the two neighbours along each
 * axis, `"cubic"` follows the cubic B-spline through the voxels (order 3, prefiltered), `"one-hot"` is for labels and takes the
 * label that has the largest share under linear interpolation of each label by itself, the lower one of equals.
 */
export type Interpolation = "linear" | "nearest" | "cubic" | "one-hot";

/** Options shared by everything that interpolates. */
export interface InterpolationOptions {
  /**
   * What the voxels mean. `"label"`: class numbers, which are never mixed, so only nearest and one-hot are allowed. Default:
   * `"image"`.
   */
  readonly kind?: "image" | "label";
  /** Between voxel centres. Default: linear for images, nearest for labels. */
  readonly interpolation?: Interpolation;
  /**
   * What is done across thick slices, along the one axis whose voxels are longest where their longest edge is more than
   * `thickRatio` times their shortest, before or else after: `"nearest"` takes the nearest slice, since values from between
   * slices that lie far apart would be made up (nnU-Net's rule); `"same"` treats all axes alike. Default: nearest under cubic
   * and one-hot interpolation, so that images and labels go together, else same.
   */
  readonly acrossSlices?: "nearest" | "same";
  /** Ratio of the voxels' longest to their shortest edge above which slices are thick. Default: 3, nnU-Net's. */
  readonly thickRatio?: number;
  /**
   * Smooths by a Gaussian of (factor − 1)/2 voxels before an axis is reduced by a factor, as scikit-image does, under linear
   * and cubic interpolation. Default: false, as nnU-Net.
   */
  readonly antialias?: boolean;
  /** Keeps a spline, which overshoots at edges, within the range of the volume's finite voxels. Default: true. */
  readonly clip?: boolean;
}

/** Options with their defaults filled in. */
export interface ResolvedInterpolation {
  readonly interpolation: Interpolation;
  readonly acrossSlices: "nearest" | "same";
  readonly thickRatio: number;
  readonly antialias: boolean;
  readonly clip: boolean;
}

/** Fills in defaults, refusing to mix labels. */
export function resolveInterpolation(options: InterpolationOptions, action: string): ResolvedInterpolation {
  const { kind = "image", interpolation = kind === "label" ? "nearest" : "linear" } = options;
  const usual = interpolation === "cubic" || interpolation === "one-hot" ? "nearest" : "same";
  const { acrossSlices = usual, thickRatio = 3, antialias = false } = options;
  if (kind === "label" && interpolation !== "nearest" && interpolation !== "one-hot") {
    throw new RangeError(
      `Cannot ${action}: labels cannot be mixed: got ${interpolation} interpolation, expected nearest or one-hot. Leave it out.`,
    );
  }
  if (kind === "image" && interpolation === "one-hot") {
    throw new RangeError(
      `Cannot ${action}: one-hot interpolation is for labels: got kind image, expected label. Choose linear or cubic.`,
    );
  }
  if (!["linear", "nearest", "cubic", "one-hot"].includes(interpolation)) {
    throw new RangeError(
      `Cannot ${action}: unknown interpolation: got ${interpolation}, expected linear, nearest, cubic or one-hot. Choose one.`,
    );
  }
  if (!(thickRatio >= 1)) {
    throw new RangeError(
      `Cannot ${action}: bad thickRatio: got ${thickRatio}, expected a number from 1. Leave it out for 3.`,
    );
  }
  const isMixed = interpolation === "linear" || interpolation === "cubic";
  return { interpolation, acrossSlices, thickRatio, antialias: antialias && isMixed, clip: options.clip ?? true };
}

/**
 * Finds the axis of thick slices.
 *
 * @param spacingMm Per axis.
 * @param ratio Of the longest to the shortest edge, above which slices are thick.
 * @returns The axis of the longest edge, or undefined when edges are about alike or two are longest.
 */
export function thickAxisOf(spacingMm: readonly number[], ratio: number): number | undefined {
  const longest = Math.max(...spacingMm);
  if (!(longest / Math.min(...spacingMm) > ratio)) return undefined;
  const longestAxes = spacingMm.flatMap((spacing, axis) => spacing > longest * (1 - 1e-6) ? [axis] : []);
  return longestAxes.length === 1 ? longestAxes[0] : undefined;
}

/** Resamples voxels along their own axes and says in words how. */
export function resampleAlongAxes(
  volume: Volume,
  maps: readonly [AxisMap, AxisMap, AxisMap],
  options: ResolvedInterpolation,
): { data: VoxelArray; line: string } {
  const { interpolation, acrossSlices, thickRatio, antialias, clip } = options;
  const after = maps.map(({ scale }, axis) => Math.abs(scale) * volume.spacingMm[axis]!);
  const thick = acrossSlices === "nearest"
    ? thickAxisOf(volume.spacingMm, thickRatio) ?? thickAxisOf(after, thickRatio)
    : undefined;
  const isThickUsed = thick !== undefined && interpolation !== "nearest" && !isSame(maps[thick]!, volume.shape[thick]!);
  const inPlane: AxisMethod = interpolation === "one-hot" ? "linear" : interpolation;
  const axes = maps.map((map, axis) =>
    planAxis(map, volume.shape[axis]!, { method: axis === thick ? "nearest" : inPlane, antialias })
  ) as [AxisPlan, AxisPlan, AxisPlan];
  const across = isThickUsed ? ` in plane and nearest across ${["depth", "height", "width"][thick]}` : "";
  const smoothed = axes.some(({ gaussian }) => gaussian.length > 1) ? ", smoothed before the reduction" : "";
  const line = `${interpolation} interpolation${across}${smoothed}`;
  if (interpolation === "one-hot") return { data: resampleOneHot(volume.data, volume.shape, axes), line };
  const range = interpolation === "cubic" && clip ? finiteRange(volume.data) : undefined;
  return { data: interpolateSeparably(volume.data, volume.shape, { axes, ...(range && { range }) }), line };
}

function isSame({ scale, start, count }: AxisMap, size: number): boolean {
  return scale === 1 && start === 0 && count === size;
}

/** Smallest and largest finite value, or undefined when there is none. */
export function finiteRange(data: VoxelArray): [number, number] | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : undefined;
}
