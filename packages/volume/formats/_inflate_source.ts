import { Readable } from "node:stream";
import { createGunzip, createInflateRaw, createUnzip } from "node:zlib";
import { CorruptVolumeError } from "../findings.ts";
import { type ByteSource, reasonOf } from "./_byte_source.ts";
import { ChunkSource } from "./_chunk_source.ts";

const CHUNK_BYTES = 1 << 20;
/** Deflate cannot shrink data by more than this factor: 258 bytes take at least 2 bits. */
const DEFLATE_MAXIMUM_RATIO = 1032;
/** What it shrinks almost constant data by; a label map of a few organs comes to some hundred. */
const DEFLATE_SUSPECT_RATIO = 900;

/** Puts a step between a source and who reads it: what the source has left goes through it. */
export function transformSource(
  source: ByteSource,
  transform: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  boundBytes: number,
  plausibleBytes: number = source.plausibleBytes,
): ByteSource {
  const { path, format } = source;
  const origin = { path, format, boundBytes, plausibleBytes, compressed: true };
  return new ChunkSource(transform(source.rest()), origin, source);
}

/** Unpacks what a source has left: gzip, zlib (or gzip, as its first bytes say) or deflate without a wrapper. */
export function inflateSource(source: ByteSource, wrapper: "gzip" | "zlib" | "raw"): ByteSource {
  const [bound, plausible] = [DEFLATE_MAXIMUM_RATIO, DEFLATE_SUSPECT_RATIO].map((ratio) => source.boundBytes * ratio);
  return transformSource(source, (chunks) => inflateChunks(chunks, { source, wrapper }), bound!, plausible);
}

async function* inflateChunks(
  chunks: AsyncIterable<Uint8Array>,
  { source, wrapper }: { readonly source: ByteSource; readonly wrapper: "gzip" | "zlib" | "raw" },
): AsyncGenerator<Uint8Array> {
  const input = Readable.from(chunks);
  const create = { gzip: createGunzip, zlib: createUnzip, raw: createInflateRaw }[wrapper];
  const inflate = create({ chunkSize: CHUNK_BYTES });
  const name = wrapper === "gzip" ? "gzip" : "deflate";
  input.on("error", (error) => inflate.destroy(error));
  input.pipe(inflate);
  try {
    for await (const chunk of inflate) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof CorruptVolumeError) throw cause;
    const truncated = (cause as { code?: string }).code === "Z_BUF_ERROR";
    throw new CorruptVolumeError(truncated ? "truncated" : "corrupt-gzip", {
      action: `read ${source.format}`,
      path: source.path,
      problem: truncated
        ? `the ${name} stream ends before its end mark`
        : `the ${name} stream is damaged (${reasonOf(cause)})`,
      fix: "Copy or download the file again.",
      cause,
    });
  } finally {
    input.destroy();
    inflate.destroy();
  }
}
