import type { Finding } from "../findings.ts";
import { readNifti } from "../nifti/read_nifti.ts";
import type { Modality, Volume } from "../volume.ts";
import type { DatasetCase } from "./dataset_index.ts";

/** Options of {@linkcode readCase}. */
export interface ReadCaseOptions {
  /** What made the scan. Default: what the case says. */
  readonly modality?: Modality;
  /** Called with each oddity that did not stop the reading. Default: they are dropped. */
  readonly onFinding?: (finding: Finding) => void;
}

/**
 * Reads the image of a case that {@linkcode indexDataset} found, whatever kind of file it lies in.
 *
 * @param entry The case.
 * @param options Modality and where findings go.
 * @returns The scan in file order.
 * @throws As the reader of its format does.
 */
export async function readCase(
  entry: Pick<DatasetCase, "imagePath" | "modality" | "item">,
  options: ReadCaseOptions = {},
): Promise<Volume> {
  const { modality = entry.modality, onFinding = () => {} } = options;
  return await readNifti(entry.imagePath, { modality, onFinding });
}
