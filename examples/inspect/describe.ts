import type { CaseInspection, Finding, GridDescription, LabelCount, LabelSummary } from "@med3d/volume";
import type { Table } from "../_shared/report/table.ts";
import type { FileReport } from "./report.ts";

/** Writes a number as people read it: few digits, no exponent for what is short without. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return "";
  if (!Number.isFinite(value)) return "none";
  return String(Number(value.toPrecision(5)));
}

/** `35×51×35`, depth × height × width. */
export function formatShape(values: readonly number[] | undefined): string {
  return values?.map((value) => Number(value.toPrecision(4))).join("×") ?? "";
}

/** `0, 1, 2` or, where they are many, `0…117 (118 values)`. */
export function formatLabels(values: readonly LabelCount[] | undefined): string {
  if (!values) return "";
  if (values.length <= 6) return values.map(({ value }) => value).join(", ");
  return `${values[0]!.value}…${values.at(-1)!.value} (${values.length} values)`;
}

/** The facts on a file, in two columns. */
export function fileFacts({ path, inspection, identifyingFields }: FileReport): Table {
  const naming = ["header fields that can name a patient", formatFieldCount(identifyingFields)];
  const head = ["file", path];
  if (!inspection) return [head, ["readable", "no"], naming];
  const { grid, canonical, voxelType, statistics, labels } = inspection;
  const { minimum, maximum, mean, standardDeviation, percentiles, nonFinite, voxels } = statistics;
  return [
    head,
    ["voxels", `${formatShape(grid.shape)} (depth×height×width) of ${voxelType}`],
    ["spacing", `${formatShape(grid.spacingMm)} mm`],
    ["orientation", formatOrientation(grid)],
    ["in RAS+", `${formatShape(canonical.shape)}, ${formatShape(canonical.spacingMm)} mm`],
    ["range", `${formatNumber(minimum)} to ${formatNumber(maximum)}`],
    ["mean ± deviation", `${formatNumber(mean)} ± ${formatNumber(standardDeviation)}`],
    ["percentiles 1, 25, 50, 75, 99", Object.values(percentiles).map(formatNumber).join(", ")],
    ["NaN or infinite", nonFinite === 0 ? "none" : `${nonFinite} of ${voxels}`],
    ["label map", labels ? `it looks like one: ${formatLabels(labels)}` : "it does not look like one"],
    naming,
  ];
}

function formatFieldCount(fields: FileReport["identifyingFields"]): string {
  if (!fields) return "not looked into";
  const count = Object.values(fields).reduce((sum, one) => sum + one, 0);
  return count === 0 ? "none filled in" : `${count} filled in`;
}

function formatOrientation({ orientation, obliqueDegrees }: GridDescription): string {
  return obliqueDegrees < 0.01 ? orientation : `${orientation}, oblique by ${obliqueDegrees.toFixed(1)}°`;
}

/** An affine in four lines of equal width. */
export function formatAffine(affine: readonly number[]): string {
  const cells = affine.map((value) => String(Number(value.toFixed(4))));
  const width = Math.max(...cells.map((cell) => cell.length));
  return [0, 4, 8, 12].map((at) => cells.slice(at, at + 4).map((cell) => cell.padStart(width)).join("  ")).join("\n");
}

/** The values of a data set's label maps. */
export function labelSummaryTable(labels: readonly LabelSummary[]): Table {
  return [
    ["label", "meaning", "label maps", "voxels"],
    ...labels.map(({ value, name, cases, voxels }) => [`${value}`, name ?? "", `${cases}`, `${voxels}`]),
  ];
}

/** Values of a label map and their voxels. */
export function labelTable(labels: readonly LabelCount[]): Table {
  const all = labels.reduce((sum, { voxels }) => sum + voxels, 0);
  return [
    ["label", "voxels", "share"],
    ...labels.map(({ value, voxels }) => [
      String(value),
      String(voxels),
      `${(100 * voxels / all).toFixed(2)} %`,
    ]),
  ];
}

/** The table of a data set's cases. */
export function caseTable(cases: readonly CaseInspection[]): Table {
  return [
    ["case", "split", "voxels", "spacing mm", "axes", "type", "minimum", "maximum", "labels"],
    ...cases.map((entry) => [
      entry.id,
      entry.split ?? "",
      entry.shape ? formatShape(entry.shape) : "unreadable",
      formatShape(entry.spacingMm),
      entry.orientation ?? "",
      entry.voxelType ?? "",
      formatNumber(entry.minimum),
      formatNumber(entry.maximum),
      entry.label ? (entry.label.values ? formatLabels(entry.label.values) : "unusable") : "",
    ]),
  ];
}

/** Findings of one severity and code, which are many of one kind. */
export interface FindingGroup {
  readonly severity: Finding["severity"];
  readonly code: string;
  readonly findings: readonly Finding[];
}

const SEVERITIES = ["error", "warning", "info"] as const;

/** Puts findings of one kind together, errors first. */
export function groupFindings(findings: readonly Finding[]): FindingGroup[] {
  const groups = Map.groupBy(findings, ({ severity, code }) => `${severity} ${code}`);
  return [...groups.values()]
    .map((of): FindingGroup => ({ severity: of[0]!.severity, code: of[0]!.code, findings: of }))
    .sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}
