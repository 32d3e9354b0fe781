import { readDicom, type ReadDicomOptions } from "../dicom/read_dicom.ts";
import type { Finding } from "../findings.ts";
import { readNumpy } from "../numpy/read_numpy.ts";
import { readVolume } from "../read_volume.ts";
import { createVolume, type Modality, type Volume } from "../volume.ts";
import { keepNpzArray } from "./_npz.ts";
import type { DatasetCase, DatasetItem } from "./dataset_index.ts";

/** Options of {@linkcode readCase}. */
export interface ReadCaseOptions extends Pick<ReadDicomOptions, "irregular"> {
  /** What made the scan. Default: what the case says. */
  readonly modality?: Modality;
  /** Called with each oddity that did not stop the reading. Default: they are dropped. */
  readonly onFinding?: (finding: Finding) => void;
}

/**
 * Reads the image of a case that {@linkcode indexDataset} found: a file of any format, a DICOM series or an item of an archive.
 *
 * An archive's array of up to 512 MiB is kept in memory until an item of another one is asked for, so that its items cost one reading.
 *
 * @param entry The case.
 * @param options Modality, what to do about irregular DICOM series, and where findings go.
 * @returns The scan in file order.
 * @throws As the reader of its format does.
 */
export async function readCase(
  entry: Pick<DatasetCase, "imagePath" | "modality" | "item" | "files" | "series">,
  options: ReadCaseOptions = {},
): Promise<Volume> {
  const { modality = entry.modality, onFinding = () => {}, irregular = "refuse" } = options;
  const known = { onFinding, ...(modality !== "unknown" && { modality }) };
  const { imagePath, item, files, series } = entry;
  if (item) return await readItem(imagePath, item, { modality, onFinding });
  if (files) return await readDicom(files, { ...known, irregular, ...(series !== undefined && { series }) });
  return await readVolume(imagePath, { ...known, irregular });
}

async function readItem(
  path: string,
  { array, index }: DatasetItem,
  { modality, onFinding }: { readonly modality: Modality; readonly onFinding: (finding: Finding) => void },
): Promise<Volume> {
  const kept = await keepNpzArray(path, array);
  if (!kept) {
    return await readNumpy(path, {
      member: array,
      frame: index,
      spacingMm: 1,
      modality,
      onFinding: (finding) => void (finding.code === "no-orientation" || onFinding(finding)), // said once, by the index
    });
  }
  const shape = kept.shape.slice(1, 4) as [number, number, number];
  const voxels = shape[0] * shape[1] * shape[2];
  const data = kept.data.slice(index * voxels, (index + 1) * voxels);
  return createVolume(data, shape, {
    modality,
    history: [
      `read item ${index} of ${array}, ${shape.toReversed().join("×")} voxels, from ${path}`,
      "kept the stored values: the archive asks for no scaling",
      "archives hold no geometry: voxels are taken as 1 mm, axes as depth, height, width in RAS+",
    ],
  });
}
