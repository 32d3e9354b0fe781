import type { DataFolder } from "./_data_folder.ts";
import { countOf, type ListedCase, type Recognised, someOf } from "./_recognised.ts";
import { stripExtension } from "./subject_of.ts";

const LABEL_FOLDER = /^(labels?(tr|ts|va)?|masks?|segs?|segmentations?)$/i;
const IMAGE_FOLDER = /^(images?(tr|ts|va)?|scans?)$/i;
const LABEL_NAME = /_(d?seg|masks?|labels?|segmentation)$/i;

/**
 * Takes every NIfTI file of a folder for a scan, but those that lie in a folder called `labels`, `masks` or `segmentations` (also
 * `labelsTr` and the like) or are called `…_seg`, `…_mask` or `…_label`.
 */
export function recogniseFlat(folder: DataFolder): Recognised {
  const labels = folder.files.filter(isLabel);
  const labelOf = new Map(labels.map((file) => [pairingKey(file), file]));
  const cases = folder.files.filter((file) => !isLabel(file)).map((image): ListedCase => {
    const label = labelOf.get(pairingKey(image));
    return { image, ...(label !== undefined && { label }) };
  });
  const paired = new Set(cases.map(({ label }) => label));
  return {
    kind: "flat",
    title: "folder of NIfTI files",
    modality: "unknown",
    cases,
    others: labels,
    orphanLabels: labels.filter((file) => !paired.has(file)),
    findings: labels.length === 0 ? [] : [{
      severity: "info",
      code: "labels-left-out",
      path: folder.path,
      message: `${countOf(labels.length, "file")} taken for label maps by their names, not for scans: ${
        someOf(labels)
      }`,
      fix: "Rename them if they are scans.",
    }],
  };
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
