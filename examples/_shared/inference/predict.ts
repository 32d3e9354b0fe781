import { fillHoles, keepLargestComponents, measureStructures, SegmentationNetwork } from "@med3d/downstream";
import { type Finding, replaceNonFinite } from "@med3d/volume";
import { selectBackend } from "@med3d/webgpu-kernels";
import { mkdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { formatFinding } from "../finding.ts";
import { UsageError } from "../pretraining/configuration.ts";
import { writeWhole } from "../pretraining/run_folder.ts";
import { startProgress } from "../progress.ts";
import { formatCsv } from "../report/csv.ts";
import { formatTable } from "../report/table.ts";
import { CASES_FILE } from "../view_cases.ts";
import { disposeNetwork, loadNetwork } from "./create_network.ts";
import { type ModelDescription, readModel } from "./model_description.ts";
import { scansToPredict, type ScanToPredict } from "./scans_to_predict.ts";
import { segmentScan } from "./segment_scan.ts";
import { safeName, writePrediction } from "./write_prediction.ts";

/** What is asked of a prediction. */
export interface PredictSettings {
  /** Files and folders. */
  readonly paths: readonly string[];
  /** Folder of a fine-tuning run. */
  readonly weights: string;
  /** Where predictions go. */
  readonly out: string;
  /** What made the scans. Default: what they say. */
  readonly modality?: "CT" | "MR";
  /** Least overlap of windows. */
  readonly overlap: number;
  /** Whether windows are mirrored too. Default false. */
  readonly mirror?: boolean;
  /** Whether probabilities are written. Default false. */
  readonly probabilities?: boolean;
  /** Whether only the largest part of each structure stays. Default false. */
  readonly keepLargest?: boolean;
  /** Whether holes are filled. Default false. */
  readonly fillHoles?: boolean;
  /** Whether NIfTI is written beside DICOM segmentations. Default false. */
  readonly nifti?: boolean;
  /** Whether DICOM segmentations name the patient. Default false. */
  readonly copyIdentity?: boolean;
  /** What to compute on. */
  readonly backend: "auto" | "webgpu" | "cpu";
  /** Whether the first fault ends it. Default false. */
  readonly strict?: boolean;
}

/** What one scan's structures take. */
interface MeasuredScan {
  readonly scan: ScanToPredict;
  readonly files: readonly string[];
  readonly millilitres: ReadonlyMap<number, number>;
}

/** Names of the tables in the folder of predictions. */
export const PREDICTION_FILES = { volumes: "volumes.csv", findings: "findings.json" } as const;

/**
 * Predicts scans with a model and writes what came out, with a table of volumes; says on the console what it does.
 *
 * @returns Whether all was done; false when it was stopped.
 * @throws UsageError when model or scans are not there.
 * @throws Error when no scan could be predicted, or under `strict` the first could not.
 */
export async function predict(settings: PredictSettings, signal: AbortSignal): Promise<boolean> {
  const { weights, paths, out, strict = false } = settings;
  if (!(settings.overlap >= 0 && settings.overlap < 1)) {
    throw new UsageError(
      `Cannot predict: the overlap is out of range: got ${settings.overlap}, expected 0 to below 1.`,
    );
  }
  const stored = await readModel(weights);
  const { description } = stored;
  const backend = await selectBackend({ backend: settings.backend });
  if (backend.notice) console.warn(backend.notice);
  const network = loadNetwork(stored);
  if (!(network instanceof SegmentationNetwork)) {
    disposeNetwork(network);
    throw new UsageError(`Cannot predict with ${weights}: it classifies. Name a run of --task segment.`);
  }
  const channels = description.preprocessing.channels.length;
  const modality = settings.modality ?? (description.modality === "unknown" ? null : description.modality);
  const scans = (await Promise.all(paths.map((path) => scansToPredict(path, { channels, modality })))).flat();
  checkNames(scans);
  await mkdir(out, { recursive: true });
  console.log(`${scans.length} ${scans.length === 1 ? "scan" : "scans"}, computing on ${backend.device}; into ${out}`);
  const findings: Finding[] = [];
  const measured: MeasuredScan[] = [];
  const bar = startProgress({ label: "predicting", total: scans.length });
  try {
    for (const [done, scan] of scans.entries()) {
      if (signal.aborted) break;
      try {
        measured.push(await predictOne(scan, { network, description, settings, findings, signal }));
      } catch (error) {
        if (signal.aborted) break;
        const { message } = error as Error;
        if (strict) throw new Error(`Cannot predict ${scan.path}: ${message}`, { cause: error });
        findings.push({ severity: "error", code: "not-predicted", path: scan.path, message, fix: "Mend the scan." });
      }
      bar.update(done + 1, "scans");
    }
  } finally {
    bar.stop();
    disposeNetwork(network);
  }
  await writeTables(out, measured, { description, findings });
  for (const finding of findings) console.warn(formatFinding(finding));
  if (signal.aborted) return false;
  if (measured.length === 0) {
    throw new Error(`Cannot predict: none of ${scans.length} scans could be. See the messages above.`);
  }
  return true;
}

async function predictOne(
  scan: ScanToPredict,
  { network, description, settings, findings, signal }: {
    network: SegmentationNetwork;
    description: ModelDescription;
    settings: PredictSettings;
    findings: Finding[];
    signal: AbortSignal;
  },
): Promise<MeasuredScan> {
  const channels = (await scan.loadChannels((finding) => void findings.push(finding))).map((volume) =>
    replaceNonFinite(volume)
  );
  const { mirror = false, probabilities = false, overlap, nifti = false, copyIdentity = false } = settings;
  const segmented = await segmentScan(channels, { network, description }, { mirror, probabilities, overlap, signal });
  let { labels } = segmented;
  if (settings.keepLargest) labels = keepLargestComponents(labels);
  if (settings.fillHoles) labels = fillHoles(labels);
  const names = new Map(description.classes.map(({ value, name }) => [value, name]));
  const files = await writePrediction(scan, { ...segmented, labels }, {
    folder: settings.out,
    names,
    nifti,
    copyIdentity,
  });
  return { scan, files, millilitres: measureStructures(labels) };
}

/** Two scans of one name would overwrite each other. */
function checkNames(scans: readonly ScanToPredict[]): void {
  const seen = new Map<string, string>();
  for (const { id, path } of scans) {
    const other = seen.get(safeName(id));
    if (other !== undefined) {
      throw new UsageError(
        `Cannot predict: two scans have one name: got ${other} and ${path}. Predict them into different folders.`,
      );
    }
    seen.set(safeName(id), path);
  }
}

async function writeTables(
  out: string,
  measured: readonly MeasuredScan[],
  { description, findings }: { description: ModelDescription; findings: readonly Finding[] },
): Promise<void> {
  const structures = description.classes.filter(({ value }) => value !== 0);
  const rows = measured.map(({ scan, millilitres }) => [
    scan.id,
    ...structures.map(({ value }) => (millilitres.get(value) ?? 0).toFixed(3)),
  ]);
  const table = [["scan", ...structures.map(({ name }) => `${name} mL`)], ...rows];
  await writeWhole(join(out, PREDICTION_FILES.volumes), formatCsv(table));
  await writeWhole(join(out, PREDICTION_FILES.findings), JSON.stringify(findings, null, 2) + "\n");
  const cases = measured.map(({ scan, files }) => ({
    id: scan.id,
    image: resolve(scan.path),
    prediction: relative(out, files[0]!),
  }));
  if (cases.length === 0) return;
  await writeWhole(join(out, CASES_FILE), JSON.stringify({ cases }, null, 2) + "\n");
  console.log(`\n${formatTable(table)}\n`);
}
