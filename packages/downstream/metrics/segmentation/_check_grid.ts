import type { Triple } from "@med3d/volume";

/** Refuses arrays that are no grid of voxels. */
export function checkGrid(action: string, lengths: readonly number[], shape: Triple, spacingMm: Triple): void {
  if (shape.length !== 3 || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw new RangeError(
      `Cannot ${action}: bad shape: got [${shape}], expected three positive integers. Give [depth, height, width].`,
    );
  }
  if (spacingMm.length !== 3 || !spacingMm.every((spacing) => Number.isFinite(spacing) && spacing > 0)) {
    throw new RangeError(
      `Cannot ${action}: bad spacing: got [${spacingMm}], expected three positive numbers. ` +
        `Give millimetres between voxels as [depth, height, width].`,
    );
  }
  const voxels = shape[0] * shape[1] * shape[2];
  const wrong = lengths.find((length) => length !== voxels);
  if (wrong !== undefined) {
    throw new RangeError(
      `Cannot ${action}: array and shape disagree: got ${wrong} voxels, expected ${voxels} for [${shape}]. ` +
        `Give all arrays on one grid.`,
    );
  }
}
