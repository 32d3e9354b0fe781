import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { writeWholeFile } from "../_whole_file.ts";
import { reasonOf } from "./_byte_source.ts";
import { joinBytes } from "./_chunk_source.ts";
import type { VoxelArray } from "../volume.ts";

const SLAB_VOXELS = 1 << 18;

/** Delivers a header, then voxels slab by slab. */
export function* scanChunks(
  header: Uint8Array,
  data: VoxelArray,
  encode: (slab: VoxelArray, first: number) => Uint8Array,
): Generator<Uint8Array> {
  yield header;
  for (let from = 0; from < data.length; from += SLAB_VOXELS) {
    yield encode(data.subarray(from, from + SLAB_VOXELS), from);
  }
}

/** Packs chunks with gzip. */
export function gzipChunks(chunks: Iterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const plain = Readable.from(chunks);
  const compressed = createGzip();
  plain.on("error", (error) => compressed.destroy(error));
  return plain.pipe(compressed);
}

/** Puts all chunks into one array. */
export async function collectChunks(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const bytes = joinBytes(parts);
  return parts.length === 1 ? bytes.slice() : bytes as Uint8Array<ArrayBuffer>;
}

/** Writes a scan whole or not at all. */
export async function writeScan(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  format: string,
): Promise<void> {
  try {
    await writeWholeFile(path, chunks);
  } catch (cause) {
    if (cause instanceof RangeError) throw cause;
    throw new Error(
      `Cannot write ${format} ${path}: ${reasonOf(cause)}. Check the folder, its permissions and the free space.`,
      { cause },
    );
  }
}
