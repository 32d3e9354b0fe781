import { measureVoxels, orientationOf, type Volume, type VoxelArray } from "@med3d/volume";
import { findHead } from "./_head_extent.ts";

/** Skin is above it, air and foam are below it, in HU. */
const CT_SKIN_HU = -300;
/** Share of the mean (above the darkest voxel) at which MR tissue begins; single bright voxels do not move it. */
const MR_TISSUE_SHARE = 0.5;

/**
 * Brain and face in units of the head's length from front to back (about 190 mm in adults), after the proportions of adult heads: an
 * ellipsoid that holds the brain with a margin, and the level, about that of the brows, below which the face begins.
 */
const HULL = { depth: 0.5, below: 0.36, halfDepth: 0.44, halfHeight: 0.35, halfWidth: 0.37 } as const;
const BROWS_BELOW = 0.4;

/**
 * Blanks the face of a head MR or CT: everything below the brows in the front half of the head that lies outside an ellipsoid around the brain.
 *
 * The head is the largest connected region of tissue; its top and its length from front to back give scale and place. Nothing is recognised: on
 * heads of unusual shape, tilted by more than about 15°, or with a helmet coil or pillow that touches the skin, brain may be lost or face be left.
 * Forehead, ears, scalp and teeth behind the front half stay. It lowers the risk that a face is recognised; it does not make a scan anonymous.
 *
 * @param volume A scan of a whole head in RAS+ order, as `toCanonical` returns it; stays the caller's.
 * @returns A new volume of the same grid and type; blanked voxels have the lowest value of the scan (air). `history` says how many they are.
 * @throws RangeError when the volume is not canonical, or when no head with its top inside the scan is found: nothing may be sent then.
 */
export function maskFace(volume: Volume): Volume {
  const orientation = orientationOf(volume.affine);
  if (orientation !== "RAS") {
    throw new RangeError(
      `Cannot mask a face: the volume is not canonical: got axes ${orientation}, expected RAS. Apply toCanonical first.`,
    );
  }
  const { minimum, mean } = measureVoxels(volume);
  const threshold = volume.modality === "CT" ? CT_SKIN_HU : minimum + MR_TISSUE_SHARE * (mean - minimum);
  const head = findHead(volume, threshold);
  if (!head || head.lengthMm < 90 || head.lengthMm > 280) {
    throw new RangeError(
      `Cannot mask a face: no head with its top inside the scan was found: got ${
        head ? `a length of ${Math.round(head.lengthMm)} mm from front to back` : "none"
      }, expected 90…280 mm. Leave the scan out, or send scans without faces.`,
    );
  }
  const { shape, spacingMm } = volume;
  const data = volume.data.slice() as VoxelArray;
  const unit = head.lengthMm;
  let blanked = 0;
  for (let z = 0; z < shape[0]; z++) {
    const below = ((head.top - z) * spacingMm[0]) / unit;
    if (below < BROWS_BELOW) break;
    const high = (below - HULL.below) / HULL.halfHeight;
    for (let y = 0; y < shape[1]; y++) {
      const depth = ((head.front - y) * spacingMm[1]) / unit;
      if (depth > HULL.depth) continue;
      const deep = (depth - HULL.depth) / HULL.halfDepth;
      for (let x = 0; x < shape[2]; x++) {
        const wide = ((x - head.middle) * spacingMm[2]) / unit / HULL.halfWidth;
        if (high * high + deep * deep + wide * wide <= 1) continue;
        data[(z * shape[1] + y) * shape[2] + x] = minimum;
        blanked++;
      }
    }
  }
  return { ...volume, data, history: [...volume.history, `face masked: ${blanked} of ${data.length} voxels blanked`] };
}
