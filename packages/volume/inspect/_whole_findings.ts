import type { DatasetIndex } from "../dataset/dataset_index.ts";
import { isLabel } from "../dataset/_flat.ts";
import { splitBySubject } from "../dataset/split_by_subject.ts";
import type { Finding } from "../findings.ts";
import { checkUniformity } from "./_uniformity_findings.ts";
import type { CaseInspection } from "./dataset_inspection.ts";
import type { LookedAtCase } from "./inspect_case.ts";

/** Looks at the data set as a whole: what single cases do not show. */
export function checkWhole(path: string, index: DatasetIndex, looked: readonly LookedAtCase[]): Finding[] {
  const cases = looked.map(({ inspection }) => inspection);
  return [
    ...missingLabels(index, cases),
    ...strayFiles(index),
    ...duplicates(looked),
    ...splitBySubject(index.cases, { heldOutFraction: 0 }).findings,
    ...checkUniformity(path, cases, { isCt: index.cases.every(({ modality }) => modality === "CT") }),
    ...lostPositions(path, looked),
    ...unseenLabels(path, index, cases),
  ];
}

/** Cases without a label map among cases with one. Those that are listed and not there are told by the index. */
function missingLabels(index: DatasetIndex, cases: readonly CaseInspection[]): Finding[] {
  const without = cases.filter(({ label }) => label === undefined);
  if (without.length === cases.length) return [];
  const told = new Set(index.findings.filter(({ code }) => code === "missing-label").map(({ path }) => path));
  if (told.size >= without.length) return [];
  return without.map(({ path }): Finding => ({
    severity: "warning",
    code: "missing-label",
    path,
    message: "there is no label map for it, as there is for others",
    fix: "Add it, or leave the scan out where labels are needed.",
  }));
}

function strayFiles({ orphanLabels, unlisted }: DatasetIndex): Finding[] {
  const [labels, images] = [unlisted.filter((file) => isLabel(file)), unlisted.filter((file) => !isLabel(file))];
  return [
    ...[...orphanLabels, ...labels].map((path): Finding => ({
      severity: "warning",
      code: "orphan-label",
      path,
      message: "this label map belongs to no scan of the data set",
      fix: "Add the scan, or remove the label map.",
    })),
    ...images.map((path): Finding => ({
      severity: "warning",
      code: "orphan-image",
      path,
      message: "this file is in no list of the data set, so it is not used",
      fix: "List it if it belongs to the data set, or remove it.",
    })),
  ];
}

function duplicates(looked: readonly LookedAtCase[]): Finding[] {
  const first = new Map<string, CaseInspection>();
  return looked.flatMap(({ inspection, voxelHash }): Finding[] => {
    if (voxelHash === undefined) return [];
    const same = first.get(voxelHash);
    if (!same) {
      first.set(voxelHash, inspection);
      return [];
    }
    const { path, split, subject } = inspection;
    const isLeak = split !== undefined && same.split !== undefined && split !== same.split;
    const whose = subject === same.subject ? "" : `, of another subject (${same.subject})`;
    return [{
      severity: isLeak ? "error" : "warning",
      code: isLeak ? "duplicate-across-split" : "duplicate",
      path,
      message: `the same voxels as ${same.path}${whose}${isLeak ? ", which is on the other side of the split" : ""}`,
      fix: "Remove one of them; a figure on it is none otherwise.",
    }];
  });
}

function lostPositions(path: string, looked: readonly LookedAtCase[]): Finding[] {
  const count = looked.filter(({ noWorldPosition }) => noWorldPosition).length;
  return count === 0 ? [] : [{
    severity: "info",
    code: "no-world-position",
    path,
    message:
      `the affine of ${count} of ${looked.length} scans holds no more than the spacing: where and how the patient lay is lost`,
    fix: "Check left and right by the picture before they matter.",
  }];
}

function unseenLabels(path: string, { labelNames }: DatasetIndex, cases: readonly CaseInspection[]): Finding[] {
  const seen = new Set(cases.flatMap(({ label }) => label?.values?.map(({ value }) => value) ?? []));
  if (!labelNames || seen.size === 0) return [];
  const unseen = [...labelNames.keys()].filter((value) => value !== 0 && !seen.has(value));
  return unseen.length === 0 ? [] : [{
    severity: "warning",
    code: "unseen-label",
    path,
    message: `declared labels that no label map has: ${unseen.slice(0, 12).join(", ")}`,
    fix: "Look for scans that were not copied, or take them off the list.",
  }];
}
