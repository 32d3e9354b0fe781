import type { Finding } from "../findings.ts";
import { decodeVoxels, InexactIntegerError } from "../nifti/_decode_voxels.ts";
import type { VoxelArray } from "../volume.ts";
import type { ByteSource } from "./_byte_source.ts";
import { bytesOf, type FrameOptions, type Place, placeOfFrame, refuse, type VoxelLayout } from "./_frame_place.ts";

const SCRATCH_BYTES = 1 << 16;
const SCRATCH_LIMIT_BYTES = 1 << 24;
const TRAILING_LIMIT_BYTES = 1 << 20;

/**
 * Reads one frame's voxels.
 *
 * @param source What holds them, from which bytes before the frame may have been taken.
 * @param layout How they are laid out.
 * @param options Frame, limits, and where oddities are noted.
 * @throws CorruptVolumeError when the source is damaged or the frame is too large.
 * @throws RangeError when there is no such frame.
 */
export async function readFrame(
  source: ByteSource,
  layout: VoxelLayout,
  options: FrameOptions & {
    readonly onFinding: (finding: Finding) => void;
    /** What more bytes after the last voxel mean: an oddity, nothing, or that the voxels lie elsewhere. Default: `"note"`. */
    readonly trailing?: "note" | "ignore" | "refuse";
  },
): Promise<VoxelArray> {
  const { frame = 0, trailing = "note", onFinding } = options;
  const place = placeOfFrame(layout, source, options);
  await skip(source, place.start - source.position);
  const { interleaved = 1 } = layout;
  const bytes = interleaved === 1
    ? await readExactly(source, place.length)
    : await gatherFrame(source, place, { interleaved, chosen: frame % interleaved, width: bytesOf(layout) });
  if (place.isLast) {
    await reportTrailingBytes(source, place, (finding) => {
      if (trailing === "note") onFinding(finding);
      if (trailing === "refuse") {
        const problem = finding.message.replace("were ignored", "are left over: the voxels may begin elsewhere");
        throw refuse(source, "bad-offset", problem, "Check the header's dimensions and skips.");
      }
    });
  }
  try {
    return decodeVoxels(bytes, layout);
  } catch (cause) {
    if (!(cause instanceof InexactIntegerError)) throw cause;
    const message = `a voxel of ${layout.datatype} is ${cause.value}, which has no exact 64-bit floating point value`;
    throw refuse(source, "inexact-integer", message, "Convert the scan to float64 or int32.", cause);
  }
}

/** Passes over bytes that are not wanted. */
export async function skip(source: ByteSource, count: number): Promise<void> {
  const left = Math.max(0, count) - await source.skip(Math.max(0, count));
  if (left === 0) return;
  throw refuse(source, "truncated", `it ends ${left} bytes before the voxels begin`, "Copy or download it again.");
}

/** Reads a frame's bytes, all of them. */
export async function readExactly(source: ByteSource, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(source, length);
  requireAll(source, await source.fill(bytes), length);
  return bytes;
}

/** Reads one of several frames whose values stand side by side, a chunk at a time. */
async function gatherFrame(
  source: ByteSource,
  { length, frameBytes }: Place,
  { interleaved, chosen, width }: { readonly interleaved: number; readonly chosen: number; readonly width: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(source, frameBytes);
  const step = interleaved * width;
  if (step > SCRATCH_LIMIT_BYTES) {
    const message = `${interleaved} values stand side by side at each voxel, ${step} bytes`;
    throw refuse(source, "bad-dimensions", message, "Store the frames one after the other.");
  }
  const scratch = new Uint8Array(step * Math.max(1, Math.floor(SCRATCH_BYTES / step)));
  let to = 0;
  for (let read = 0; read < length;) {
    const wanted = Math.min(scratch.length, length - read);
    const got = await source.fill(scratch.subarray(0, wanted));
    requireAll(source, read + got, got < wanted ? length : read + got);
    for (let at = chosen * width; at < got; at += step) {
      for (let i = 0; i < width; i++) bytes[to++] = scratch[at + i]!;
    }
    read += got;
  }
  return bytes;
}

function allocate(source: ByteSource, length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw refuse(source, "too-large", `${length} bytes cannot be allocated`, "Free memory or crop the scan.", cause);
  }
}

function requireAll(source: ByteSource, got: number, length: number): void {
  if (got >= length) return;
  const message = `the header promises ${length} bytes of voxels, the file holds ${got}`;
  throw refuse(source, "truncated", message, "Copy or download the file again.");
}

/** Reads on to the end (which also checks gzip's checksum), no further than 1 MiB, and says if anything was there. */
export async function reportTrailingBytes(
  source: ByteSource,
  place: Pick<Place, "start" | "length">,
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
