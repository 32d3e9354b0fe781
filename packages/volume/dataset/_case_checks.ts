import type { Finding } from "../findings.ts";
import { hashFiles } from "../cache/hash_files.ts";
import { hashContent } from "./_content_hash.ts";
import type { DataFolder } from "./_data_folder.ts";
import { filesOfScan } from "./_files_of_scan.ts";
import { countOf, type ListedCase, type Recognised, someOf } from "./_recognised.ts";
import type { DatasetCase } from "./dataset_index.ts";
import { stripExtension } from "./subject_of.ts";

/** Leaves out what is not there or listed twice. */
export async function keepPresent(
  folder: DataFolder,
  listed: readonly ListedCase[],
): Promise<{ cases: ListedCase[]; findings: Finding[] }> {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const cases: ListedCase[] = [];
  for (const entry of listed) {
    const { image, label, item, series } = entry;
    const path = folder.pathOf(image);
    if (!await folder.holds(image)) {
      findings.push({
        severity: "error",
        code: "missing-image",
        path,
        message: "listed, but not there",
        fix: "Copy it there, or take it off the list.",
      });
      continue;
    }
    const name = JSON.stringify([image, item, series]);
    if (seen.has(name)) {
      const fix = "List every scan once; the first entry counts.";
      findings.push({ severity: "warning", code: "listed-twice", path, message: "listed more than once", fix });
      continue;
    }
    seen.add(name);
    if (label === undefined || await folder.holds(label)) {
      cases.push(entry);
      continue;
    }
    const fix = "Copy it there if labels are needed; pretraining uses none.";
    const message = "label map listed, but not there";
    findings.push({ severity: "info", code: "missing-label", path: folder.pathOf(label), message, fix });
    const { label: _, ...unlabelled } = entry;
    cases.push(unlabelled);
  }
  return { cases, findings };
}

/** Bare names where they differ, else paths without extension. */
export function idsOf(cases: readonly Pick<ListedCase, "image" | "name">[]): string[] {
  const forms = [
    ({ image, name }: (typeof cases)[number]) => name ?? stripExtension(image.split("/").at(-1)!),
    ({ image, name }: (typeof cases)[number]) => name === undefined ? stripExtension(image) : `${image}/${name}`,
  ];
  for (const form of forms) {
    const ids = cases.map(form);
    if (new Set(ids).size === ids.length) return ids;
  }
  return cases.map(({ image }) => image); // a.nii beside a.nii.gz
}

/** Files that no list accounts for. */
export function unlistedFiles(folder: DataFolder, { cases, others }: Recognised): string[] {
  const known = new Set([...cases.flatMap(({ image, label }) => [image, label ?? image]), ...others]);
  return folder.files.filter((file) => !known.has(file));
}

/** What to say of files that no list accounts for, folder by folder. */
export function unlistedFindings(folder: DataFolder, unlisted: readonly string[]): Finding[] {
  const byFolder = Map.groupBy(unlisted, (file) => file.split("/").slice(0, -1).join("/"));
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
export function assumedSubjects(folder: DataFolder, cases: readonly DatasetCase[]): Finding[] {
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

/** Hashes every image once; those of equal content become findings. */
export async function hashCases(cases: readonly DatasetCase[]): Promise<{ cases: DatasetCase[]; findings: Finding[] }> {
  const findings: Finding[] = [];
  const first = new Map<string, string>();
  const hashed: DatasetCase[] = [];
  for (const entry of cases) {
    const path = entry.imagePath;
    if (entry.item !== undefined) {
      hashed.push(entry); // one of many in a file
      continue;
    }
    let contentHash: string;
    try {
      contentHash = entry.files ? await hashFiles(...entry.files) : await hashContent(...await filesOfScan(path));
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
