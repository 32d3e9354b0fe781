import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";

/** Ending of files that are not whole yet. */
const TEMPORARY_SUFFIX = ".tmp";

/**
 * Writes a file so that a crash at any instant leaves the old file, the new one or none under `path`, never a part: into a temporary
 * file beside it, flushed to the disk, renamed, and the directory flushed.
 *
 * @throws Error of the system; the temporary file is gone then.
 */
export async function writeFileDurably(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY_SUFFIX}`;
  try {
    const file = await open(temporary, "w");
    try {
      await writeAll(file, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await flushDirectory(dirname(path));
}

/** Flushes a directory's entries, so that renames and removals outlive a power cut. */
export async function flushDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return; // directories cannot be opened there
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    const length = Math.min(bytes.length - offset, 1 << 26);
    offset += (await file.write(bytes, offset, length)).bytesWritten;
  }
}

/** Whether a fault means that no more can be written: disk or quota full, or file size limit. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: unknown })?.code;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
}
