import type { Finding } from "../findings.ts";
import type { Modality } from "../volume.ts";
import type { DatasetIndex, DatasetItem } from "./dataset_index.ts";

/** A scan as a list or a folder names it; paths within the folder, `/` between folders. */
export interface ListedCase {
  readonly image: string;
  readonly label?: string;
  readonly split?: "train" | "validation";
  /** Where the list or the layout says so; else the rules do. */
  readonly subject?: string;
  readonly session?: string;
  /** Where it differs from the data set's. */
  readonly modality?: Modality;
  /** Which item of an archive the scan is, where the image is one. */
  readonly item?: DatasetItem;
  /** All files of the scan and which of their volumes it is, where a scan is many files. */
  readonly files?: readonly string[];
  readonly series?: string;
  /** What to call it, where the image's name says nothing. */
  readonly name?: string;
  /** What the scan shows as a whole, where the data set says it. */
  readonly classLabels?: readonly number[];
}

/** What one way of laying out a data set found. */
export interface Recognised {
  readonly kind: DatasetIndex["kind"];
  /** What to call the data set in one line, without counts. */
  readonly title: string;
  readonly modality: Modality;
  readonly cases: readonly ListedCase[];
  /** Files that are accounted for beside the cases': further channels, test scans, labels of a flat folder. */
  readonly others: readonly string[];
  /** Label maps that belong to no scan, where the layout tells. */
  readonly orphanLabels?: readonly string[];
  /** What the values of label maps mean, where the data set declares it. */
  readonly labelNames?: ReadonlyMap<number, string>;
  readonly findings: readonly Finding[];
}

/** How the scans of a data set are to be picked. */
export interface PickOptions {
  readonly includeTest: boolean;
  readonly channel: number;
  readonly allowAbsolutePaths: boolean;
}

/** A JSON object, as far as it is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a JSON value is an object with keys. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Tells CT from MR by what a `dataset.json` calls its channel. */
export function modalityOf(channels: unknown, channel: number): Modality {
  const name = isObject(channels) || Array.isArray(channels) ? (channels as JsonObject)[channel] : undefined;
  if (typeof name !== "string") return "unknown";
  if (/(^|[^a-z])ct($|[^a-z])/i.test(name)) return "CT";
  return /mr|t1|t2|flair|adc|dwi|swi/i.test(name) ? "MR" : "unknown";
}

/**
 * Reads what the labels of a `dataset.json` mean: the Decathlon's `{"1": "liver"}` or nnU-Net's `{"liver": 1, "whole": [1, 2]}`, whose
 * regions name every value that they join.
 */
export function labelNamesOf(labels: unknown): ReadonlyMap<number, string> | undefined {
  if (!isObject(labels)) return undefined;
  const names = new Map<number, string>();
  for (const [key, value] of Object.entries(labels)) {
    const values = typeof value === "string" ? [Number(key)] : Array.isArray(value) ? value : [value];
    for (const one of values) {
      if (typeof one !== "number" || !Number.isInteger(one)) return undefined;
      const name = typeof value === "string" ? value : key;
      names.set(one, names.has(one) ? `${names.get(one)}, ${name}` : name);
    }
  }
  return names.size === 0 ? undefined : names;
}

/** The first few names of many, for a message. */
export function someOf(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
}

/** `1 scan`, `2 scans`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The finding that a count in a `dataset.json` is not what it lists. */
export function countFinding(path: string, promised: unknown, found: number): Finding[] {
  if (typeof promised !== "number" || promised === found) return [];
  return [{
    severity: "warning",
    code: "count-mismatch",
    path,
    message: `numTraining is ${promised}, but ${countOf(found, "training scan")} are there`,
    fix: "Look for scans that were not copied, or correct numTraining.",
  }];
}

/** The finding that test scans were left out. */
export function testFinding(path: string, left: number): Finding[] {
  if (left === 0) return [];
  return [{
    severity: "info",
    code: "test-left-out",
    path,
    message: `${countOf(left, "test scan")} left out`,
    fix: "Set includeTest to use them too; then no figure on them is a test any more.",
  }];
}
