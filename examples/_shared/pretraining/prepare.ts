import {
  chooseInformativeSlices,
  extractSlice,
  hashSlice,
  normalisePercentile,
  resizeVolume,
  type SliceContext,
  type SliceImage,
  toCanonical,
  type Volume,
  windowCt,
} from "@med3d/volume";

/** The window that CT is seen through: soft tissue and lung stay apart, metal does not matter. */
export const CT_WINDOW_HU = { center: 0, width: 1600 } as const;

/** To be raised with every change of what {@linkcode prepareInput} computes, so that caches on disk are not taken for it. */
export const PREPARATION_VERSION = 1;

/** A slice with what captions are stored under. */
export interface PreparedSlice {
  /** Pixels as a radiologist sees them. */
  readonly image: SliceImage;
  /** Plane, position and modality. */
  readonly context: SliceContext;
  /** Hash of pixels and geometry. */
  readonly hash: string;
}

/**
 * Brings a scan into the network's form: RAS+, [0, 1] (CT by {@linkcode CT_WINDOW_HU}, else by percentiles), the whole field
 * of view resized to `patch` voxels.
 */
export function prepareInput(scan: Volume, patch: readonly [number, number, number]): Volume {
  const canonical = toCanonical(scan).volume;
  const normalised = canonical.modality === "CT" ? windowCt(canonical, CT_WINDOW_HU) : normalisePercentile(canonical);
  return resizeVolume(normalised, patch);
}

/** Chooses and cuts the slices of a scan that are captioned, spread over the three planes. */
export function prepareSlices(scan: Volume, options: { count: number; seed: string }): PreparedSlice[] {
  const canonical = toCanonical(scan).volume;
  const perPlane = Math.ceil(options.count / 3);
  return chooseInformativeSlices(canonical, { perPlane, seed: options.seed }).map(({ plane, index }) => {
    const { image, context } = extractSlice(canonical, plane, index);
    return { image, context, hash: hashSlice(image) };
  });
}
