import { recogniseFormat, type ScanFormat, type Volume, writeDicomSeg, writeNifti, writeNrrd } from "@med3d/volume";
import { join } from "node:path";
import type { ScanToPredict } from "./scans_to_predict.ts";
import type { SegmentedScan } from "./segment_scan.ts";

/** Options of {@linkcode writePrediction}. */
export interface WritePredictionOptions {
  /** Where to. */
  readonly folder: string;
  /** Name of each label value. */
  readonly names: ReadonlyMap<number, string>;
  /** Whether a label map in NIfTI is written for DICOM series too. Default false. */
  readonly nifti?: boolean;
  /** Whether patient and study are copied into DICOM segmentations, so that an archive files them there. Default false. */
  readonly copyIdentity?: boolean;
}

/** A name that is one on every system: letters, digits, dots, dashes. */
export function safeName(id: string): string {
  return id.replaceAll(/[^\w.-]+/g, "_").replace(/^\.+/, "_");
}

/**
 * Writes a segmentation in its scan's format: a DICOM series gets a DICOM segmentation, NRRD gets NRRD, NIfTI keeps its header's way of
 * stating the grid, and whatever else is read but not written gets NIfTI. Probabilities are written in NIfTI, one file for each class.
 *
 * @returns Paths of the files, the label map first.
 */
export async function writePrediction(
  scan: ScanToPredict,
  { labels, probabilities }: SegmentedScan,
  options: WritePredictionOptions,
): Promise<string[]> {
  const { folder, nifti = false } = options;
  const name = safeName(scan.id);
  const format = scan.files ? "dicom" : (await recogniseFormat(scan.path)).format;
  const like = format === "nifti" ? { like: scan.path } : {};
  const written: string[] = [];
  const to = (suffix: string): string => {
    const path = join(folder, `${name}${suffix}`);
    written.push(path);
    return path;
  };
  if (format === "dicom") await writeSegmentation(scan, labels, to(".dcm"), options);
  if (format === "nrrd") await writeNrrd(labels, to(".nrrd"));
  if (writesNifti(format) || nifti) {
    const datatype = labels.data instanceof Uint16Array ? "uint16" : "uint8";
    await writeNifti(labels, to(".nii.gz"), { ...like, datatype });
  }
  for (const [structure, map] of probabilities) {
    await writeNifti(map, to(`_${safeName(structure)}.nii.gz`), { ...like, datatype: "float32" });
  }
  return written;
}

function writesNifti(format: ScanFormat): boolean {
  return format !== "dicom" && format !== "nrrd";
}

/** Every label that occurs becomes a segment with its name. */
async function writeSegmentation(
  { files, path, series }: ScanToPredict,
  labels: Volume,
  to: string,
  { names, copyIdentity = false }: WritePredictionOptions,
): Promise<void> {
  const segments = [...names].filter(([value]) => value !== 0).map(([value, label]) => ({
    value,
    label: label.slice(0, 64),
  }));
  await writeDicomSeg(labels, files ?? path, to, { segments, copyIdentity, ...(series !== undefined && { series }) });
}
