import { freemem } from "node:os";
import { CorruptVolumeError, type Finding } from "../findings.ts";
import type { ByteSource } from "./_byte_source.ts";
import { decodedBytes, isConverted } from "./_decode_voxels.ts";
import { DATATYPES } from "./datatypes.ts";
import type { NiftiHeader } from "./header.ts";

/** Scans below this size are read without asking the system how much memory is free. */
const LARGE_BYTES = 1 << 28;
const SCRATCH_BYTES = 1 << 16;
const TRAILING_LIMIT_BYTES = 1 << 20;

/** Where a frame's stored voxels lie. */
export interface Place {
  /** First byte. */
  readonly start: number;
  /** Number of bytes. */
  readonly length: number;
  /** Whether no other frame follows. */
  readonly isLast: boolean;
}

/** Finds where a frame's bytes lie, and refuses what the file or the memory cannot hold before anything is allocated. */
export function placeOfFrame(
  header: NiftiHeader,
  source: ByteSource,
  options: {
    readonly frame: number | undefined;
    readonly maxBytes: number;
    /** Tells how much memory is free. Default: the system. */
    readonly availableBytes?: () => number;
  },
): Place {
  const { frame, maxBytes } = options;
  if (header.frames > 1 && frame === undefined) {
    const message = `it holds ${header.frames} frames of [${header.shape}] voxels, expected one 3D scan`;
    throw refuse(source, "not-3d", message, "Choose one with the option `frame`, or split the file.");
  }
  if ((frame ?? 0) >= header.frames) {
    throw new RangeError(
      `Cannot read NIfTI ${source.path}: no such frame: got ${frame}, expected below ${header.frames}. Count from 0.`,
    );
  }
  const voxels = header.shape[0] * header.shape[1] * header.shape[2];
  const length = voxels * DATATYPES[header.datatype].bytes;
  const start = header.dataOffset + (frame ?? 0) * length;
  const isTruncated = !(start + length <= source.boundBytes);
  const most = source.compressed ? `can unpack to ${source.boundBytes} at most` : `holds ${source.boundBytes}`;
  const decoded = voxels * decodedBytes(header);
  const needed = Math.max(length, decoded);
  const promise = `the header promises ${voxels} voxels of ${header.datatype}`;
  if (needed > maxBytes) {
    const message = `${promise}, ${needed} bytes, above ${maxBytes}${isTruncated ? `, and the file ${most}` : ""}`;
    const raise = isTruncated ? ", or copy or download the file again" : ", or raise `maxBytes`";
    throw refuse(source, "too-large", message, `Check the header's dimensions${raise}.`);
  }
  if (isTruncated) {
    const message = `the header promises bytes up to ${start + length}, the file ${most}`;
    throw refuse(source, "truncated", message, "Copy or download the file again, or correct the header's dimensions.");
  }
  // Stored voxels that need no conversion become the result; all others stand beside it for a while.
  const peak = isConverted(header) ? length + decoded : length;
  const available = peak < LARGE_BYTES ? Infinity : (options.availableBytes ?? availableMemory)();
  if (peak > available) {
    const message = `${promise}, which takes ${peak} bytes of memory, of which ${available} are free`;
    throw refuse(source, "too-large", message, "Check the header's dimensions, free memory, or crop the scan.");
  }
  return { start, length, isLast: (frame ?? 0) === header.frames - 1 };
}

/** Memory that is free for a scan; no limit where the system does not say, as without Deno's permission `sys`. */
function availableMemory(): number {
  try {
    return freemem();
  } catch {
    return Infinity;
  }
}

/** Passes over bytes that are not wanted. */
export async function skip(source: ByteSource, count: number): Promise<void> {
  const scratch = new Uint8Array(SCRATCH_BYTES);
  for (let left = count; left > 0;) {
    const got = await source.fill(scratch.subarray(0, Math.min(left, SCRATCH_BYTES)));
    if (got === 0) {
      throw refuse(source, "truncated", `it ends ${left} bytes before the voxels begin`, "Copy or download it again.");
    }
    left -= got;
  }
}

/** Reads a frame's bytes, all of them. */
export async function readExactly(source: ByteSource, length: number): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(length);
  } catch (cause) {
    throw refuse(source, "too-large", `${length} bytes cannot be allocated`, "Free memory or crop the scan.", cause);
  }
  const got = await source.fill(bytes);
  if (got < length) {
    const message = `the header promises ${length} bytes of voxels, the file holds ${got}`;
    throw refuse(source, "truncated", message, "Copy or download the file again.");
  }
  return bytes;
}

/** Reads on to the end (which also checks gzip's checksum), no further than 1 MiB, and says if anything was there. */
export async function reportTrailingBytes(
  source: ByteSource,
  place: Place,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  let extra = 0;
  if (source.compressed) {
    const scratch = new Uint8Array(SCRATCH_BYTES);
    for (let got = -1; got !== 0 && extra <= TRAILING_LIMIT_BYTES; extra += got) got = await source.fill(scratch);
  } else {
    extra = source.boundBytes - place.start - place.length;
  }
  if (extra === 0) return;
  onFinding({
    severity: "warning",
    code: "trailing-bytes",
    path: source.path,
    message: `${extra > TRAILING_LIMIT_BYTES ? "more than 1 MiB" : `${extra} bytes`} after the voxels were ignored`,
    fix: "Check that the header's dimensions are right.",
  });
}

/** Makes the error for a fault in a file. */
export function refuse(
  source: ByteSource,
  code: CorruptVolumeError["code"],
  problem: string,
  fix: string,
  cause?: unknown,
): CorruptVolumeError {
  return new CorruptVolumeError(code, { action: "read NIfTI", path: source.path, problem, fix, cause });
}
