import type { FileHandle } from "node:fs/promises";
import type { ByteSource } from "./_byte_source.ts";

const FIRST_CHUNK_BYTES = 1 << 16;
const LARGEST_CHUNK_BYTES = 1 << 20;

/** Where reading goes on in a file. */
export interface Cursor {
  at: number;
  readonly end: number;
}

/** A file from a place on, chunk by chunk: small ones first, since some read no more than a header. */
export async function* fileChunks(file: FileHandle, cursor: Cursor): AsyncGenerator<Uint8Array> {
  for (let size = FIRST_CHUNK_BYTES; cursor.at < cursor.end; size = Math.min(4 * size, LARGEST_CHUNK_BYTES)) {
    const chunk = new Uint8Array(Math.min(size, cursor.end - cursor.at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, cursor.at);
    if (bytesRead === 0) return;
    cursor.at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

/** Where the chunks of a source come from. */
interface ChunkOrigin {
  readonly path: string;
  readonly format: string;
  readonly boundBytes: number;
  readonly compressed?: boolean;
  /** Default: infinite. */
  readonly plausibleBytes?: number;
  /** Moving it makes the next chunk begin elsewhere. */
  readonly cursor?: Cursor;
}

/** A source made of chunks that are asked for one after the other. */
export class ChunkSource implements ByteSource {
  readonly path: string;
  readonly format: string;
  readonly boundBytes: number;
  readonly compressed: boolean;
  readonly plausibleBytes: number;
  readonly #chunks: Iterator<Uint8Array> | AsyncIterator<Uint8Array>;
  readonly #cursor: Cursor | undefined;
  readonly #owned: { close(): Promise<void> } | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #isClosed = false;

  /** `owned` is closed together with the source. */
  constructor(
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { path, format, boundBytes, compressed = false, plausibleBytes = Infinity, cursor }: ChunkOrigin,
    owned?: { close(): Promise<void> },
  ) {
    [this.path, this.format, this.boundBytes, this.compressed] = [path, format, boundBytes, compressed];
    this.plausibleBytes = plausibleBytes;
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
