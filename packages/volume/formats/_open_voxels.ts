import { type ByteSource, openByteSource } from "./_byte_source.ts";
import { ChunkSource } from "./_chunk_source.ts";
import { inflateSource } from "./_inflate_source.ts";
import { skip } from "./_frame_bytes.ts";
import { refuse, requireNear, requirePlausible } from "./_frame_place.ts";
import type { NiftiDatatype } from "../nifti/datatypes.ts";
import { bunzip2Source } from "./_bzip2.ts";
import { joinSources, resolveDataFiles } from "./_data_files.ts";
import type { HeaderReport } from "./_header_report.ts";
import { hexSource, textVoxelSource } from "./_text_voxels.ts";

const NEWLINE = 0x0a;
const LONGEST_LINE = 1 << 16;
const MOST_LINES = 1 << 16;
/** Most bytes of another header that are passed over in packed voxels to reach the last of them. */
const MOST_LEADING_BYTES = 1 << 20;

/** How voxels are written down. */
export type VoxelEncoding = "raw" | "gzip" | "zlib" | "bzip2" | "ascii" | "hex";

/** How the way from a file to its voxels goes on. */
export interface VoxelStream {
  readonly encoding: VoxelEncoding;
  /** Type of a voxel, for text. */
  readonly datatype: NiftiDatatype;
  /** Lines that are passed over first. */
  readonly lineSkip: number;
  /** Bytes that are passed over then, after unpacking; negative: the voxels are the last bytes but −1 − `byteSkip`. */
  readonly byteSkip: number;
  /** How many bytes of voxels there are to be. */
  readonly voxelBytes: number;
  /** Most bytes of them. */
  readonly maxBytes: number;
  /** Whether so many were asked for. */
  readonly trusted: boolean;
}

/**
 * Goes to the first voxel, behind the header or in the files that it names.
 *
 * @param header What the header was read from.
 * @param stream How voxels are written down, and the names of their files; none: they follow the header.
 * @param report How to refuse.
 * @returns What delivers voxels; to be closed, and the header's source too.
 */
export async function openVoxelFiles(
  header: ByteSource,
  stream: VoxelStream & { readonly files: readonly string[] },
  report: HeaderReport,
): Promise<ByteSource> {
  const { files, voxelBytes } = stream;
  if (files.length === 0) return await openVoxels(header, stream);
  const paths = await resolveDataFiles(files, report);
  const pieceBytes = voxelBytes / paths.length;
  if (!Number.isSafeInteger(pieceBytes)) {
    throw report.refuse(
      "bad-dimensions",
      `${voxelBytes} bytes of voxels do not spread evenly over ${paths.length} files`,
    );
  }
  const open = async (path: string) => {
    const source = await openByteSource(path, { format: report.format, gunzip: false });
    try {
      return await openVoxels(source, { ...stream, voxelBytes: pieceBytes });
    } catch (error) {
      await source.close();
      throw error;
    }
  };
  return paths.length === 1 ? await open(paths[0]!) : await joinSources(paths, pieceBytes, { open, report });
}

/** Unpacks what a source has left and goes to the first voxel. The source that comes back is to be closed in its place. */
async function openVoxels(source: ByteSource, stream: VoxelStream): Promise<ByteSource> {
  const { byteSkip, lineSkip, encoding } = stream;
  if (lineSkip > MOST_LINES) {
    throw refuse(
      source,
      "bad-offset",
      `the line skip is ${lineSkip}, above ${MOST_LINES}`,
      "Correct it in the header.",
    );
  }
  for (let line = 0; line < lineSkip; line++) {
    if ((await source.takeThrough(NEWLINE, LONGEST_LINE)).length > 0) continue;
    throw refuse(
      source,
      "truncated",
      `it ends after ${line} of ${lineSkip} lines`,
      "Correct the line skip in its header.",
    );
  }
  const unpacked = unpack(source, stream);
  if (byteSkip >= 0) {
    requireNear(unpacked, byteSkip);
    await skip(unpacked, byteSkip);
    return unpacked;
  }
  return encoding === "raw" && !source.compressed
    ? await skipToLast(source, stream)
    : await keepLast(unpacked, source, stream);
}

/** Goes to where the voxels, counted from the end of the file, begin. */
async function skipToLast(source: ByteSource, { voxelBytes, byteSkip }: VoxelStream): Promise<ByteSource> {
  const start = source.boundBytes - voxelBytes + byteSkip + 1;
  if (start < source.position) {
    const message = `the header promises ${voxelBytes} bytes before the last ${
      -byteSkip - 1
    }, the file holds ${source.boundBytes}`;
    throw refuse(source, "truncated", message, "Correct the byte skip or the sizes in its header.");
  }
  await skip(source, start - source.position);
  return source;
}

/** Unpacks all of a stream and keeps its end; what comes before is another format's header, and so short. */
async function keepLast(
  unpacked: ByteSource,
  source: ByteSource,
  { voxelBytes, byteSkip, maxBytes, trusted }: VoxelStream,
): Promise<ByteSource> {
  const wanted = voxelBytes - byteSkip - 1;
  if (!(wanted <= maxBytes)) {
    throw refuse(source, "too-large", `the header promises ${wanted} bytes, above ${maxBytes}`, "Raise `maxBytes`.");
  }
  requirePlausible(unpacked, wanted, { trusted });
  const kept: Uint8Array[] = [];
  let held = 0;
  let dropped = 0;
  for await (const chunk of unpacked.rest()) {
    kept.push(chunk);
    held += chunk.length;
    while (held - kept[0]!.length >= wanted) {
      held -= kept[0]!.length;
      dropped += kept.shift()!.length;
    }
    if (dropped + held - wanted > MOST_LEADING_BYTES) {
      const message = `more than ${MOST_LEADING_BYTES} unpacked bytes come before its voxels`;
      throw refuse(source, "bad-offset", message, "Correct the byte skip or the sizes in its header.");
    }
  }
  const first = held - wanted;
  if (first < 0) {
    throw refuse(
      source,
      "truncated",
      `the header promises ${wanted} bytes, the file unpacks to ${held}`,
      "Copy it again.",
    );
  }
  const { path, format } = source;
  const last = new ChunkSource(kept, { path, format, boundBytes: held, compressed: true }, unpacked);
  await skip(last, first);
  return last;
}

function unpack(source: ByteSource, { encoding, datatype }: VoxelStream): ByteSource {
  switch (encoding) {
    case "raw":
      return source;
    case "gzip":
    case "zlib":
      return inflateSource(source, encoding);
    case "bzip2":
      return bunzip2Source(source);
    case "ascii":
      return textVoxelSource(source, datatype);
    case "hex":
      return hexSource(source);
  }
}
