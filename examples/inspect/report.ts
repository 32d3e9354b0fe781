import type { DatasetInspection, Finding, VolumeInspection } from "@med3d/volume";
import { type InspectReport, inspectReportSchema } from "./report_schema.ts";

/** What was found of one file. */
export interface FileReport {
  readonly path: string;
  /** Absent where the file cannot be read. */
  readonly inspection?: VolumeInspection;
  /** How many header fields that can name a patient are filled in, by the standard's name of the field; absent where none was looked at. */
  readonly identifyingFields?: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
  /** Three planes, where the file can be read. */
  readonly picture?: Uint8Array;
}

/** What was found of one folder. */
export interface FolderReport extends Omit<DatasetInspection, "kind"> {
  readonly path: string;
  readonly kind: DatasetInspection["kind"] | null;
  /** Small pictures by case id, where they were asked for. */
  readonly pictures: ReadonlyMap<string, Uint8Array>;
}

/** Everything that a call was asked about. */
export interface Report {
  readonly files: readonly FileReport[];
  readonly folders: readonly FolderReport[];
}

/** How many findings of a severity there are. */
export function countFindings({ files, folders }: Report, severity: Finding["severity"]): number {
  return [...files, ...folders].flatMap(({ findings }) => findings).filter((finding) => finding.severity === severity)
    .length;
}

/** Brings a report into the form that is printed as JSON, checked against its schema. */
export function toJson(report: Report): InspectReport {
  return inspectReportSchema.parse(withoutNaN({
    format: "med3d-inspect/1",
    errors: countFindings(report, "error"),
    warnings: countFindings(report, "warning"),
    files: report.files.map(({ inspection, picture: _, ...file }) => ({ ...file, ...inspection })),
    folders: report.folders.map(({ pictures: _, ...folder }) => folder),
  }));
}

function withoutNaN(value: unknown): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(withoutNaN);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutNaN(item)]));
}
