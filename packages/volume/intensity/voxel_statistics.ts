import type { Finding } from "../findings.ts";
import type { Volume, VoxelArray } from "../volume.ts";

/** What a volume's voxels are like as numbers. */
export interface VoxelStatistics {
  /** Smallest finite voxel, NaN when there is none. */
  readonly minimum: number;
  /** Largest finite voxel, NaN when there is none. */
  readonly maximum: number;
  /** Mean of the finite voxels, NaN when there is none. */
  readonly mean: number;
  /** Number of voxels that are NaN or infinite. */
  readonly nonFinite: number;
}

/** Options of {@linkcode checkVolume}. */
export interface CheckVolumeOptions {
  /** The scan's path, for the findings. Default: an empty string. */
  readonly path?: string;
  /** Smallest useful `[depth, height, width]` in voxels, such as a network's patch. Default: no limit. */
  readonly minimumShape?: readonly [number, number, number];
}

/**
 * Measures a volume's voxels in one pass.
 *
 * @param volume Any scan.
 * @returns Range and mean of the finite voxels and how many are not finite.
 */
export function measureVoxels(volume: Volume): VoxelStatistics {
  const { data } = volume;
  let minimum = Infinity;
  let maximum = -Infinity;
  let sum = 0;
  let finite = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (!Number.isFinite(value)) continue;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
    sum += value;
    finite++;
  }
  const nonFinite = data.length - finite;
  return finite === 0
    ? { minimum: NaN, maximum: NaN, mean: NaN, nonFinite }
    : { minimum, maximum, mean: sum / finite, nonFinite };
}

/**
 * Looks for what makes a readable scan useless or doubtful for training: NaN or infinite voxels, a single value everywhere,
 * fewer voxels than needed.
 *
 * @param volume The scan.
 * @param options Its path and the smallest useful shape.
 * @returns Findings, none when all is well: codes `non-finite` and `too-small` (warnings), `constant` (error).
 */
export function checkVolume(volume: Volume, options: CheckVolumeOptions = {}): Finding[] {
  const { path = "", minimumShape } = options;
  const { minimum, maximum, nonFinite } = measureVoxels(volume);
  const findings: Finding[] = [];
  if (nonFinite > 0) {
    findings.push({
      severity: "warning",
      code: "non-finite",
      path,
      message: `${nonFinite} of ${volume.data.length} voxels are NaN or infinite`,
      fix: 'Repair the scan, or normalise it with nonFinite: "replace".',
    });
  }
  if (!(maximum > minimum)) {
    findings.push({
      severity: "error",
      code: "constant",
      path,
      message: Number.isNaN(minimum) ? "no voxel is finite" : `every finite voxel is ${minimum}`,
      fix: "Leave the scan out, or export it again.",
    });
  }
  if (minimumShape?.some((least, axis) => volume.shape[axis]! < least)) {
    findings.push({
      severity: "warning",
      code: "too-small",
      path,
      message: `the volume is ${volume.shape.join("×")} voxels, smaller than ${
        minimumShape.join("×")
      } (depth×height×width)`,
      fix: "Choose a smaller patch, or pad or resize the scan.",
    });
  }
  return findings;
}

/** Counts NaN and infinite voxels; integers are not looked at. */
export function countNonFinite(data: VoxelArray): number {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return 0;
  let count = 0;
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) count++;
  return count;
}

/** Says where a volume came from, for error messages: the line of its history that names the file. */
export function originOf(volume: Volume): string {
  const line = volume.history.find((line) => line.startsWith("read ")) ?? volume.history[0];
  return line === undefined ? "" : ` in the volume "${line}"`;
}
