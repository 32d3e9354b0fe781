import type { Volume } from "../volume.ts";
import { mapUnit } from "./_map_unit.ts";
import type { NonFiniteOptions } from "./non_finite.ts";

/** Options of {@linkcode windowCt}. */
export interface WindowOptions extends NonFiniteOptions {
  /** Middle of the window in HU. Default: 40, soft tissue. */
  readonly center?: number;
  /** Width of the window in HU, above 0. Default: 400, soft tissue. */
  readonly width?: number;
}

/**
 * Maps a CT window to [0, 1]: `clip((v − center)/width + ½, 0, 1)`, DICOM's LINEAR_EXACT.
 *
 * @param volume Voxels in HU; left as it is.
 * @param options Window, and what becomes of non-finite voxels.
 * @returns Float32 volume in [0, 1].
 * @throws RangeError when the width is not above 0 or a number is not finite.
 * @throws CorruptVolumeError with code `non-finite` when a voxel is not finite and `nonFinite` is `"error"`.
 */
export function windowCt(volume: Volume, options: WindowOptions = {}): Volume {
  const { center = 40, width = 400 } = options;
  if (!Number.isFinite(center) || !(width > 0 && Number.isFinite(width))) {
    throw new RangeError(
      `Cannot window CT: bad window: got center ${center}, width ${width} HU, expected finite numbers and a width above ` +
        `0. Use 40 and 400 for soft tissue.`,
    );
  }
  const line = `CT window center ${center} HU, width ${width} HU to [0, 1]`;
  return mapUnit(volume, { low: center - width / 2, range: width, line, nonFinite: options.nonFinite });
}
