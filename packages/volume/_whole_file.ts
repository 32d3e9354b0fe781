import { type FileHandle, open, rename, rm } from "node:fs/promises";

/**
 * Writes a file that appears whole or not at all: beside its place under another name, flushed, then renamed.
 *
 * @param path Where to; an existing file is replaced.
 * @param chunks What to write, in order.
 * @throws What the chunks or the system throw; then nothing is left behind and an existing file stays as it was.
 */
export async function writeWholeFile(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, "wx");
    for await (const chunk of chunks) await writeFully(file, chunk);
    await file.sync();
    await file.close();
    file = undefined;
    await rename(temporary, path);
  } catch (error) {
    await file?.close();
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}
