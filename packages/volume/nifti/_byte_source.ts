import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip, createInflateRaw, createUnzip } from "node:zlib";
import { CorruptVolumeError } from "../findings.ts";

const CHUNK_BYTES = 1 << 18;
/** Deflate cannot shrink data by more than this factor: 258 bytes take at least 2 bits. */
export const DEFLATE_MAXIMUM_RATIO = 1032;

/** Bytes that are read once, front to back, never more than was asked for at a time. */
export interface ByteSource {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** Name of the format that is read, for messages. */
  readonly format: string;
  /** Whether the bytes are unpacked from others, so that their number is not known beforehand. */
  readonly compressed: boolean;
  /** Upper bound on how many bytes can ever be delivered; exact unless compressed. */
  readonly boundBytes: number;
  /** How many bytes were taken so far. */
  readonly position: number;
  /** Fills the target; returns how many bytes there were, fewer than its length only at the end. */
  fill(target: Uint8Array): Promise<number>;
  /** Passes over bytes; returns how many there were. A file that is not packed is not read for it. */
  skip(count: number): Promise<number>;
  /** Takes bytes up to and with a delimiter; without it where the limit or the end comes first. */
  takeThrough(delimiter: number, limit: number): Promise<Uint8Array>;
  /** Delivers what is left, chunk by chunk. */
  rest(): AsyncIterable<Uint8Array>;
  /** Releases the file. */
  close(): Promise<void>;
}

/** What of a file or of bytes is read, and as what. */
export interface OpenOptions {
  /** Name of the format, for messages. Default: NIfTI. */
  readonly format?: string;
  /** Whether bytes that begin with gzip's magic number are unpacked. Default: true. */
  readonly gunzip?: boolean;
  /** First byte, counted from the end where negative. Default: 0. */
  readonly start?: number;
  /** Most bytes that are read. Default: all that follow. */
  readonly length?: number;
}

/** Opens a file or bytes in memory, through gunzip when they begin with gzip's magic number, whatever the name says. */
export async function openByteSource(source: string | Uint8Array, options: OpenOptions = {}): Promise<ByteSource> {
  const { format = "NIfTI" } = options;
  if (typeof source !== "string") {
    const { start, end } = stretchOf(source.length, options);
    const bytes = source.subarray(start, end);
    const plain = new ChunkSource([bytes], { path: "", format, boundBytes: bytes.length });
    return isGunzipped(bytes, options) ? inflateSource(plain, "gzip") : plain;
  }
  let status: Stats;
  let file: FileHandle;
  try {
    status = await stat(source); // before it is opened: opening a named pipe would wait for a writer for ever
    if (status.isFile()) file = await open(source, "r");
    else throw new Error("it is not a file; give the path of a file");
  } catch (cause) {
    throw new Error(`Cannot read ${format} ${source}: ${reasonOf(cause)}. Check the path and its permissions.`, {
      cause,
    });
  }
  try {
    const magic = new Uint8Array(2);
    const { start, end } = stretchOf(status.size, options);
    const { bytesRead } = await file.read(magic, 0, 2, start);
    const place = { path: source, format, boundBytes: end - start };
    const cursor = { at: start, end };
    const plain = new ChunkSource(fileChunks(file, cursor), { ...place, cursor }, file);
    return isGunzipped(magic.subarray(0, bytesRead), options) ? inflateSource(plain, "gzip") : plain;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Puts a step between a source and who reads it: what the source has left goes through it. */
export function transformSource(
  source: ByteSource,
  transform: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  boundBytes: number,
): ByteSource {
  const { path, format } = source;
  return new ChunkSource(transform(source.rest()), { path, format, boundBytes, compressed: true }, source);
}

/** Unpacks what a source has left: gzip, zlib (or gzip, as its first bytes say) or deflate without a wrapper. */
export function inflateSource(source: ByteSource, wrapper: "gzip" | "zlib" | "raw"): ByteSource {
  const bound = source.boundBytes * DEFLATE_MAXIMUM_RATIO;
  return transformSource(source, (chunks) => inflateChunks(chunks, { source, wrapper }), bound);
}

function stretchOf(size: number, { start = 0, length = Infinity }: OpenOptions): { start: number; end: number } {
  const first = Math.min(size, start < 0 ? Math.max(0, size + start) : start);
  return { start: first, end: Math.min(size, first + length) };
}

/** The system's own words for why a file operation failed. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function isGunzipped(bytes: Uint8Array, { gunzip = true }: OpenOptions): boolean {
  return gunzip && isGzip(bytes);
}

/** Whether bytes begin with gzip's magic number. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Where reading goes on in a file. */
interface Cursor {
  at: number;
  readonly end: number;
}

async function* fileChunks(file: FileHandle, cursor: Cursor): AsyncGenerator<Uint8Array> {
  while (cursor.at < cursor.end) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, cursor.end - cursor.at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, cursor.at);
    if (bytesRead === 0) return;
    cursor.at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
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

/** Where the chunks of a source come from. */
interface ChunkOrigin {
  readonly path: string;
  readonly format: string;
  readonly boundBytes: number;
  readonly compressed?: boolean;
  /** Moving it makes the next chunk begin elsewhere. */
  readonly cursor?: Cursor;
}

/** A source made of chunks that are asked for one after the other. */
export class ChunkSource implements ByteSource {
  readonly path: string;
  readonly format: string;
  readonly boundBytes: number;
  readonly compressed: boolean;
  readonly #chunks: Iterator<Uint8Array> | AsyncIterator<Uint8Array>;
  readonly #cursor: Cursor | undefined;
  readonly #owned: { close(): Promise<void> } | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #isClosed = false;

  /** `owned` is closed together with the source. */
  constructor(
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { path, format, boundBytes, compressed = false, cursor }: ChunkOrigin,
    owned?: { close(): Promise<void> },
  ) {
    [this.path, this.format, this.boundBytes, this.compressed] = [path, format, boundBytes, compressed];
    this.#chunks = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
    this.#cursor = cursor;
    this.#owned = owned;
  }

  get position(): number {
    return this.#position;
  }

  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && await this.#hasMore()) {
      const taken = this.#take(target.length - filled);
      target.set(taken, filled);
      filled += taken.length;
    }
    return filled;
  }

  async skip(count: number): Promise<number> {
    let skipped = this.#take(count).length;
    if (this.#cursor !== undefined) {
      const jump = Math.min(count - skipped, this.#cursor.end - this.#cursor.at);
      this.#cursor.at += jump;
      this.#position += jump;
      return skipped + jump;
    }
    while (skipped < count && await this.#hasMore()) skipped += this.#take(count - skipped).length;
    return skipped;
  }

  async takeThrough(delimiter: number, limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let taken = 0;
    while (taken < limit && await this.#hasMore()) {
      const at = this.#rest.indexOf(delimiter);
      const part = this.#take(Math.min(limit - taken, at < 0 ? Infinity : at + 1));
      parts.push(part);
      taken += part.length;
      if (part.at(-1) === delimiter) break;
    }
    return joinBytes(parts);
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    while (await this.#hasMore()) yield this.#take(Infinity);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#chunks.return?.();
    await this.#owned?.close();
  }

  async #hasMore(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return false;
      this.#rest = next.value;
    }
    return true;
  }

  #take(most: number): Uint8Array {
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }
}

/** Puts byte arrays one behind the other; a single one is not copied. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
