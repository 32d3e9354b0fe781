import { freemem } from "node:os";
import { CorruptVolumeError } from "../findings.ts";
import { decodedBytes, isConverted, type VoxelCoding } from "../nifti/_decode_voxels.ts";
import { DATATYPES } from "../nifti/datatypes.ts";
import type { ByteSource } from "./_byte_source.ts";

/** Most unpacked bytes that a header may put before the first voxel: they must be unpacked to pass over them. */
const MOST_UNPACKED_BEFORE = 1 << 26;
/** Voxels up to this size are unpacked whatever they come from. */
const BELIEVED_BYTES = 160 * 2 ** 20;
/** Scans below this size are read without asking the system how much memory is free. */
const LARGE_BYTES = 1 << 28;

/** How a file's voxels are laid out, as its header says. A NIfTI header is one. */
export interface VoxelLayout extends VoxelCoding {
  /** `[depth, height, width]` of a frame, as stored: width fastest. */
  readonly shape: readonly [number, number, number];
  /** Number of 3D frames. */
  readonly frames: number;
  /** How many frames' values stand side by side at each voxel; the others follow one another. Default: 1. */
  readonly interleaved?: number;
  /** Byte at which the first voxel begins. */
  readonly dataOffset: number;
}

/** What reading a frame needs beside source and layout. */
export interface FrameOptions {
  /** Which frame. */
  readonly frame: number | undefined;
  /** Most bytes that the voxels may take. */
  readonly maxBytes: number;
  /** Whether `maxBytes` was asked for, so that almost constant data are believed. Default: false. */
  readonly trusted?: boolean;
  /** Tells how much memory is free. Default: the system. */
  readonly availableBytes?: () => number;
}

/** Where a frame's stored voxels lie. */
export interface Place {
  /** First byte. */
  readonly start: number;
  /** Number of bytes. */
  readonly length: number;
  /** Whether no other frame follows. */
  readonly isLast: boolean;
  /** Bytes of the frame alone, without those of other frames between them. */
  readonly frameBytes: number;
}

/** Finds where a frame's bytes lie, and refuses what the file or the memory cannot hold before anything is allocated. */
export function placeOfFrame(
  layout: VoxelLayout,
  source: Pick<ByteSource, "path" | "format" | "compressed" | "boundBytes" | "plausibleBytes">,
  options: FrameOptions,
): Place {
  const { frame, maxBytes } = options;
  const { interleaved = 1 } = layout;
  if (layout.frames > 1 && frame === undefined) {
    const message = `it holds ${layout.frames} frames of [${layout.shape}] voxels, expected one 3D scan`;
    throw refuse(source, "not-3d", message, "Choose one with the option `frame`, or split the file.");
  }
  if ((frame ?? 0) >= layout.frames) {
    throw new RangeError(
      `Cannot read ${source.format} ${source.path}: no such frame: got ${frame}, expected below ${layout.frames}. Count from 0.`,
    );
  }
  const voxels = layout.shape[0] * layout.shape[1] * layout.shape[2];
  const frameBytes = voxels * bytesOf(layout);
  const length = frameBytes * interleaved;
  const start = layout.dataOffset + Math.floor((frame ?? 0) / interleaved) * length;
  const isTruncated = !(start + length <= source.boundBytes);
  const most = source.compressed ? `can unpack to ${source.boundBytes} at most` : `holds ${source.boundBytes}`;
  const decoded = voxels * decodedBytes(layout);
  const needed = Math.max(frameBytes, decoded);
  const promise = `the header promises ${voxels} voxels of ${layout.datatype}`;
  if (!(needed <= maxBytes)) {
    const message = `${promise}, ${needed} bytes, above ${maxBytes}${isTruncated ? `, and the file ${most}` : ""}`;
    const raise = isTruncated ? ", or copy or download the file again" : ", or raise `maxBytes`";
    throw refuse(source, "too-large", message, `Check the header's dimensions${raise}.`);
  }
  if (isTruncated) {
    const message = `the header promises bytes up to ${start + length}, the file ${most}`;
    throw refuse(source, "truncated", message, "Copy or download the file again, or correct the header's dimensions.");
  }
  requireNear(source, layout.dataOffset);
  requirePlausible(source, start + length, options);
  // Stored voxels that need no conversion become the result; all others stand beside it for a while.
  const peak = isConverted(layout) ? frameBytes + decoded : frameBytes;
  const available = peak < LARGE_BYTES ? Infinity : (options.availableBytes ?? availableMemory)();
  if (peak > available) {
    const message = `${promise}, which takes ${peak} bytes of memory, of which ${available} are free`;
    throw refuse(source, "too-large", message, "Check the header's dimensions, free memory, or crop the scan.");
  }
  return { start, length, isLast: (frame ?? 0) >= layout.frames - interleaved, frameBytes };
}

/** Refuses voxels that begin so far into a packed file that no header would put them there. */
export function requireNear(source: Pick<ByteSource, "path" | "format" | "compressed">, offset: number): void {
  if (!source.compressed || offset <= MOST_UNPACKED_BEFORE) return;
  const problem = `its voxels are said to begin at unpacked byte ${offset}, above ${MOST_UNPACKED_BEFORE}`;
  throw refuse(source, "bad-offset", problem, "Correct the offset or skip in its header.");
}

/** Refuses large voxels out of few bytes, as bombs are made, unless so many were asked for. */
export function requirePlausible(
  source: Pick<ByteSource, "path" | "format" | "plausibleBytes">,
  bytes: number,
  { trusted = false }: Pick<FrameOptions, "trusted">,
): void {
  if (trusted || bytes <= BELIEVED_BYTES || bytes <= source.plausibleBytes) return;
  const problem =
    `the header promises ${bytes} bytes of so few packed ones that the voxels could only be almost constant`;
  throw refuse(source, "too-large", problem, "If that is what they are, say so by giving `maxBytes`.");
}

/** Bytes of a stored voxel. */
export function bytesOf({ datatype }: VoxelLayout): number {
  return DATATYPES[datatype].bytes;
}

/** Memory that is free for a scan; no limit where the system does not say, as without Deno's permission `sys`. */
function availableMemory(): number {
  try {
    return freemem();
  } catch {
    return Infinity;
  }
}

/** Makes the error for a fault in a file. */
export function refuse(
  source: Pick<ByteSource, "path" | "format">,
  code: CorruptVolumeError["code"],
  problem: string,
  fix: string,
  cause?: unknown,
): CorruptVolumeError {
  return new CorruptVolumeError(code, { action: `read ${source.format}`, path: source.path, problem, fix, cause });
}
