import { CorruptVolumeError } from "../findings.ts";
import type { Volume } from "../volume.ts";
import { originOf } from "./voxel_statistics.ts";

/** Which voxels the statistics are taken from: those that are not 0, all, or those above a number. */
export type Foreground = "nonzero" | "all" | { readonly above: number };

/** Collects the finite voxels that statistics are taken from; refuses when there are none. */
export function foregroundValues(
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

/** Names a foreground in messages and history. */
export function nameOf(foreground: Foreground): string {
  if (foreground === "all") return "finite";
  return foreground === "nonzero" ? "nonzero" : `above-${foreground.above}`;
}

/** Makes the error for a scan with nothing to tell its voxels apart. */
export function constantError(volume: Volume, action: string, problem: string): CorruptVolumeError {
  return new CorruptVolumeError("constant", {
    action,
    path: "",
    problem: problem + originOf(volume),
    fix: "Leave the scan out, or choose another foreground.",
  });
}

/** Makes the error for a scan whose values lie further apart than a double can say. */
export function overflowError(volume: Volume, action: string): CorruptVolumeError {
  return new CorruptVolumeError("non-finite", {
    action,
    path: "",
    problem: `the spread of its voxels overflows 64-bit floating point${originOf(volume)}`,
    fix: "Repair the scan: such values are no intensities.",
  });
}
