/**
 * Hides the masked voxels of a scan, as the input of masked reconstruction.
 *
 * @param voxels Any numbers, in the mask's order; stay as they are.
 * @param mask 1 where hidden, 0 where shown, as `maskBlocks` gives it; as long as `voxels`.
 * @param fill What hidden voxels become. Default 0.
 * @returns A float32 copy.
 * @throws RangeError when the lengths differ or the fill is not finite.
 */
export function hideMasked(voxels: ArrayLike<number>, mask: Uint8Array, fill = 0): Float32Array {
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
  for (let voxel = 0; voxel < mask.length; voxel++) if (mask[voxel] !== 0) hidden[voxel] = fill;
  return hidden;
}
