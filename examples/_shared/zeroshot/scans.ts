import { type DatasetCase, type Finding, indexDataset, recogniseFormat, subjectOf } from "@med3d/volume";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import type { ResolvedConfiguration } from "../pretraining/resolve.ts";
import { listScans, scanOf, type ScanSource } from "../pretraining/scans.ts";

/** A scan that is asked about. */
export interface AskedScan extends ScanSource {
  /** Classes of the scan as a whole, where the data set gives them. */
  readonly classLabels?: readonly number[];
}

/** The scans that are asked about. */
export interface AskedScans {
  /** One line saying what was recognised. */
  readonly description: string;
  /** In a fixed order. */
  readonly scans: readonly AskedScan[];
  /** What they are from, as an absolute path; null for phantoms. */
  readonly data: string | null;
  /** What is wrong with the data set, as far as its index shows. */
  readonly findings: readonly Finding[];
}

/**
 * Lists the scans at a path: a scan's file, an `.npz`, a manifest or a folder of any layout; without a path the scans that the run held out.
 *
 * @throws UsageError when there is nothing, or nothing that is a scan.
 */
export async function listAskedScans(
  path: string | undefined,
  configuration: ResolvedConfiguration,
  modality: "CT" | "MR" | null,
): Promise<AskedScans> {
  if (path === undefined) {
    const { description, scans, findings } = await listScans(configuration);
    const data = configuration.data && resolve(configuration.data);
    const heldOut = scans.filter((scan) => scan.heldOut);
    return { description: `the run's own held-out scans of: ${description}`, scans: heldOut, data, findings };
  }
  const refuse = (error: Error): never => {
    throw new UsageError(`Cannot find scans at ${path}: ${error.message}. Name a scan or a folder of scans.`, {
      cause: error,
    });
  };
  const isFile = (await stat(path).catch(refuse)).isFile();
  const { cases, description, findings } = isFile && !/\.(npz|csv|tsv|jsonl|json)$/i.test(path)
    ? { cases: [await caseOfFile(path)], description: path, findings: [] }
    : await indexDataset(path).catch(refuse);
  const scans = cases.map((entry): AskedScan => ({
    ...scanOf(entry, { modality, heldOut: true }),
    ...(entry.classLabels && { classLabels: entry.classLabels }),
  }));
  return { description: `${description}: ${scans.length} scans`, scans, data: resolve(path), findings };
}

async function caseOfFile(path: string): Promise<DatasetCase> {
  const name = basename(path);
  const { format } = await recogniseFormat(path);
  return {
    id: name.replace(/(\.nii)?\.\w+$/, ""),
    subject: subjectOf(name),
    imagePath: path,
    modality: "unknown",
    ...(format === "dicom" && { files: [path] }),
  };
}
