import type { Extent } from "../inference/windows.ts";
import type { ExtractFeaturesOptions } from "./extract_features.ts";

/** Options with what was left open. */
export interface ResolvedFeatureOptions {
  /** Voxels of a window. */
  readonly patchSize: Extent;
  /** Least overlap of windows. */
  readonly overlap: number;
  /** Level of the pyramid. */
  readonly level: number;
  /** Voxels per cell of the level. */
  readonly stride: Extent;
  /** Channels of the level. */
  readonly outChannels: number;
  /** Windows at once. */
  readonly batch: number;
  /** Most bytes of dense features. */
  readonly maxBytes: number;
}

/** Checks options and fills in what was left open. */
export function checkFeatureOptions(options: ExtractFeaturesOptions): ResolvedFeatureOptions {
  const { encoder, preprocessing, overlap = 0.5, batch = 1, maxBytes = 2 ** 31 } = options;
  const { level = encoder.strides.length - 1, patchSize = preprocessing.resize } = options;
  const [stride, outChannels] = [encoder.strides[level], encoder.channels[level]];
  if (!stride || outChannels === undefined) {
    return refuse("there is no such level", level, `0 to ${encoder.strides.length - 1}`, "Level 0 is the finest.");
  }
  if (!patchSize) {
    return refuse(
      "patchSize is missing",
      "none",
      "three integers",
      "Take the sidecar's recommended_downstream_patchsize.",
    );
  }
  if (patchSize.length !== 3 || !patchSize.every((size, axis) => isCount(size) && size % stride[axis]! === 0)) {
    refuse(
      "patchSize is wrong",
      `[${patchSize}]`,
      `three positive multiples of [${stride}]`,
      "Windows hold whole cells.",
    );
  }
  if (!(overlap >= 0 && overlap < 1)) refuse("overlap is out of range", overlap, "0 to below 1", "Take 0.5.");
  if (!isCount(batch)) refuse("batch is wrong", batch, "a positive integer", "Take 1.");
  if (!(maxBytes > 0)) refuse("maxBytes is wrong", maxBytes, "a positive number", "Leave it out.");
  return { patchSize, overlap, level, stride, outChannels, batch, maxBytes };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function refuse(what: string, got: unknown, expected: string, advice: string): never {
  throw new RangeError(`Cannot extract features: ${what}: got ${got}, expected ${expected}. ${advice}`);
}
