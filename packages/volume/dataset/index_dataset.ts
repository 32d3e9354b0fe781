import type { Finding } from "../findings.ts";
import { hashContent } from "./_content_hash.ts";
import { DataFolder } from "./_data_folder.ts";
import type { DatasetCase, DatasetIndex } from "./dataset_index.ts";
import { recogniseDecathlon } from "./_decathlon.ts";
import { recogniseFlat } from "./_flat.ts";
import { isNnunet, recogniseNnunet } from "./_nnunet.ts";
import { countOf, isObject, type ListedCase, type PickOptions, type Recognised, someOf } from "./_recognised.ts";
import { applySplitFile } from "./_split_file.ts";
import { stripExtension, subjectByName, subjectOf as subjectByRules } from "./subject_of.ts";

/** Options of {@linkcode indexDataset}. */
export interface IndexDatasetOptions {
  /** Whom a scan shows, from its path within the folder. Default: {@linkcode subjectOf}, the documented rules. */
  readonly subjectOf?: (path: string) => string;
  /** Whether a data set's test scans are used too. Default false. */
  readonly includeTest?: boolean;
  /** Which channel of each case to take where files are numbered `_0000`, `_0001`, … Default 0. */
  readonly channel?: number;
  /** Whether to read every image once to find those of equal content, which a split keeps together. Default false. */
  readonly hashContents?: boolean;
}

/**
 * Finds the scans of a folder: a Medical Segmentation Decathlon or nnU-Net v2 `dataset.json`, or just `.nii` and `.nii.gz` files, at any depth.
 *
 * A Decathlon's `validation` list is its split. Else `split.json`, `split_dev.json` or nnU-Net's `splits_final.json` (first fold)
 * beside the scans is taken. Nothing but JSON files is opened, unless `hashContents` asks for the images; label maps never are.
 * Hidden files and macOS's `._` files are passed over. Scans that are listed and not there, files that are there and not listed,
 * counts that do not agree and the like become findings.
 *
 * @param path The folder, or the `dataset.json` in it.
 * @param options How subjects are known and what is included.
 * @returns What was recognised, the cases with their subjects, and the findings.
 * @throws Error when the folder is missing or holds no scans, or its files are of a kind that cannot be read.
 * @throws SyntaxError when `dataset.json` or the split file is broken.
 * @throws RangeError when a listed path leads out of the folder or the channel is no integer of at least 0.
 */
export async function indexDataset(path: string, options: IndexDatasetOptions = {}): Promise<DatasetIndex> {
  const { includeTest = false, channel = 0, hashContents = false } = options;
  if (!Number.isInteger(channel) || channel < 0 || channel > 9999) {
    throw new RangeError(
      `Cannot index data set: the channel is out of range: got ${channel}, expected an integer of 0…9999. Count from 0.`,
    );
  }
  const folder = await DataFolder.open(path);
  const recognised = await recognise(folder, { includeTest, channel });
  const { cases: present, findings } = keepPresent(folder, recognised.cases);
  if (present.length === 0) throw noScans(folder, recognised);
  const { cases: listed, findings: splitFindings } = await applySplitFile(folder, present);
  const ids = idsOf(listed.map(({ image }) => image));
  const subjectOf = options.subjectOf ?? rulesFor(listed.map(({ image }) => image));
  const cases = listed.map(({ image, label, split }, index): DatasetCase => ({
    id: ids[index]!,
    subject: subjectOf(image),
    imagePath: folder.pathOf(image),
    ...(label !== undefined && folder.has(label) && { labelPath: folder.pathOf(label) }),
    modality: recognised.modality,
    ...(split && { split }),
  }));
  const hashed = hashContents ? await hashCases(cases) : { cases, findings: [] };
  return {
    kind: recognised.kind,
    description: describe(recognised, cases),
    cases: hashed.cases,
    findings: [
      ...folder.findings,
      ...recognised.findings,
      ...findings,
      ...splitFindings,
      ...unlisted(folder, recognised),
      ...(options.subjectOf ? [] : assumedSubjects(folder, cases)),
      ...hashed.findings,
    ],
  };
}

/** The documented rules, unless they take everything for one person because it lies in one folder with a number. */
function rulesFor(images: readonly string[]): (path: string) => string {
  return new Set(images.map(subjectByRules)).size === 1 ? subjectByName : subjectByRules;
}

async function recognise(folder: DataFolder, options: PickOptions): Promise<Recognised> {
  const json = await folder.readJson("dataset.json");
  if (isObject(json)) {
    if (isNnunet(json)) return recogniseNnunet(folder, json, options);
    if ("training" in json) return recogniseDecathlon(folder, json, options);
  }
  const flat = recogniseFlat(folder);
  if (json === undefined) return flat;
  const finding: Finding = {
    severity: "warning",
    code: "unknown-dataset-json",
    path: folder.pathOf("dataset.json"),
    message: 'it has neither "training" (Decathlon) nor "channel_names" (nnU-Net), so the files are used as they lie',
    fix: "Complete it, or remove it.",
  };
  return { ...flat, findings: [finding, ...flat.findings] };
}

/** Leaves out what is not there or listed twice. */
function keepPresent(
  folder: DataFolder,
  listed: readonly ListedCase[],
): { cases: ListedCase[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const cases = listed.filter(({ image, label }) => {
    const path = folder.pathOf(image);
    if (!folder.has(image)) {
      const fix = "Copy it there, or take it off the list.";
      findings.push({
        severity: "error",
        code: "missing-image",
        path,
        message: "listed, but not there as .nii or .nii.gz",
        fix,
      });
      return false;
    }
    if (seen.has(image)) {
      const fix = "List every scan once; the first entry counts.";
      findings.push({ severity: "warning", code: "listed-twice", path, message: "listed more than once", fix });
      return false;
    }
    seen.add(image);
    if (label !== undefined && !folder.has(label)) {
      const fix = "Copy it there if labels are needed; pretraining uses none.";
      const message = "label map listed, but not there";
      findings.push({ severity: "info", code: "missing-label", path: folder.pathOf(label), message, fix });
    }
    return true;
  });
  return { cases, findings };
}

function noScans(folder: DataFolder, { title, others }: Recognised): Error {
  const seen = folder.files.length === 0
    ? "no .nii or .nii.gz file at any depth"
    : `${countOf(folder.files.length, "NIfTI file")} of which none is a scan of the list (${someOf(folder.files)})`;
  const labels = others.length > 0 && others.length === folder.files.length
    ? " All look like label maps by their names."
    : "";
  return new Error(
    `Cannot index data set: ${folder.path} holds no scans: got a ${title} with ${seen}, expected at least one .nii or .nii.gz ` +
      `image.${labels} Check the path, or convert other formats to NIfTI.`,
  );
}

/** Bare names where they differ, else paths without extension. */
function idsOf(images: readonly string[]): string[] {
  const names = images.map((image) => stripExtension(image.split("/").at(-1)!));
  if (new Set(names).size === names.length) return names;
  const paths = images.map(stripExtension);
  return new Set(paths).size === paths.length ? paths : [...images]; // a.nii beside a.nii.gz
}

/** Files that no list accounts for, folder by folder. */
function unlisted(folder: DataFolder, { cases, others }: Recognised): Finding[] {
  const known = new Set([...cases.flatMap(({ image, label }) => [image, label ?? image]), ...others]);
  const byFolder = Map.groupBy(
    folder.files.filter((file) => !known.has(file)),
    (file) => file.split("/").slice(0, -1).join("/"),
  );
  return [...byFolder].map(([name, files]) => ({
    severity: "warning",
    code: "not-listed",
    path: name === "" ? folder.path : folder.pathOf(name),
    message: `${countOf(files.length, "file")} in no list of dataset.json, left out: ${someOf(files.map(nameOf))}`,
    fix: "List them in dataset.json if they belong to it.",
  }));
}

function nameOf(file: string): string {
  return file.split("/").at(-1)!;
}

/** Says when names tell nothing of subjects, so that every scan counts as a person. */
function assumedSubjects(folder: DataFolder, cases: readonly DatasetCase[]): Finding[] {
  if (cases.length < 2 || cases.some(({ subject }) => subject.startsWith("sub-"))) return [];
  if (new Set(cases.map(({ subject }) => subject)).size < cases.length) return [];
  return [{
    severity: "info",
    code: "subjects-assumed",
    path: folder.path,
    message: `each of the ${cases.length} scans is taken for a person of its own, since their names tell no more`,
    fix:
      "If some show one person (as left and right hippocampus may), say so with subjectOf, or held-out figures are too good.",
  }];
}

async function hashCases(cases: readonly DatasetCase[]): Promise<{ cases: DatasetCase[]; findings: Finding[] }> {
  const findings: Finding[] = [];
  const first = new Map<string, string>();
  const hashed: DatasetCase[] = [];
  for (const entry of cases) {
    const path = entry.imagePath;
    let contentHash: string;
    try {
      contentHash = await hashContent(path);
    } catch (cause) {
      const message = `it cannot be read to the end: ${(cause as Error).message}`;
      findings.push({ severity: "error", code: "unreadable", path, message, fix: "Copy or download it again." });
      hashed.push(entry);
      continue;
    }
    const same = first.get(contentHash);
    if (same === undefined) first.set(contentHash, path);
    else {
      const fix = "Remove one; a split keeps both on one side.";
      findings.push({ severity: "warning", code: "duplicate", path, message: `the same content as ${same}`, fix });
    }
    hashed.push({ ...entry, contentHash });
  }
  return { cases: hashed, findings };
}

function describe({ title, modality }: Recognised, cases: readonly DatasetCase[]): string {
  const validation = cases.filter(({ split }) => split === "validation").length;
  const subjects = new Set(cases.map(({ subject }) => subject)).size;
  const split = validation > 0 ? `, ${validation} of them for validation by its own split` : "";
  const people = subjects < cases.length ? ` of ${countOf(subjects, "subject")}` : "";
  return `${title}: ${countOf(cases.length, modality === "unknown" ? "scan" : `${modality} scan`)}${people}${split}`;
}
