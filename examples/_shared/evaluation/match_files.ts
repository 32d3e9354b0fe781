import type { Finding } from "@med3d/volume";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";

/** Endings of label maps, as one file or as a header with a file beside it. */
const ENDING = /\.(?:nii(?:\.gz)?|nrrd|nhdr|mha|mhd|mgh(?:\.gz)?|mgz|hdr(?:\.gz)?)$/i;

/** A reference and the prediction of the same name. */
export interface MatchedCase {
  /** The name. */
  readonly id: string;
  /** The reference's file. */
  readonly reference: string;
  /** The prediction's file, where there is one. */
  readonly prediction?: string;
}

/** What matching found. */
export interface MatchedFiles {
  /** Every reference, by name. */
  readonly cases: readonly MatchedCase[];
  /** References without prediction, predictions without reference, names that two files have. */
  readonly findings: readonly Finding[];
}

/**
 * Matches predictions with references by name: folders by the files' paths within them, without ending; a file with a file whatever their names.
 *
 * @throws UsageError when a path can't be read, one is a file and the other a folder, or there is no reference.
 */
export async function matchFiles(predictions: string, references: string): Promise<MatchedFiles> {
  const [predicted, referred] = [await listMaps(predictions), await listMaps(references)];
  if (predicted.isFile !== referred.isFile) {
    throw new UsageError(
      `Cannot match ${predictions} and ${references}: one is a file, the other a folder. Give two folders or two files.`,
    );
  }
  if (referred.files.size === 0) {
    throw new UsageError(
      `Cannot evaluate against ${references}: no label map is there, expected files such as case.nii.gz. Check the path.`,
    );
  }
  if (referred.isFile) {
    const [[id, reference]] = [...referred.files] as [[string, string]];
    return { cases: [{ id, reference, prediction: predictions }], findings: [] };
  }
  const findings: Finding[] = [...predicted.findings, ...referred.findings];
  const cases = [...referred.files].map(([id, reference]): MatchedCase => {
    const prediction = predicted.files.get(id);
    if (prediction !== undefined) return { id, reference, prediction };
    findings.push({
      severity: "error",
      code: "missing-prediction",
      path: reference,
      message: `no prediction called ${id} in ${predictions}: every structure of it counts as missed`,
      fix: "Predict it, or take the reference out of the folder.",
    });
    return { id, reference };
  });
  for (const [id, path] of predicted.files) {
    if (referred.files.has(id)) continue;
    const message = `no reference called ${id} in ${references}: it is not evaluated`;
    const fix = "Add the reference, or check the names.";
    findings.push({ severity: "warning", code: "missing-reference", path, message, fix });
  }
  return { cases, findings };
}

async function listMaps(
  path: string,
): Promise<{ isFile: boolean; files: Map<string, string>; findings: Finding[] }> {
  const status = await stat(path).catch((error: Error) => {
    throw new UsageError(`Cannot open ${path}: ${error.message}. Check the path.`, { cause: error });
  });
  if (!status.isDirectory()) {
    return { isFile: true, files: new Map([[basename(path).replace(ENDING, ""), path]]), findings: [] };
  }
  const files = new Map<string, string>();
  const findings: Finding[] = [];
  const names = (await readdir(path, { recursive: true })).map((name) => name.replaceAll("\\", "/"))
    .filter((name) => ENDING.test(name) && !basename(name).startsWith("."));
  for (const name of names.sort()) {
    const id = name.replace(ENDING, "");
    const other = files.get(id);
    if (other === undefined) files.set(id, join(path, name));
    else {
      findings.push({
        severity: "error",
        code: "two-files",
        path: join(path, name),
        message: `the same name as ${other}, which is taken`,
        fix: "Leave one of both in the folder.",
      });
    }
  }
  return { isFile: false, files, findings };
}
