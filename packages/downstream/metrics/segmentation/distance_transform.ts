import type { Triple } from "@med3d/volume";
import { checkGrid } from "./_check_grid.ts";
import { squaredDistances } from "./_squared_distances.ts";

const NON_ZERO = Uint8Array.from({ length: 256 }, (_, value) => value === 0 ? 0 : 1);

/**
 * Measures the Euclidean distance of every voxel to the nearest site, exact for any spacing.
 *
 * Time grows with the number of voxels alone; beside the result, memory of a few lines is used. Values are kept as float32, so distances
 * are right to about 1e-7 of themselves.
 *
 * @param sites Non-zero where there is a site, C order, `[depth, height, width]`.
 * @param shape `[depth, height, width]` in voxels.
 * @param spacingMm `[depth, height, width]`: millimetres from voxel to voxel.
 * @returns Millimetres to the nearest site, `[depth, height, width]`; `Infinity` everywhere when there is none.
 * @throws RangeError when shape, spacing and array do not fit together.
 *
 * Source: P. Felzenszwalb and D. Huttenlocher, "Distance transforms of sampled functions", 2012. Checked against brute force and SciPy's
 * `distance_transform_edt`.
 */
export function distanceTransform(sites: Uint8Array, shape: Triple, spacingMm: Triple): Float32Array {
  checkGrid("measure distances", [sites.length], shape, spacingMm);
  const distances = squaredDistances(sites, NON_ZERO, shape, spacingMm);
  for (let i = 0; i < distances.length; i++) distances[i] = Math.sqrt(distances[i]!);
  return distances;
}
