import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/**
 * Hashes the bytes of files as they lie on disk, for the `content` of a cache's key. Names do not matter, order does. Memory stays small.
 *
 * @param paths One file, or all that a scan is made of, in a fixed order.
 * @returns SHA-256 in lower-case hexadecimal: of the file's bytes, or of the hashes of several.
 * @throws Error of the system when a file cannot be read.
 */
export async function hashFiles(...paths: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    hashes.push(hash.digest("hex"));
  }
  return joinHashes(hashes);
}

/** One hash for several, in their order; a single one stays as it is. */
export function joinHashes(hashes: readonly string[]): string {
  return hashes.length === 1 ? hashes[0]! : createHash("sha256").update(hashes.join()).digest("hex");
}
