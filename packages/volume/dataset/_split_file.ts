import type { Finding } from "../findings.ts";
import type { DataFolder } from "./_data_folder.ts";
import { countOf, isObject, type ListedCase, someOf } from "./_recognised.ts";
import { stripExtension } from "./subject_of.ts";

/** Where a split may be written down beside the scans. */
const SPLIT_FILES = ["split.json", "split_dev.json", "splits_final.json"] as const;

/**
 * Reads the split that lies beside a data set, `{"train": [names], "val": [names]}` or nnU-Net's list of such (the first fold counts),
 * and puts every case on its side. A side that the case has already stays, with a warning where they differ.
 */
export async function applySplitFile(
  folder: DataFolder,
  cases: readonly ListedCase[],
): Promise<{ cases: readonly ListedCase[]; findings: Finding[] }> {
  for (const name of SPLIT_FILES) {
    const json = await folder.readJson(name);
    if (json === undefined) continue;
    const fold: unknown = Array.isArray(json) ? json[0] : json;
    const train = namesOf(fold, ["train", "training"]);
    const validation = namesOf(fold, ["val", "validation"]);
    const path = folder.pathOf(name);
    if (!train || !validation) {
      const fix = 'Write {"train": [names], "val": [names]}, or remove the file.';
      const message = "it holds no lists of names under train and val, so no split is taken from it";
      return { cases, findings: [{ severity: "warning", code: "bad-split-file", path, message, fix }] };
    }
    return joinSplit(path, cases, new Map([...train.map(onSide("train")), ...validation.map(onSide("validation"))]));
  }
  return { cases, findings: [] };
}

type Side = NonNullable<ListedCase["split"]>;

function joinSplit(
  path: string,
  cases: readonly ListedCase[],
  sides: ReadonlyMap<string, Side>,
): { cases: readonly ListedCase[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const warn = (code: string, names: readonly string[], what: string): void => {
    if (names.length === 0) return;
    const message = `${countOf(names.length, "scan")} ${what}: ${someOf(names)}`;
    findings.push({ severity: "warning", code, path, message, fix: "Correct the split, or remove the file." });
  };
  const present = new Set(cases.map(({ image }) => bareName(image)));
  const differs = cases.filter(({ image, split }) =>
    split && sides.has(bareName(image)) && sides.get(bareName(image)) !== split
  );
  warn("split-conflict", differs.map(({ image }) => image), "on another side than in dataset.json, which counts");
  warn("split-unknown", [...sides.keys()].filter((name) => !present.has(name)), "that the data set does not have");
  const joined = cases.map((entry): ListedCase => {
    const side = entry.split ?? sides.get(bareName(entry.image));
    return side ? { ...entry, split: side } : entry;
  });
  return { cases: joined, findings };
}

function namesOf(fold: unknown, keys: readonly string[]): string[] | undefined {
  if (!isObject(fold)) return undefined;
  const list = keys.map((key) => fold[key]).find((value) => value !== undefined);
  return Array.isArray(list) && list.every((name) => typeof name === "string") ? list : undefined;
}

function onSide(side: Side): (name: string) => [string, Side] {
  return (name) => [bareName(name), side];
}

/** A file's name without folders, extension and channel. */
function bareName(file: string): string {
  return stripExtension(file.split("/").at(-1)!).replace(/_\d{4}$/, "");
}
