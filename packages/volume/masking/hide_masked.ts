import { deriveVolume, type Volume } from "../volume.ts";

/**
 * Hides the masked voxels of a scan, as the input of masked reconstruction.
 *
 * @param scan Stays as it is.
 * @param mask `[depth, height, width]` in C order: 1 where hidden, 0 where shown, as `maskBlocks` gives it for the scan's shape.
 * @param fill What hidden voxels become. Default 0.
 * @returns A float32 volume on the same grid, with a line in its history that says how many voxels are hidden.
 * @throws RangeError when mask and scan differ in size or the fill is not finite.
 */
export function hideMasked(scan: Volume, mask: Uint8Array, fill?: number): Volume;
/**
 * Hides masked voxels that are at hand as bare numbers.
 *
 * @param voxels Any numbers, in the mask's order; stay as they are.
 * @param mask As above, as long as `voxels`.
 * @param fill As above.
 * @returns A float32 copy.
 * @throws RangeError as above.
 */
export function hideMasked(voxels: ArrayLike<number>, mask: Uint8Array, fill?: number): Float32Array;
export function hideMasked(scan: Volume | ArrayLike<number>, mask: Uint8Array, fill = 0): Volume | Float32Array {
  const voxels = "data" in scan ? scan.data : scan;
  if (voxels.length !== mask.length) {
    throw new RangeError(
      `Cannot hide masked voxels: mask and voxels disagree: got ${mask.length} and ${voxels.length} values, expected as many. ` +
        `Make the mask for the scan's shape.`,
    );
  }
  if (!Number.isFinite(fill)) {
    throw new RangeError(
      `Cannot hide masked voxels: the fill is not finite: got ${fill}, expected a number. Give one such as 0.`,
    );
  }
  const hidden = new Float32Array(mask.length);
  hidden.set(voxels);
  let count = 0;
  for (let voxel = 0; voxel < mask.length; voxel++) {
    if (mask[voxel] === 0) continue;
    hidden[voxel] = fill;
    count++;
  }
  if (!("data" in scan)) return hidden;
  return deriveVolume(scan, { data: hidden }, `${count} of ${mask.length} voxels hidden by a mask, fill ${fill}`);
}
