import { GridChain, normalisePercentile, normaliseZScore, type Volume, windowCt } from "@med3d/volume";

/** How the intensities of one channel are brought into the network's range. */
export type ChannelNormalisation =
  /** Mean 0 and deviation 1 over the voxels that are not 0, or all. */
  | { readonly kind: "z-score"; readonly foreground: "nonzero" | "all" }
  /** Two percentiles to 0 and 1. */
  | { readonly kind: "percentiles"; readonly percentiles: readonly [number, number] }
  /** A window in HU to 0 and 1. */
  | { readonly kind: "window"; readonly centerHu: number; readonly widthHu: number };

/** What is done to a scan before a network sees it; plain data, kept beside the weights. */
export interface Preprocessing {
  /** Order of the axes. */
  readonly orientation: "RAS+";
  /** Voxel edges `[depth, height, width]` in millimetres that scans are resampled to; null leaves each scan's own. */
  readonly spacingMm: readonly [number, number, number] | null;
  /** Voxels `[depth, height, width]` that the whole field of view is resized to; null leaves it. */
  readonly resize: readonly [number, number, number] | null;
  /** One for each channel of the input, in order. */
  readonly channels: readonly ChannelNormalisation[];
}

/** A scan as a network sees it, and the way back. */
export interface PreparedScan {
  /** Normalised float32 channels on one grid. */
  readonly channels: readonly Volume[];
  /** How the first channel got there: takes label maps the same way and predictions back. */
  readonly chain: GridChain;
}

/** Spacings that differ by no more than this share are the same. */
const SAME_SPACING = 0.01;

/**
 * Prepares a scan for a network: axes to RAS+, resampled where its spacing differs by more than a hundredth, normalised channel by channel.
 *
 * @param channels The scan's channels in file order, on one grid; left as they are.
 * @param preprocessing What to do.
 * @returns The channels as the network sees them, and the way back.
 * @throws RangeError when there are more or fewer channels than normalisations, or they lie on different grids.
 * @throws CorruptVolumeError when a channel cannot be normalised: constant, or with voxels that are not finite.
 */
export function preprocessScan(channels: readonly Volume[], preprocessing: Preprocessing): PreparedScan {
  const [first] = channels;
  if (!first || channels.length !== preprocessing.channels.length) {
    throw new RangeError(
      `Cannot preprocess: channels do not match: got ${channels.length}, expected ${preprocessing.channels.length}. ` +
        `Give every channel that the model was trained with, in its order.`,
    );
  }
  const { spacingMm, resize } = preprocessing;
  let chain = GridChain.from(first).toCanonical();
  const differs = spacingMm?.some((edge, axis) => Math.abs(chain.volume.spacingMm[axis]! / edge - 1) > SAME_SPACING);
  if (spacingMm && differs) chain = chain.resample({ spacingMm });
  if (resize) chain = chain.resize(resize);
  const onGrid = [chain.volume, ...channels.slice(1).map((other) => chain.follow(other, { kind: "image", fill: 0 }))];
  const normalised = onGrid.map((volume, index) => normalise(volume, preprocessing.channels[index]!));
  return { channels: normalised, chain: chain.map(() => normalised[0]!) };
}

function normalise(volume: Volume, how: ChannelNormalisation): Volume {
  switch (how.kind) {
    case "z-score":
      return normaliseZScore(volume, { foreground: how.foreground });
    case "percentiles":
      return normalisePercentile(volume, { lower: how.percentiles[0], upper: how.percentiles[1] });
    case "window":
      return windowCt(volume, { center: how.centerHu, width: how.widthHu });
  }
}
