import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { ChunkSource, fileChunks } from "./_chunk_source.ts";
import { inflateSource } from "./_inflate_source.ts";

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
  /** Most bytes that anything but almost constant data would be unpacked to; infinite where nothing is packed. */
  readonly plausibleBytes: number;
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
