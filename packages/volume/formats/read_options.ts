import type { Finding } from "../findings.ts";
import type { Modality } from "../volume.ts";

const DEFAULT_MAX_BYTES = 2 ** 32;

/** Options of every reader of scans. */
export interface ReadOptions {
  /** Which 3D frame of a file with more dimensions to read, counted from 0 in file order. Default: such a file is refused. */
  readonly frame?: number;
  /**
   * Most bytes that the voxels may take, stored or decoded. Default: 4 GiB, but 160 MiB where a packed file is so small that its voxels could only be
   * almost constant, as bombs are.
   */
  readonly maxBytes?: number;
  /** What made the scan, where the format does not say. Default: `"unknown"`. */
  readonly modality?: Modality;
  /** Called with each oddity that did not stop the reading. Default: they are dropped. */
  readonly onFinding?: (finding: Finding) => void;
}

/** {@linkcode ReadOptions} with their defaults. */
export interface ResolvedReadOptions {
  readonly frame: number | undefined;
  readonly maxBytes: number;
  /** Whether `maxBytes` was given. */
  readonly trusted: boolean;
  readonly modality: Modality;
  readonly onFinding: (finding: Finding) => void;
}

/** Fills in defaults and refuses what is out of range. */
export function resolveReadOptions(options: ReadOptions, format: string): ResolvedReadOptions {
  const { frame, maxBytes = DEFAULT_MAX_BYTES, modality = "unknown", onFinding = () => {} } = options;
  if (frame !== undefined && !(Number.isSafeInteger(frame) && frame >= 0)) {
    throw new RangeError(
      `Cannot read ${format}: bad frame: got ${frame}, expected an integer of at least 0. Count from 0.`,
    );
  }
  if (!(maxBytes > 0)) {
    throw new RangeError(
      `Cannot read ${format}: bad maxBytes: got ${maxBytes}, expected above 0. Give a number of bytes.`,
    );
  }
  return { frame, maxBytes, trusted: options.maxBytes !== undefined, modality, onFinding };
}
