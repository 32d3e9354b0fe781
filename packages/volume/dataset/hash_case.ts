import { stat } from "node:fs/promises";
import { hashFiles } from "../cache/hash_files.ts";
import type { DatasetCase } from "./dataset_index.ts";

/** Headers whose voxels lie in other files. */
const DETACHED = /\.(nhdr|mhd|hdr|hdr\.gz)$/i;

/**
 * Hashes all that a case's image is read from, for the `content` of a cache's key.
 *
 * @param entry The case.
 * @returns A text that changes with any byte of the image's files and with the item or series that the case is; `undefined` where the
 * files are not known by the case alone: a header with its voxels elsewhere, or a folder that a manifest names.
 * @throws Error of the system when a file cannot be read.
 */
export async function hashCase(
  entry: Pick<DatasetCase, "imagePath" | "item" | "files" | "series">,
): Promise<string | undefined> {
  const { imagePath, item, files, series } = entry;
  if (files) return JSON.stringify([await hashFiles(...files), series ?? null]);
  if (DETACHED.test(imagePath) || !(await stat(imagePath)).isFile()) return undefined;
  const hash = await hashFiles(imagePath);
  return item ? JSON.stringify([hash, item.array, item.index]) : hash;
}
