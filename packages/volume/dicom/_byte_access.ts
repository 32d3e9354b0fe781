import { type FileHandle, open, stat } from "node:fs/promises";
import { createInflateRaw } from "node:zlib";
import { reasonOf } from "../formats/_byte_source.ts";
import { dicomFault } from "./_fault.ts";

const CHUNK_BYTES = 1 << 18;
/** Deflate cannot shrink data by more than this factor. */
const DEFLATE_MAXIMUM_RATIO = 1032;

/** Bytes of a file, or in memory, that are read from any place. */
export interface ByteAccess {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** How many bytes there are; an upper bound where they are deflated. */
  readonly size: number;
  /** Reads bytes, into a place of that length if one is given and they come from a file; fewer than asked for only where the file ends. */
  read(start: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Releases the file. */
  close(): Promise<void>;
}

/** Opens a file, or bytes in memory, which are not copied. */
export async function openBytes(source: string | Uint8Array): Promise<ByteAccess> {
  if (typeof source !== "string") {
    return {
      path: "",
      size: source.length,
      read: (start, length) => Promise.resolve(source.slice(start, start + length)),
      close: () => Promise.resolve(),
    };
  }
  let file: FileHandle;
  let size: number;
  try {
    const status = await stat(source); // before it is opened: opening a named pipe would wait for a writer for ever
    if (!status.isFile()) throw new Error("it is not a file");
    size = status.size;
    file = await open(source, "r");
  } catch (cause) {
    throw new Error(`Cannot read DICOM ${source}: ${reasonOf(cause)}. Check the path and its permissions.`, { cause });
  }
  return {
    path: source,
    size,
    read: async (start, length, into) => {
      const available = Math.max(0, Math.min(length, size - start));
      const bytes = into?.subarray(0, available) ?? new Uint8Array(available);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
    close: () => file.close(),
  };
}

/** Unpacks what follows the file's meta information, no further than it is asked for. */
export function inflateAccess(raw: ByteAccess, from: number): ByteAccess {
  const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
  const chunks: Uint8Array[] = [];
  let unpacked = 0;
  let ended = false;
  const unpack = (async function* () {
    let failure: unknown;
    inflate.on("error", (error) => failure = error);
    (async () => {
      for (let at = from; at < raw.size && !inflate.destroyed; at += CHUNK_BYTES) {
        const chunk = await raw.read(at, CHUNK_BYTES);
        if (!inflate.write(chunk)) {
          await new Promise((resolve) => inflate.once("drain", resolve).once("close", resolve));
        }
      }
      inflate.end();
    })().catch((error) => inflate.destroy(error));
    try {
      for await (const chunk of inflate) yield chunk as Uint8Array;
    } catch (cause) {
      const problem = `the deflated data set is damaged (${reasonOf(failure ?? cause)})`;
      throw dicomFault("corrupt-gzip", raw.path, problem, undefined, cause);
    }
  })();
  return {
    path: raw.path,
    size: (raw.size - from) * DEFLATE_MAXIMUM_RATIO,
    read: async (start, length) => {
      while (!ended && unpacked < start + length) {
        const next = await unpack.next();
        if (next.done) ended = true;
        else {
          chunks.push(next.value);
          unpacked += next.value.length;
        }
      }
      const bytes = new Uint8Array(Math.max(0, Math.min(length, unpacked - start)));
      let at = 0;
      for (const chunk of chunks) {
        const piece = chunk.subarray(Math.max(0, start - at), Math.max(0, start + bytes.length - at));
        if (piece.length > 0) bytes.set(piece, Math.max(0, at - start));
        at += chunk.length;
      }
      return bytes;
    },
    close: async () => {
      inflate.destroy();
      await unpack.return(undefined).catch(() => {});
      await raw.close();
    },
  };
}
