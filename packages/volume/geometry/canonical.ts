import { deriveVolume, type Volume, type VoxelGrid } from "../volume.ts";
import { invertAffine, multiplyAffines } from "./affine.ts";
import { type AxisSource, permuteAxes } from "./_permute.ts";
import { SAME_GRID_TOLERANCE } from "./_same_grid.ts";
import { matchAxes, orientationOf } from "./orientation.ts";

/** A canonical volume and the way back. */
export interface CanonicalVolume {
  /** The scan with its axes in RAS+ order. */
  readonly volume: Volume;
  /** The grid it came from, for {@linkcode restoreGrid} and {@linkcode resampleToGrid}. */
  readonly original: VoxelGrid;
}

/**
 * Reorders and flips axes so that width runs left→right, height posterior→anterior and depth inferior→superior (RAS+).
 *
 * Voxels are moved, never resampled, and the affine follows: every voxel keeps its place in the world, and an oblique scan
 * stays oblique. All 48 axis orders of one scan give the same array. To bring a result back, hand
 * `original` to {@linkcode restoreGrid}. The same as nibabel's `as_closest_canonical`.
 *
 * @param volume Any scan; left as it is.
 * @returns The canonical volume, whose array is shared with the input's when nothing had to move, and the original grid.
 */
export function toCanonical(volume: Volume): CanonicalVolume {
  const original: VoxelGrid = { shape: volume.shape, affine: volume.affine };
  const before = orientationOf(volume.affine);
  if (before === "RAS") return { volume: deriveVolume(volume, {}, "axes are RAS+ already"), original };
  const matches = matchAxes(volume.affine);
  // Voxel axis a (0 width, 1 height, 2 depth) is array axis 2 − a, in the input as in the output.
  const sources = [2, 1, 0].map((world): AxisSource => {
    const axis = matches.findIndex((match) => match.world === world);
    return { axis: (2 - axis) as 0 | 1 | 2, flipped: matches[axis]!.direction === -1 };
  }) as [AxisSource, AxisSource, AxisSource];
  const moved = permuteAxes(volume.data, volume.shape, sources);
  const affine = multiplyAffines(volume.affine, indexMap(sources, volume.shape));
  const line = `axes reordered from ${before} to RAS+ without resampling`;
  return { volume: deriveVolume(volume, { ...moved, affine }, line), original };
}

/**
 * Brings a volume back onto a grid that has the same voxels in another axis order or direction, without resampling.
 *
 * This undoes {@linkcode toCanonical} exactly, for the scan itself or for anything computed on its canonical grid.
 *
 * @param volume What was computed, on the canonical grid.
 * @param original The grid to return to: what {@linkcode toCanonical} gave, or any volume on that grid.
 * @returns The same voxels in the original order, with the original affine.
 * @throws RangeError when the two grids are not the same voxels: resample with {@linkcode resampleToGrid} instead.
 */
export function restoreGrid(volume: Volume, original: VoxelGrid): Volume {
  // Index in `volume` of the voxel at an index of `original`.
  const map = multiplyAffines(invertAffine(volume.affine), original.affine);
  const sources = ([0, 1, 2] as const).map((outAxis): AxisSource => {
    const column = 2 - outAxis;
    const steps = [0, 1, 2].map((row) => map[row * 4 + column]!);
    const along = steps.findIndex((step) => Math.abs(step) > 0.5);
    return { axis: (2 - along) as 0 | 1 | 2, flipped: along >= 0 && steps[along]! < 0 };
  }) as [AxisSource, AxisSource, AxisSource];
  const isPermutation = new Set(sources.map(({ axis }) => axis)).size === 3 && sources.every(({ axis }) => axis <= 2);
  const exact = isPermutation && indexMap(sources, volume.shape).every((value, i) => {
    const column = i % 4;
    const reach = column < 3 ? original.shape[2 - column]! : 1; // an error in a step grows along the axis
    return Math.abs(value - map[i]!) * reach <= SAME_GRID_TOLERANCE;
  });
  if (!exact || sources.some(({ axis }, i) => volume.shape[axis] !== original.shape[i])) {
    throw new RangeError(
      `Cannot restore grid: the volume does not lie on the original's voxels: got [${volume.shape}] ` +
        `${orientationOf(volume.affine)}, expected [${original.shape}] ${
          orientationOf(original.affine)
        } up to axis order. ` +
        `Use resampleToGrid.`,
    );
  }
  const moved = permuteAxes(volume.data, volume.shape, sources);
  return deriveVolume(
    volume,
    { ...moved, affine: original.affine },
    `axes restored to ${orientationOf(original.affine)} without resampling`,
  );
}

/** 4×4 map from output voxel index to input voxel index, both (width, height, depth). */
function indexMap(
  sources: readonly [AxisSource, AxisSource, AxisSource],
  inputShape: readonly [number, number, number],
): Float64Array {
  const map = new Float64Array(16);
  map[15] = 1;
  sources.forEach(({ axis, flipped }, outAxis) => {
    const row = 2 - axis;
    map[row * 4 + (2 - outAxis)] = flipped ? -1 : 1;
    map[row * 4 + 3] = flipped ? inputShape[axis] - 1 : 0;
  });
  return map;
}
