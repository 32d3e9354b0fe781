import { stat } from "node:fs/promises";
import { isLabel } from "../dataset/_flat.ts";
import { listDicomSeries } from "../dicom/list_dicom_series.ts";
import type { Finding } from "../findings.ts";
import { checkVolume } from "../intensity/voxel_statistics.ts";
import { readVolume } from "../read_volume.ts";
import type { IdentifyingFields } from "../privacy/identifying_fields.ts";
import type { Modality, Volume } from "../volume.ts";
import { checkSpacing } from "./_grid_findings.ts";
import { checkLabels } from "./_label_findings.ts";
import { countFields, privacyFindings, withoutRepeats } from "./_privacy_findings.ts";
import { tryReading } from "./inspect_case.ts";
import { inspectVolume, type VolumeInspection } from "./inspect_volume.ts";

/** Options of {@linkcode inspectScan}. */
export interface InspectScanOptions {
  /** What made the scan. Default: what the file says, else `"unknown"`. */
  readonly modality?: Modality;
  /** Which 3D frame of a file that holds several, from 0. Default: such a file is refused. */
  readonly frame?: number;
}

/** What {@linkcode inspectScan} found. */
export interface ScanInspection {
  /** Geometry, numbers and history; absent where the file cannot be read. */
  readonly inspection?: VolumeInspection;
  /** The scan in RAS+ order, for pictures; absent where the file cannot be read. */
  readonly canonical?: Volume;
  /** Header fields that can name a patient, counted; absent where the file cannot be opened. */
  readonly identifying?: IdentifyingFields;
  /** What is wrong or worth knowing. */
  readonly findings: readonly Finding[];
}

/**
 * Reads one scan or label map and says what it is and what is wrong with it.
 *
 * @param path A file of any format that is read, or a folder that holds one DICOM series. Missing and uneven slices are findings.
 * @param options Modality and frame.
 * @returns What was found. A file that cannot be read is an error among the findings, not thrown.
 * @throws RangeError when the frame is out of range.
 */
export async function inspectScan(path: string, options: InspectScanOptions = {}): Promise<ScanInspection> {
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => void findings.push(finding);
  const identifying = await countFields(await filesOf(path));
  if (identifying) findings.push(...privacyFindings(identifying, path));
  const known = identifying && { identifying };
  const volume = await tryReading(() => readVolume(path, { irregular: "report", ...options, onFinding }), {
    path,
    onFinding,
  });
  if (!volume) return { ...known, findings };
  const { inspection, canonical } = inspectVolume(volume);
  findings.push(...checkSpacing(volume, path));
  if (inspection.labels || isLabel(path)) findings.push(...checkLabels(volume, { path, declared: undefined }).findings);
  else findings.push(...checkVolume(volume, { path }));
  return { ...known, inspection, canonical, findings: withoutRepeats(findings) };
}

/** The files whose headers are looked at: a folder's DICOM images. What cannot be listed is told by the reader. */
async function filesOf(path: string): Promise<readonly string[]> {
  const isFolder = await stat(path).then((status) => status.isDirectory(), () => false);
  if (!isFolder) return [path];
  const series = await listDicomSeries(path).catch(() => []);
  return series.flatMap(({ paths }) => paths);
}
