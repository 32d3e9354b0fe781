import { deriveVolume, type Volume, type VoxelArray, type VoxelGrid } from "../volume.ts";
import { alignedAxes, type AlignedAxis } from "./_aligned_axes.ts";
import type { AxisMap } from "./axis_map.ts";
import { outputArray } from "./_interpolate.ts";
import { type AxisSource, permuteAxes } from "./_permute.ts";
import { EDGE_TOLERANCE, sampleOblique } from "./_sample_oblique.ts";
import { invertAffine, multiplyAffines } from "./affine.ts";
import {
  type InterpolationOptions,
  resampleAlongAxes,
  type ResolvedInterpolation,
  resolveInterpolation,
} from "./interpolation.ts";
import { copyBox, filled } from "./pad_or_crop.ts";
import { assertShape } from "./resample.ts";

const ACTION = "resample to grid";

/** Options of {@linkcode resampleToGrid}. */
export interface ResampleToGridOptions extends InterpolationOptions {
  /** Value of voxels that lie outside the volume. Default: 0. */
  readonly fill?: number;
}

/**
 * Resamples a volume onto another grid by world position: a prediction back onto the scan it was made for, or one scan onto
 * another's voxels, whatever the two grids' spacing, order or obliqueness.
 *
 * A voxel whose centre lies within the volume's outer edges (half a voxel beyond the outermost centres) is interpolated, with
 * positions beyond the outermost centres as {@linkcode resampleVolume} has them; every other voxel becomes `fill`. Types, ties
 * and thick slices are as {@linkcode resampleVolume} says. Where the two grids' axes are not parallel, all axes are treated
 * alike, nothing is smoothed before, and cubic interpolation holds the spline's coefficients, as large as the volume in float32
 * (float64 for float64).
 *
 * @param volume What is to be moved; left as it is.
 * @param reference The grid to move to: any volume, or a shape and affine.
 * @param options What the voxels mean, the interpolation and the fill value.
 * @returns A volume with the reference's shape and affine.
 * @throws RangeError when labels are to be mixed, the reference's shape or affine is unusable, or the type cannot hold `fill`.
 */
export function resampleToGrid(
  volume: Volume,
  reference: VoxelGrid,
  options: ResampleToGridOptions = {},
): Volume {
  const { fill = 0 } = options;
  const how = resolveInterpolation(options, ACTION);
  assertShape(reference.shape, ACTION);
  const { shape, affine } = reference;
  const map = multiplyAffines(invertAffine(volume.affine), affine); // index in the reference → index in the volume
  const like = outputArray(volume.data, 0, isTypeKept(how) ? "nearest" : "mixed");
  filled(like, 1, { fill, action: ACTION }); // refuses a value that the type cannot hold, whether it is needed or not
  const aligned = alignedAxes(map, shape);
  const { data, line } = aligned ? resampleAligned(volume, reference, { aligned, how, fill }) : sampleOblique(volume, {
    shape,
    map,
    how,
    data: filled(like, shape[0] * shape[1] * shape[2], { fill, action: ACTION }),
  });
  return deriveVolume(
    volume,
    { data, shape, affine },
    `resampled onto a grid of ${shape.join("×")} voxels, ${line}, fill ${fill}`,
  );
}

/** Resamples along the volume's own axes, then fills what lies outside and moves axes into the reference's order. */
function resampleAligned(
  volume: Volume,
  reference: VoxelGrid,
  options: {
    readonly aligned: readonly [AlignedAxis, AlignedAxis, AlignedAxis];
    readonly how: ResolvedInterpolation;
    readonly fill: number;
  },
): { data: VoxelArray; line: string } {
  const { aligned, how, fill } = options;
  const maps: AxisMap[] = [];
  const offsets = [0, 0, 0];
  aligned.forEach(({ other, scale, start }, axis) => {
    const [from, to] = insideRange({ scale, start, count: reference.shape[other] }, volume.shape[axis]!);
    offsets[other] = from;
    maps.push({ scale, start: start + scale * from, count: to - from });
  });
  const like = outputArray(volume.data, 0, isTypeKept(how) ? "nearest" : "mixed");
  const voxels = reference.shape.reduce((product, n) => product * n, 1);
  if (maps.some(({ count }) => count === 0)) {
    return { data: filled(like, voxels, { fill, action: ACTION }), line: "all of it outside the volume" };
  }
  const inside = resampleAlongAxes(volume, maps as [AxisMap, AxisMap, AxisMap], how);
  const shape = maps.map(({ count }) => count) as [number, number, number];
  const sources = ([0, 1, 2] as const).map((other): AxisSource => ({
    axis: aligned.findIndex((one) => one.other === other) as 0 | 1 | 2,
    flipped: false,
  })) as [AxisSource, AxisSource, AxisSource];
  const isInOrder = sources.every(({ axis }, other) => axis === other);
  const moved = isInOrder ? { data: inside.data, shape } : permuteAxes(inside.data, shape, sources);
  if (moved.data.length === voxels) return { data: moved.data, line: inside.line };
  const data = filled(like, voxels, { fill, action: ACTION });
  const start = offsets.map((offset) => offset === 0 ? 0 : -offset) as [number, number, number];
  copyBox(moved, { data, shape: reference.shape }, start);
  return { data, line: inside.line };
}

/** Which indices of an axis lie within the volume's outer edges: from the first to before the second. */
function insideRange({ scale, start, count }: AxisMap, size: number): [number, number] {
  const isInside = (o: number): boolean => {
    const position = start + scale * o;
    return position >= -0.5 - EDGE_TOLERANCE && position <= size - 0.5 + EDGE_TOLERANCE;
  };
  let from = 0;
  while (from < count && !isInside(from)) from++;
  let to = count;
  while (to > from && !isInside(to - 1)) to--;
  return [from, to];
}

function isTypeKept({ interpolation }: ResolvedInterpolation): boolean {
  return interpolation === "nearest" || interpolation === "one-hot";
}
