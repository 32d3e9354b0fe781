import type { Finding } from "@med3d/volume";
import { formatFinding } from "../_shared/finding.ts";
import { formatTable } from "../_shared/report/table.ts";
import { caseTable, fileFacts, formatAffine, groupFindings, labelSummaryTable, labelTable } from "./describe.ts";
import { countFindings, type FileReport, type FolderReport, type Report } from "./report.ts";

/** Findings of one kind that are printed one by one; the rest is counted. */
const SHOWN_OF_A_KIND = 4;
const LABELS_SHOWN = 20;

/** Writes what is known of a file. */
export function formatFile(file: FileReport): string {
  const facts = fileFacts(file);
  const width = Math.max(...facts.map(([name]) => name!.length));
  const lines = facts.map(([name, value]) => `${name!.padEnd(width)}  ${value}`);
  const { inspection } = file;
  if (inspection) {
    const { grid, canonical, labels, history } = inspection;
    lines.push("", "affine in the file, voxel index (width, height, depth) → RAS+ mm", formatAffine(grid.affine));
    if (grid.orientation !== canonical.orientation) {
      lines.push("", "affine in RAS+ order", formatAffine(canonical.affine));
    }
    lines.push("", "what is done to the voxels", ...history.map((line, index) => `${index + 1}. ${line}`));
    if (labels) {
      const rest = labels.length - LABELS_SHOWN;
      lines.push("", formatTable(labelTable(labels.slice(0, LABELS_SHOWN))), ...(rest > 0 ? [`… ${rest} more`] : []));
    }
  }
  return [...lines, ...findingLines(file.findings)].join("\n");
}

/** Writes what is known of a folder; at most `rows` cases, all when that is 0. */
export function formatFolder(folder: FolderReport, rows: number): string {
  const { path, description, cases, labels, findings } = folder;
  const shown = rows === 0 ? cases : cases.slice(0, rows);
  const left = cases.length - shown.length;
  return [
    `${path}: ${description === "" ? "no data set" : description}`,
    ...(cases.length > 0 ? ["", formatTable(caseTable(shown))] : []),
    ...(left > 0 ? [`… ${left} more cases; --rows 0 shows all`] : []),
    ...(labels.length > 0 ? ["", ...labelLines(labels)] : []),
    ...findingLines(findings),
  ].join("\n");
}

function labelLines(labels: FolderReport["labels"]): string[] {
  const rest = labels.length - LABELS_SHOWN;
  return [
    formatTable(labelSummaryTable(labels.slice(0, LABELS_SHOWN))),
    ...(rest > 0 ? [`… ${rest} more labels`] : []),
  ];
}

/** One line on how it ended. */
export function formatVerdict(report: Report): string {
  const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
  return `${count(countFindings(report, "error"), "error")}, ${count(countFindings(report, "warning"), "warning")}`;
}

function findingLines(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return ["", "nothing wrong was found"];
  return [
    "",
    ...groupFindings(findings).flatMap(({ severity, code, findings: of }) => {
      const left = of.length - SHOWN_OF_A_KIND;
      const shown = left === 1 ? of : of.slice(0, SHOWN_OF_A_KIND);
      const rest = left > 1 ? [`${severity} [${code}] … ${left} more of this kind; --json lists all`] : [];
      return [...shown.map(formatFinding), ...rest];
    }),
  ];
}
