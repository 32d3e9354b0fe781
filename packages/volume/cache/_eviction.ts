import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** Files of writers that were killed are removed once nobody has written to them for this long. */
export const STALE_MS = 3_600_000;

interface CacheFile {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
  readonly isEntry: boolean;
}

/**
 * Removes what was not used for longest until at most `maxBytes` are left, and the remains of killed writers.
 *
 * Any number of processes may do so at once: each takes the same files in the same order, a file that another one has removed
 * counts as removed, and one that was used in the meantime stays.
 *
 * @returns Bytes that are left.
 */
export async function evict(
  folder: string,
  { suffix, maxBytes }: { suffix: string; maxBytes: number },
): Promise<number> {
  const files = await listFiles(folder, suffix);
  let left = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const oldest = files.sort((a, b) => a.usedMs - b.usedMs || (a.path < b.path ? -1 : 1));
  for (const file of oldest) {
    const isRemains = !file.isEntry && Date.now() - file.usedMs > STALE_MS;
    const isTooMuch = file.isEntry && left > maxBytes;
    if (!isRemains && !isTooMuch) continue;
    const now = await look(file.path, file.isEntry);
    if (now && now.usedMs !== file.usedMs) continue;
    await rm(file.path, { force: true });
    left -= file.bytes;
  }
  return left;
}

async function listFiles(folder: string, suffix: string): Promise<CacheFile[]> {
  const files: CacheFile[] = [];
  for (const name of await readdir(folder)) {
    if (!name.endsWith(suffix) && !name.endsWith(".tmp")) continue;
    const file = await look(join(folder, name), name.endsWith(suffix));
    if (file) files.push(file);
  }
  return files;
}

async function look(path: string, isEntry: boolean): Promise<CacheFile | undefined> {
  try {
    const status = await stat(path);
    return { path, bytes: status.size, usedMs: status.mtimeMs, isEntry };
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return undefined; // another process was faster
    throw cause;
  }
}
