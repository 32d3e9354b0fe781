import { deriveVolume, type Volume, type VoxelGrid } from "../volume.ts";
import { nearestIndex, outputArray } from "./_interpolate.ts";
import { invertAffine, multiplyAffines } from "./affine.ts";
import { filled } from "./pad_or_crop.ts";
import { assertShape, type InterpolationOptions, resolveInterpolation } from "./resample.ts";

/** Options of {@linkcode resampleToGrid}. */
export interface ResampleToGridOptions extends InterpolationOptions {
  /** Value of voxels that lie outside the volume. Default: 0. */
  readonly fill?: number;
}

/** Rounding noise in positions that must not push a voxel out of the volume. */
const EDGE_TOLERANCE = 1e-6;

/**
 * Resamples a volume onto another grid by world position: a prediction back onto the scan it was made for, or one scan onto
 * another's voxels, whatever the two grids' spacing, order or obliqueness.
 *
 * A voxel whose centre lies within the volume's outer edges (half a voxel beyond the outermost centres) is interpolated, with
 * positions beyond the outermost centres taking the outermost value; every other voxel becomes `fill`. Types and ties are as
 * {@linkcode resampleVolume} says.
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
  const interpolation = resolveInterpolation(options, "resample to grid");
  assertShape(reference.shape, "resample to grid");
  const map = multiplyAffines(invertAffine(volume.affine), reference.affine);
  const like = outputArray(volume.data, 0, interpolation);
  const [depth, height, width] = reference.shape;
  const data = filled(like, depth * height * width, { fill, action: "resample to grid" });
  const sample = interpolation === "nearest" ? nearestSampler(volume) : linearSampler(volume);
  let to = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const x0 = map[1]! * y + map[2]! * z + map[3]!;
      const y0 = map[5]! * y + map[6]! * z + map[7]!;
      const z0 = map[9]! * y + map[10]! * z + map[11]!;
      for (let x = 0; x < width; x++, to++) {
        const value = sample(x0 + map[0]! * x, y0 + map[4]! * x, z0 + map[8]! * x);
        if (value !== undefined) data[to] = value;
      }
    }
  }
  const line = `resampled onto a grid of ${
    reference.shape.join("×")
  } voxels, ${interpolation} interpolation, fill ${fill}`;
  return deriveVolume(volume, { data, shape: reference.shape, affine: reference.affine }, line);
}

/** Value at an index (width, height, depth), or undefined outside the volume. */
type Sampler = (x: number, y: number, z: number) => number | undefined;

function isOutside(position: number, size: number): boolean {
  return !(position >= -0.5 - EDGE_TOLERANCE && position <= size - 0.5 + EDGE_TOLERANCE);
}

function clamp(position: number, size: number): number {
  return position < 0 ? 0 : position > size - 1 ? size - 1 : position;
}

function nearestSampler({ data, shape: [depth, height, width] }: Volume): Sampler {
  return (x, y, z) => {
    if (isOutside(x, width) || isOutside(y, height) || isOutside(z, depth)) return undefined;
    const [i, j, k] = [nearestIndex(clamp(x, width)), nearestIndex(clamp(y, height)), nearestIndex(clamp(z, depth))];
    return data[(k * height + j) * width + i]!;
  };
}

/** A neighbour of weight 0 is not touched: it may be NaN. */
function linearSampler({ data, shape: [depth, height, width] }: Volume): Sampler {
  return (x, y, z) => {
    if (isOutside(x, width) || isOutside(y, height) || isOutside(z, depth)) return undefined;
    const [cx, cy, cz] = [clamp(x, width), clamp(y, height), clamp(z, depth)];
    const [i, j, k] = [Math.floor(cx), Math.floor(cy), Math.floor(cz)];
    const [u, v, w] = [cx - i, cy - j, cz - k];
    const right = i + 1 < width ? 1 : 0;
    const front = j + 1 < height ? width : 0;
    const above = k + 1 < depth ? width * height : 0;
    const at = (k * height + j) * width + i;
    const line = (from: number) => u === 0 ? data[from]! : mix(data[from]!, data[from + right]!, u);
    const plane = (from: number) => v === 0 ? line(from) : mix(line(from), line(from + front), v);
    return w === 0 ? plane(at) : mix(plane(at), plane(at + above), w);
  };
}

function mix(a: number, b: number, weight: number): number {
  return a + weight * (b - a);
}
