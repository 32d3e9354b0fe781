import type { DataFolder } from "./_data_folder.ts";
import { findDicomScans } from "./_dicom_scans.ts";
import { countOf, type ListedCase, type Recognised, someOf } from "./_recognised.ts";
import { stripExtension } from "./subject_of.ts";

const LABEL_FOLDER = /^(labels?(tr|ts|va)?|masks?|segs?|segmentations?)$/i;
const IMAGE_FOLDER = /^(images?(tr|ts|va)?|scans?)$/i;
const LABEL_NAME = /_(d?seg|masks?|labels?|segmentation)$/i;
const FORMAT_OF_ENDING: Readonly<Record<string, string>> = {
  nrrd: "NRRD",
  nhdr: "NRRD",
  mha: "MetaImage",
  mhd: "MetaImage",
  mgh: "MGH",
  mgz: "MGH",
};

/**
 * Takes every scan of a folder for what it is, but those that lie in a folder called `labels`, `masks` or `segmentations` (also `labelsTr` and
 * the like) or are called `…_seg`, `…_mask` or `…_label`; and every series of DICOM files, but for localisers and segmentations.
 */
export async function recogniseFlat(folder: DataFolder): Promise<Recognised> {
  const labels = folder.files.filter(isLabel);
  const labelOf = new Map(labels.map((file) => [pairingKey(file), file]));
  const images = folder.files.filter((file) => !isLabel(file)).map((image): ListedCase => {
    const label = labelOf.get(pairingKey(image));
    return { image, ...(label !== undefined && { label }) };
  });
  const dicom = await findDicomScans(folder);
  const cases = [...images, ...dicom.cases];
  const paired = new Set(cases.map(({ label }) => label));
  return {
    kind: "flat",
    title: titleOf(folder, dicom.cases.length),
    modality: "unknown",
    cases,
    others: labels,
    orphanLabels: [...labels.filter((file) => !paired.has(file)), ...dicom.orphanLabels],
    findings: [
      ...(labels.length === 0 ? [] : [
        {
          severity: "info",
          code: "labels-left-out",
          path: folder.path,
          message: `${countOf(labels.length, "file")} taken for label maps by their names, not for scans: ${
            someOf(labels)
          }`,
          fix: "Rename them if they are scans.",
        } as const,
      ]),
      ...dicom.findings,
    ],
  };
}

/** `folder of NIfTI files`, or of what there is, most first. */
function titleOf(folder: DataFolder, series: number): string {
  const counts = new Map<string, number>(series > 0 ? [["DICOM series", series]] : []);
  for (const file of folder.files) {
    const ending = /\.([a-z]+)(?:\.gz)?$/i.exec(file)?.[1]?.toLowerCase() ?? "";
    const format = FORMAT_OF_ENDING[ending] ?? "NIfTI";
    counts.set(format, (counts.get(format) ?? 0) + 1);
  }
  if (counts.size === 0) return "folder of scans";
  const formats = [...counts].sort((a, b) => b[1] - a[1]);
  const noun = (name: string): string => name.endsWith("series") ? name : `${name} files`;
  if (formats.length === 1) return `folder of ${noun(formats[0]![0])}`;
  return `folder of ${formats.map(([name, count]) => `${count} ${noun(name)}`).join(" and ")}`;
}

/** Whether a file is called like a label map, or lies in a folder that is. */
export function isLabel(file: string): boolean {
  const parts = file.split("/");
  return parts.slice(0, -1).some((part) => LABEL_FOLDER.test(part)) || LABEL_NAME.test(stripExtension(parts.at(-1)!));
}

/** What an image and its label map have in common: the path without the folders' and the files' words for either. */
function pairingKey(file: string): string {
  const parts = file.split("/");
  const folders = parts.slice(0, -1).filter((part) => !LABEL_FOLDER.test(part) && !IMAGE_FOLDER.test(part));
  const name = stripExtension(parts.at(-1)!).replace(LABEL_NAME, "").replace(/_\d{4}$/, "");
  return [...folders, name].join("/");
}
