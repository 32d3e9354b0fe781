import { hashFiles } from "../cache/hash_files.ts";
import { filesOfScan } from "./_files_of_scan.ts";
import type { DatasetCase } from "./dataset_index.ts";

/**
 * Hashes all that a case's image is read from, for the `content` of a cache's key: a file, the files of voxels that a detached header names, both
 * files of a NIfTI pair, every file of a DICOM folder at any depth or of a DICOMDIR. Files are read, in small memory; nothing is unpacked.
 *
 * @param entry The case.
 * @returns A text that changes with any byte of the image's files and with the item or series that the case is. Files of a folder are taken
 * in the order of their names.
 * @throws Error of the system when a file cannot be read.
 */
export async function hashCase(
  entry: Pick<DatasetCase, "imagePath" | "item" | "files" | "series">,
): Promise<string> {
  const { imagePath, item, files, series } = entry;
  const hash = await hashFiles(...files ?? await filesOfScan(imagePath));
  if (files || series !== undefined) return JSON.stringify([hash, series ?? null]);
  return item ? JSON.stringify([hash, item.array, item.index]) : hash;
}
