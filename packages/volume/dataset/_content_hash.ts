import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { joinHashes } from "../cache/hash_files.ts";

/** Hashes what a file holds, or several one after the other, unpacked where they are gzip: SHA-256 in hexadecimal. Memory stays small. */
export async function hashContent(...paths: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) {
    const hash = createHash("sha256");
    const source = createReadStream(path);
    if (await isGzip(path)) await pipeline(source, createGunzip(), hash);
    else await pipeline(source, hash);
    hashes.push(hash.digest("hex"));
  }
  return joinHashes(hashes);
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}
