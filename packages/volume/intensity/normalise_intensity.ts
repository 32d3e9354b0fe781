import type { Volume } from "../volume.ts";
import type { NonFiniteOptions } from "./non_finite.ts";
import { normalisePercentile, type PercentileOptions } from "./normalise_percentile.ts";
import { windowCt, type WindowOptions } from "./window_ct.ts";

/** Options of {@linkcode normaliseIntensity}: those of the normalisation that the modality leads to. */
export interface NormaliseOptions extends NonFiniteOptions {
  /** Used for CT. Default: that of {@linkcode windowCt}. */
  readonly window?: Omit<WindowOptions, "nonFinite">;
  /** Used for MR and unknown modalities. Default: that of {@linkcode normalisePercentile}. */
  readonly percentile?: Omit<PercentileOptions, "nonFinite">;
}

/**
 * Brings a volume to [0, 1] in its modality's way: CT through a window in HU, everything else by percentiles.
 *
 * @param volume Any scan; left as it is.
 * @param options Window, percentiles, and what becomes of non-finite voxels.
 * @returns Float32 volume in [0, 1].
 * @throws As {@linkcode windowCt} for CT and {@linkcode normalisePercentile} for the rest.
 */
export function normaliseIntensity(volume: Volume, options: NormaliseOptions = {}): Volume {
  const { nonFinite = "error", window = {}, percentile = {} } = options;
  return volume.modality === "CT"
    ? windowCt(volume, { ...window, nonFinite })
    : normalisePercentile(volume, { ...percentile, nonFinite });
}
