import { type DatasetCase, readVolume, recogniseFormat, type Volume } from "@med3d/volume";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { type LabelledCase, listCases } from "../finetuning/cases.ts";
import { UsageError } from "../pretraining/configuration.ts";

/** What of a scan a prediction needs. */
export type ScanToPredict = Pick<LabelledCase, "id" | "path" | "files" | "series" | "loadChannels">;

/** Options of {@linkcode scansToPredict}. */
export interface ScansToPredictOptions {
  /** Images per scan that the model takes. */
  readonly channels: number;
  /** What made the scans; null takes what they say. */
  readonly modality: "CT" | "MR" | null;
}

/**
 * Finds the scans at a path: a file, a DICOM series or a folder of scans of any layout.
 *
 * @throws UsageError when there is nothing, or nothing that is a scan.
 */
export async function scansToPredict(path: string, options: ScansToPredictOptions): Promise<ScanToPredict[]> {
  const found = await stat(path).catch((error: Error) => {
    throw new UsageError(`Cannot find scans at ${path}: ${error.message}. Name a scan or a folder of scans.`, {
      cause: error,
    });
  });
  if (found.isFile() && !/\.npz$/i.test(path)) return [await fileToPredict(path, options)];
  const { cases } = await listCases({ ...options, data: path, task: "classify", phantoms: 4, seed: 0 });
  if (cases.length > 0) return [...cases];
  throw new UsageError(`Cannot find scans at ${path}: nothing there is one. Name a scan or a folder of scans.`);
}

async function fileToPredict(path: string, { channels, modality }: ScansToPredictOptions): Promise<ScanToPredict> {
  const { format } = await recogniseFormat(path);
  const known: { modality?: DatasetCase["modality"] } = modality ? { modality } : {};
  return {
    id: idOf(path),
    path,
    ...(format === "dicom" && { files: [path] }),
    loadChannels: async (report) => {
      const read = { ...known, onFinding: report };
      if (channels === 1) return [await readVolume(path, read)];
      return await Promise.all(Array.from({ length: channels }, (_, channel): Promise<Volume> => {
        const numbered = path.replace(/_0000(?=\.[^/]*$)/, `_${String(channel).padStart(4, "0")}`);
        return numbered === path && !/_0000\.[^/]*$/.test(path)
          ? readVolume(path, { ...read, frame: channel })
          : readVolume(numbered, read);
      }));
    },
  };
}

/** A file's name without its folder, its ending and the number of its channel. */
function idOf(path: string): string {
  return basename(path).replace(/\.(nii|nii\.gz|mgh|mgz|nrrd|nhdr|mha|mhd|npy|dcm|gz)$/i, "").replace(/\.nii$/i, "")
    .replace(/_0000$/, "");
}
