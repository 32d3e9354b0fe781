import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createVolume, encodeNifti } from "../../mod.ts";

/** A scan of 2×2×2 voxels, all 0. */
export const SCAN = await encodeNifti(createVolume(new Float32Array(8), [2, 2, 2]));
/** The same with all voxels 1. */
export const OTHER = await encodeNifti(createVolume(new Float32Array(8).fill(1), [2, 2, 2]));

/** Makes a folder of files, hands it over and removes it. Text is written as it is, `true` as a scan, objects as JSON. */
export async function inFolder(
  files: Readonly<Record<string, true | string | Uint8Array | object>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-dataset-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      const raw = typeof content === "string" || content instanceof Uint8Array;
      await writeFile(join(folder, name), content === true ? SCAN : raw ? content : JSON.stringify(content));
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

