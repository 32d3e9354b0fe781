import { deriveVolume, type Volume } from "../volume.ts";
import type { AxisMap, AxisMaps } from "./axis_map.ts";
import {
  type InterpolationOptions,
  resampleAlongAxes,
  type ResolvedInterpolation,
  resolveInterpolation,
} from "./interpolation.ts";
import { regridAffine } from "./affine.ts";

/** Options of {@linkcode resampleVolume}. */
export interface ResampleOptions extends InterpolationOptions {
  /** New voxel size in millimetres: one number for all axes, or `[depth, height, width]`. */
  readonly spacingMm: number | readonly [number, number, number];
}

/**
 * Resamples a volume to a voxel size, along its own axes.
 *
 * Voxels are boxes: the outer edge of the first new voxel lies on that of the first old one, so the centre of new voxel n
 * is at old index `(n + ½)·new/old − ½`, and the new size is `round(size·old/new)`, at least 1. The spacing is exactly the one
 * asked for; the far edge moves by up to half a new voxel. Positions beyond the outermost centres take the outermost
 * value, which a spline nears within three voxels. The affine is exact: every new voxel is where it says in the world.
 * Float64 stays float64 and everything else becomes float32 where values are mixed; nearest and one-hot keep the type, and
 * nearest takes the voxel of higher index halfway between two. Beside scan and result no more is held than a slice and
 * whatever a pass between makes larger than the result. Checked against `scipy.ndimage.zoom` with `grid_mode` (orders 0, 1
 * and 3, mode nearest), `skimage.transform.resize` and, on thick slices, nnU-Net's way of calling it.
 *
 * @param volume Any scan; left as it is. Voxels must be finite for values to be mixed: under cubic interpolation
 * a NaN spreads along its lines.
 * @param options The spacing, what the voxels mean and the interpolation.
 * @returns The volume on its new grid.
 * @throws RangeError when a spacing is not above 0, the new grid has more than 2³² voxels, or labels are to be mixed.
 */
export function resampleVolume(volume: Volume, options: ResampleOptions): Volume {
  const interpolation = resolveInterpolation(options, "resample volume");
  const maps = mapsToSpacing(volume, options.spacingMm);
  const wanted = typeof options.spacingMm === "number" ? Array(3).fill(options.spacingMm) : options.spacingMm;
  return regrid(volume, { maps, interpolation, line: `resampled to ${wanted.join("×")} mm` });
}

/** Works out the new grid of {@linkcode resampleVolume}. */
export function mapsToSpacing(volume: Volume, spacingMm: ResampleOptions["spacingMm"]): AxisMaps {
  const wanted = typeof spacingMm === "number" ? [spacingMm, spacingMm, spacingMm] as const : spacingMm;
  if (wanted.length !== 3 || !wanted.every((s) => s > 0 && Number.isFinite(s))) {
    throw new RangeError(
      `Cannot resample volume: bad spacing: got [${wanted}] mm, expected three numbers above 0. Give millimetres as ` +
        `[depth, height, width].`,
    );
  }
  return wanted.map((spacing, axis): AxisMap => {
    const old = volume.spacingMm[axis]!;
    const scale = Math.abs(spacing / old - 1) < 1e-6 ? 1 : spacing / old; // float32 headers are no reason to interpolate
    return { scale, start: (scale - 1) / 2, count: Math.max(1, Math.round(volume.shape[axis]! / scale)) };
  }) as [AxisMap, AxisMap, AxisMap];
}

/**
 * Resizes a volume to a shape, along its own axes, keeping its field of view exactly.
 *
 * The centre of new voxel n is at old index `(n + ½)·old size/new size − ½`; all else is as {@linkcode resampleVolume} says.
 *
 * @param volume Any scan; left as it is.
 * @param shape New `[depth, height, width]` in voxels.
 * @param options What the voxels mean and the interpolation.
 * @returns The volume on its new grid; its spacing follows.
 * @throws RangeError when the shape is not three positive integers, has more than 2³² voxels, or labels are to be mixed.
 */
export function resizeVolume(
  volume: Volume,
  shape: readonly [number, number, number],
  options: InterpolationOptions = {},
): Volume {
  const interpolation = resolveInterpolation(options, "resize volume");
  const line = `resized to ${shape.join("×")} voxels (depth×height×width)`;
  return regrid(volume, { maps: mapsToShape(volume, shape), interpolation, line });
}

/** Works out the new grid of {@linkcode resizeVolume}. */
export function mapsToShape(volume: Volume, shape: readonly [number, number, number]): AxisMaps {
  assertShape(shape, "resize volume");
  return shape.map((count, axis): AxisMap => {
    const scale = volume.shape[axis]! / count;
    return { scale, start: (scale - 1) / 2, count };
  }) as [AxisMap, AxisMap, AxisMap];
}

/** Resamples along the volume's own axes, whatever new voxels are made of. */
export function regrid(
  volume: Volume,
  options: {
    readonly maps: AxisMaps;
    readonly interpolation: ResolvedInterpolation;
    readonly line: string;
  },
): Volume {
  const { maps, interpolation, line } = options;
  const [depth, height, width] = maps;
  const shape = [depth.count, height.count, width.count] as const;
  assertShape(shape, "resample volume");
  const affine = regridAffine(
    volume.affine,
    [width.scale, height.scale, depth.scale],
    [width.start, height.start, depth.start],
  );
  const { data, line: how } = resampleAlongAxes(volume, maps, interpolation);
  return deriveVolume(volume, { data, shape, affine }, `${line}, ${how}, outer voxel edges aligned`);
}

/** Refuses shapes that are not three positive integers or that no array can hold. */
export function assertShape(shape: readonly number[], action: string): void {
  const voxels = shape.reduce((product, n) => product * n, 1);
  if (shape.length === 3 && shape.every((n) => Number.isSafeInteger(n) && n > 0) && voxels <= 2 ** 32) return;
  throw new RangeError(
    `Cannot ${action}: bad shape: got [${shape}], expected three positive integers, at most 2³² voxels together. Give ` +
      `[depth, height, width] in voxels, or a larger spacing.`,
  );
}
