import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

/** Hashes what a file holds, unpacked where it is gzip: SHA-256 in hexadecimal. Memory stays small. */
export async function hashContent(path: string): Promise<string> {
  const hash = createHash("sha256");
  const source = createReadStream(path);
  if (await isGzip(path)) await pipeline(source, createGunzip(), hash);
  else await pipeline(source, hash);
  return hash.digest("hex");
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
