import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { CorruptVolumeError } from "../findings.ts";

const CHUNK_BYTES = 1 << 18;
/** Deflate cannot shrink data by more than this factor: 258 bytes take at least 2 bits. */
const DEFLATE_MAXIMUM_RATIO = 1032;

/** Bytes that are read once, front to back, never more than was asked for at a time. */
export interface ByteSource {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** Whether the bytes come out of gzip. */
  readonly compressed: boolean;
  /** Upper bound on how many bytes can ever be delivered; exact unless compressed. */
  readonly boundBytes: number;
  /** Fills the target; returns how many bytes there were, fewer than its length only at the end. */
  fill(target: Uint8Array): Promise<number>;
  /** Releases the file. */
  close(): Promise<void>;
}

/** Opens a file or bytes in memory, through gunzip when they begin with gzip's magic number, whatever the name says. */
export async function openByteSource(source: string | Uint8Array): Promise<ByteSource> {
  if (typeof source !== "string") {
    return isGzip(source)
      ? new ChunkSource("", gunzipChunks([source], ""), true, source.length * DEFLATE_MAXIMUM_RATIO)
      : new ChunkSource("", [source], false, source.length);
  }
  let status: Stats;
  let file: FileHandle;
  try {
    status = await stat(source); // before it is opened: opening a named pipe would wait for a writer for ever
    if (status.isFile()) file = await open(source, "r");
    else throw new Error("it is not a file; give the path of a .nii or .nii.gz file");
  } catch (cause) {
    throw new Error(`Cannot read NIfTI ${source}: ${reasonOf(cause)}. Check the path and its permissions.`, { cause });
  }
  try {
    const magic = new Uint8Array(2);
    const { bytesRead } = await file.read(magic, 0, 2, 0);
    const compressed = isGzip(magic.subarray(0, bytesRead));
    const raw = fileChunks(file);
    return new ChunkSource(
      source,
      compressed ? gunzipChunks(raw, source) : raw,
      compressed,
      status.size * (compressed ? DEFLATE_MAXIMUM_RATIO : 1),
      file,
    );
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The system's own words for why a file operation failed. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function* fileChunks(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let position = 0;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

async function* gunzipChunks(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  path: string,
): AsyncGenerator<Uint8Array> {
  const input = Readable.from(chunks);
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  input.on("error", (error) => gunzip.destroy(error));
  input.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
  } catch (cause) {
    const truncated = (cause as { code?: string }).code === "Z_BUF_ERROR";
    throw new CorruptVolumeError(truncated ? "truncated" : "corrupt-gzip", {
      action: "read NIfTI",
      path,
      problem: truncated
        ? "the gzip stream ends before its end mark"
        : `the gzip stream is damaged (${reasonOf(cause)})`,
      fix: "Copy or download the file again.",
      cause,
    });
  } finally {
    input.destroy();
    gunzip.destroy();
  }
}

class ChunkSource implements ByteSource {
  readonly #chunks: Iterator<Uint8Array> | AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(
    readonly path: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    readonly compressed: boolean,
    readonly boundBytes: number,
    readonly file?: FileHandle,
  ) {
    this.#chunks = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  }

  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done) break;
        this.#rest = next.value;
      }
      const taken = this.#rest.subarray(0, target.length - filled);
      target.set(taken, filled);
      filled += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
    }
    return filled;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
    await this.file?.close();
  }
}
