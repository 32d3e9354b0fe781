import { deriveVolume, type Volume, type VoxelArray } from "../volume.ts";
import { sameTypeArray } from "./_voxel_bits.ts";
import { regridAffine } from "./affine.ts";
import { assertShape } from "./resample.ts";

/** Options of {@linkcode padOrCrop}. */
export interface PadOrCropOptions {
  /** What the voxels mean: decides the default of `fill`. Default: `"image"`. */
  readonly kind?: "image" | "label";
  /**
   * Value of voxels outside the old volume; must be one that the array's type holds. Default: the smallest finite voxel for
   * images (air in CT, background in MR), 0 for labels.
   */
  readonly fill?: number;
  /**
   * Old index `[depth, height, width]` of the new first voxel; negative pads, positive crops. Default: centred,
   * `floor((old − new)/2)` on each axis.
   */
  readonly start?: readonly [number, number, number];
}

/**
 * Cuts a volume to a shape or pads it to it, axis by axis, without resampling; the affine follows, so that every voxel keeps
 * its place in the world.
 *
 * @param volume Any scan; left as it is.
 * @param shape New `[depth, height, width]` in voxels.
 * @param options Fill value and position.
 * @returns The volume on its new grid, of the same voxel type.
 * @throws RangeError when the shape is not three positive integers, `start` is not three integers, or the array's type cannot hold `fill`.
 */
export function padOrCrop(
  volume: Volume,
  shape: readonly [number, number, number],
  options: PadOrCropOptions = {},
): Volume {
  assertShape(shape, "pad or crop");
  const {
    kind = "image",
    fill = kind === "label" ? 0 : smallestFinite(volume.data),
    start = centredStart(volume.shape, shape),
  } = options;
  if (start.length !== 3 || !start.every(Number.isSafeInteger)) {
    throw new RangeError(
      `Cannot pad or crop: bad start: got [${start}], expected three integers. Give the old [depth, height, width] index.`,
    );
  }
  const data = filled(volume.data, shape[0] * shape[1] * shape[2], { fill, action: "pad or crop" });
  copyBox(volume, { data, shape }, start);
  const affine = regridAffine(volume.affine, [1, 1, 1], [start[2], start[1], start[0]]);
  const line = `padded or cropped from ${volume.shape.join("×")} to ${shape.join("×")} voxels from index ` +
    `[${start.join(", ")}], fill ${fill}`;
  return deriveVolume(volume, { data, shape, affine }, line);
}

/** Old index of the first voxel of a box in the middle of a grid. */
export function centredStart(
  from: readonly [number, number, number],
  to: readonly [number, number, number],
): [number, number, number] {
  return to.map((size, axis) => Math.floor((from[axis]! - size) / 2)) as [number, number, number];
}

/** Copies what two grids have in common; `start` is the index in `from` of the first voxel of `to`. */
export function copyBox(
  from: { readonly data: VoxelArray; readonly shape: readonly [number, number, number] },
  to: { readonly data: VoxelArray; readonly shape: readonly [number, number, number] },
  start: readonly [number, number, number],
): void {
  const [depth, height, width] = from.shape;
  const first = Math.max(0, start[2]);
  const last = Math.min(width, start[2] + to.shape[2]);
  if (first >= last) return;
  for (let z = Math.max(0, start[0]); z < Math.min(depth, start[0] + to.shape[0]); z++) {
    for (let y = Math.max(0, start[1]); y < Math.min(height, start[1] + to.shape[1]); y++) {
      const row = (z * height + y) * width;
      const target = ((z - start[0]) * to.shape[1] + (y - start[1])) * to.shape[2] + (first - start[2]);
      to.data.set(from.data.subarray(row + first, row + last), target);
    }
  }
}

/** Makes an array like another, holding one value; refuses a value that its type cannot hold. */
export function filled(
  like: VoxelArray,
  length: number,
  options: { readonly fill: number; readonly action: string },
): VoxelArray {
  const { fill, action } = options;
  const data = sameTypeArray(like, length).fill(fill);
  const held = data[0]!;
  if (like instanceof Float32Array ? Object.is(held, Math.fround(fill)) : Object.is(held, fill) || held === fill) {
    return data;
  }
  throw new RangeError(
    `Cannot ${action}: the voxel type cannot hold the fill value: got ${fill}, expected a value of ` +
      `${like.constructor.name}. Choose another fill.`,
  );
}

/** Smallest finite voxel, 0 when there is none. */
export function smallestFinite(data: VoxelArray): number {
  let smallest = Infinity;
  for (let i = 0; i < data.length; i++) if (data[i]! < smallest && Number.isFinite(data[i]!)) smallest = data[i]!;
  return smallest === Infinity ? 0 : smallest;
}
