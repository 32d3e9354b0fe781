/** A fault or oddity met in data. Findings are collected while the run goes on with what is sound. */
export interface Finding {
  /** `error`: the file cannot be used; `warning`: it is used, but look at it; `info`: worth knowing. */
  readonly severity: "error" | "warning" | "info";
  /** Stable kebab-case name of the kind of finding, for programs to branch on. */
  readonly code: string;
  /** The file or folder, or an empty string for data in memory. */
  readonly path: string;
  /** What was found, with the value. */
  readonly message: string;
  /** What a user can do about it. */
  readonly fix: string;
}

/** Kinds of faults that {@linkcode CorruptVolumeError} stands for. */
export type CorruptVolumeCode =
  | "not-nifti"
  | "truncated"
  | "corrupt-gzip"
  | "corrupt-bzip2"
  | "corrupt-zip"
  | "unknown-format"
  | "bad-header"
  | "bad-voxel"
  | "unsupported-encoding"
  | "bad-dimensions"
  | "not-3d"
  | "unsupported-datatype"
  | "inexact-integer"
  | "bad-offset"
  | "bad-scaling"
  | "bad-affine"
  | "too-large"
  | "missing-image"
  | "not-dicom"
  | "bad-element"
  | "unsupported-syntax"
  | "corrupt-pixels"
  | "missing-slices"
  | "uneven-slices"
  | "duplicate-slices"
  | "mixed-series"
  | "no-series"
  | "outside-folder"
  | "non-finite"
  | "constant";

/** A scan that cannot be used as it is: damaged, not a 3D scan, or too large. Its message names file, value and remedy. */
export class CorruptVolumeError extends Error {
  /** Always `"CorruptVolumeError"`. */
  override readonly name = "CorruptVolumeError";
  /** Kind of fault, for programs to branch on. */
  readonly code: CorruptVolumeCode;
  /** The file, or an empty string for data in memory. */
  readonly path: string;
  /** What a user can do about it. */
  readonly fix: string;

  /**
   * Makes the error.
   *
   * @param code Kind of fault.
   * @param options `action` and `problem` make up the message together with the path and `fix`; `cause` is kept.
   */
  constructor(
    code: CorruptVolumeCode,
    options: {
      readonly action: string;
      readonly path: string;
      readonly problem: string;
      readonly fix: string;
      readonly cause?: unknown;
    },
  ) {
    const { action, path, problem, fix, cause } = options;
    super(`Cannot ${action}${path === "" ? "" : ` ${path}`}: ${problem}. ${fix}`, { cause });
    this.code = code;
    this.path = path;
    this.fix = fix;
  }
}

/**
 * Turns an error about one scan into a finding, so that a run can note it and go on.
 *
 * @param error What was thrown for the scan.
 * @param path The scan's path, where the error arose after reading and does not know it. Default: the error's own.
 * @returns A finding of severity `error` with the error's code, message and remedy.
 */
export function findingOf(error: CorruptVolumeError, path: string = error.path): Finding {
  return { severity: "error", code: error.code, path, message: error.message, fix: error.fix };
}
