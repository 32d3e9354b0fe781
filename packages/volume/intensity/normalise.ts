import { CorruptVolumeError } from "../findings.ts";
import { deriveVolume, type Volume, type VoxelArray } from "../volume.ts";
import { orderStatistics } from "./_order_statistics.ts";
import { countNonFinite, measureVoxels, originOf } from "./voxel_statistics.ts";

/** What every normalisation lets choose. */
export interface NonFiniteOptions {
  /**
   * NaN and infinite voxels: `"error"` refuses them, `"replace"` takes −∞ and NaN as the lowest and +∞ as the highest result.
   * Default: `"error"`.
   */
  readonly nonFinite?: "error" | "replace";
}

/** Options of {@linkcode windowCt}. */
export interface WindowOptions extends NonFiniteOptions {
  /** Middle of the window in HU. Default: 40, soft tissue. */
  readonly center?: number;
  /** Width of the window in HU, above 0. Default: 400, soft tissue. */
  readonly width?: number;
}

/** Which voxels the statistics are taken from: those that are not 0, all, or those above a number. */
export type Foreground = "nonzero" | "all" | { readonly above: number };

/** Options of {@linkcode normalisePercentile}. */
export interface PercentileOptions extends NonFiniteOptions {
  /** Percentile that becomes 0. Default: 0.5. */
  readonly lower?: number;
  /** Percentile that becomes 1. Default: 99.5. */
  readonly upper?: number;
  /** Voxels that the percentiles are taken from. Default: `"nonzero"`. */
  readonly foreground?: Foreground;
}

/** Options of {@linkcode normaliseZScore}. */
export interface ZScoreOptions extends NonFiniteOptions {
  /** Voxels that mean and deviation are taken from. Default: `"nonzero"`. */
  readonly foreground?: Foreground;
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

/**
 * Maps two percentiles of the foreground to 0 and 1 and clips: the usual scaling for MR, whose unit means nothing.
 *
 * Percentiles interpolate linearly between order statistics, as `numpy.percentile` does. Every voxel is mapped, background
 * too.
 *
 * @param volume Any scan; left as it is.
 * @param options Percentiles, foreground, and what becomes of non-finite voxels.
 * @returns Float32 volume in [0, 1].
 * @throws RangeError when the percentiles are not 0 ≤ lower < upper ≤ 100.
 * @throws CorruptVolumeError with code `non-finite` (see `nonFinite`) or `constant`, when both percentiles are one value.
 */
export function normalisePercentile(volume: Volume, options: PercentileOptions = {}): Volume {
  const { lower = 0.5, upper = 99.5, foreground = "nonzero" } = options;
  if (!(lower >= 0 && lower < upper && upper <= 100)) {
    throw new RangeError(
      `Cannot normalise by percentiles: bad percentiles: got ${lower} and ${upper}, expected 0 ≤ lower < upper ≤ 100. ` +
        `Use 0.5 and 99.5.`,
    );
  }
  const action = "normalise by percentiles";
  refuseNonFinite(volume, { action, nonFinite: options.nonFinite });
  const values = foregroundValues(volume, { foreground, action });
  const [low, high] = percentilesOf(values, [lower, upper]) as [number, number];
  if (!(high > low)) {
    throw constantError(
      volume,
      action,
      `percentiles ${lower} and ${upper} of its ${nameOf(foreground)} voxels are both ${low}`,
    );
  }
  const line = `percentiles ${lower} to ${upper} of ${nameOf(foreground)} voxels (${low} to ${high}) to [0, 1]`;
  return mapUnit(volume, { low, range: high - low, line, nonFinite: options.nonFinite });
}

/**
 * Subtracts the foreground's mean and divides by its standard deviation (population, as `numpy.std`).
 *
 * Every voxel is mapped, background too. Under `nonFinite: "replace"` bad voxels become the lowest or highest finite result.
 *
 * @param volume Any scan; left as it is.
 * @param options Foreground, and what becomes of non-finite voxels.
 * @returns Float32 volume whose foreground has mean 0 and deviation 1.
 * @throws CorruptVolumeError with code `non-finite` (see `nonFinite`) or `constant`, when the deviation is 0.
 */
export function normaliseZScore(volume: Volume, options: ZScoreOptions = {}): Volume {
  const { foreground = "nonzero", nonFinite = "error" } = options;
  const action = "normalise to z-scores";
  refuseNonFinite(volume, { action, nonFinite });
  const values = foregroundValues(volume, { foreground, action });
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance);
  if (!(deviation > Number.EPSILON * Math.abs(mean))) {
    throw constantError(volume, action, `its ${nameOf(foreground)} voxels are all ${values[0]}`);
  }
  const { minimum: lowest, maximum: highest } = measureVoxels(volume);
  const { data } = volume;
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    result[i] = ((value > highest ? highest : value >= lowest ? value : lowest) - mean) / deviation;
  }
  const line = `z-score by mean ${mean} and deviation ${deviation} of ${nameOf(foreground)} voxels`;
  return deriveVolume(volume, { data: result }, line + replacedNote(data));
}

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

/** Percentiles of finite values, linear between order statistics; the array is reordered. */
function percentilesOf(values: Float64Array, percentiles: readonly number[]): number[] {
  const positions = percentiles.map((percent) => (values.length - 1) * percent / 100);
  const ranks = positions.flatMap((position) => [Math.floor(position), Math.ceil(position)]);
  const found = orderStatistics(values, ranks);
  return positions.map((position, i) => {
    const low = found[2 * i]!;
    return low + (position - Math.floor(position)) * (found[2 * i + 1]! - low);
  });
}

function mapUnit(
  volume: Volume,
  options: {
    readonly low: number;
    readonly range: number;
    readonly line: string;
    readonly nonFinite: "error" | "replace" | undefined;
  },
): Volume {
  const { low, range, line, nonFinite = "error" } = options;
  refuseNonFinite(volume, { action: "normalise", nonFinite });
  const { data } = volume;
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const unit = (data[i]! - low) / range;
    result[i] = unit >= 1 ? 1 : unit > 0 ? unit : 0; // NaN goes to 0
  }
  return deriveVolume(volume, { data: result }, line + replacedNote(data));
}

function refuseNonFinite(
  volume: Volume,
  options: { readonly action: string; readonly nonFinite: "error" | "replace" | undefined },
): void {
  const { action, nonFinite = "error" } = options;
  if (nonFinite === "replace") return;
  const count = countNonFinite(volume.data);
  if (count === 0) return;
  throw new CorruptVolumeError("non-finite", {
    action,
    path: "",
    problem: `${count} of ${volume.data.length} voxels are NaN or infinite${originOf(volume)}, expected finite numbers`,
    fix: 'Repair the scan, or pass nonFinite: "replace".',
  });
}

function replacedNote(data: VoxelArray): string {
  const count = countNonFinite(data);
  return count === 0 ? "" : `; ${count} non-finite voxels replaced`;
}

function foregroundValues(
  volume: Volume,
  options: { readonly foreground: Foreground; readonly action: string },
): Float64Array {
  const { foreground, action } = options;
  const { data } = volume;
  const values = new Float64Array(data.length);
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    const counts = foreground === "all" || (foreground === "nonzero" ? value !== 0 : value > foreground.above);
    if (counts && Number.isFinite(value)) values[count++] = value;
  }
  if (count === 0) throw constantError(volume, action, `it has no ${nameOf(foreground)} voxels`);
  return values.subarray(0, count);
}

function nameOf(foreground: Foreground): string {
  if (foreground === "all") return "finite";
  return foreground === "nonzero" ? "nonzero" : `above-${foreground.above}`;
}

function constantError(volume: Volume, action: string, problem: string): CorruptVolumeError {
  return new CorruptVolumeError("constant", {
    action,
    path: "",
    problem: problem + originOf(volume),
    fix: "Leave the scan out, or choose another foreground.",
  });
}
