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
import { classifyScan } from "./classify_scan.ts";
import { disposeNetwork, loadNetwork, type Network } from "./create_network.ts";
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

/** What was said of one scan. */
interface PredictedScan {
  readonly scan: ScanToPredict;
  /** Its cells in the table, the name left out. */
  readonly cells: readonly string[];
  /** Path of its label map, where it was segmented. */
  readonly prediction?: string;
}

/** Names of the files in the folder of predictions beside label maps. */
export const PREDICTION_FILES = {
  volumes: "volumes.csv",
  classes: "classes.csv",
  findings: "findings.json",
} as const;

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
  const channels = description.preprocessing.channels.length;
  const modality = settings.modality ?? (description.modality === "unknown" ? null : description.modality);
  const scans = (await Promise.all(paths.map((path) => scansToPredict(path, { channels, modality })))).flat();
  checkNames(scans);
  await mkdir(out, { recursive: true });
  console.log(`${scans.length} ${scans.length === 1 ? "scan" : "scans"}, computing on ${backend.device}; into ${out}`);
  const findings: Finding[] = [];
  const predicted: PredictedScan[] = [];
  const network = loadNetwork(stored);
  const bar = startProgress({ label: "predicting", total: scans.length });
  try {
    for (const [done, scan] of scans.entries()) {
      if (signal.aborted) break;
      try {
        predicted.push(await predictOne(scan, { network, description, settings, findings, signal }));
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
  await writeTables(out, predicted, { description, findings });
  for (const finding of findings) console.warn(formatFinding(finding));
  if (signal.aborted) return false;
  if (predicted.length === 0) {
    throw new Error(`Cannot predict: none of ${scans.length} scans could be. See the messages above.`);
  }
  return true;
}

async function predictOne(
  scan: ScanToPredict,
  { network, description, settings, findings, signal }: {
    network: Network;
    description: ModelDescription;
    settings: PredictSettings;
    findings: Finding[];
    signal: AbortSignal;
  },
): Promise<PredictedScan> {
  const channels = (await scan.loadChannels((finding) => void findings.push(finding))).map((volume) =>
    replaceNonFinite(volume)
  );
  if (!(network instanceof SegmentationNetwork)) {
    const values = await classifyScan(channels, { network, description });
    return { scan, cells: values.map((value) => String(Number(value.toPrecision(6)))) };
  }
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
  const millilitres = measureStructures(labels);
  const structures = description.classes.filter(({ value }) => value !== 0);
  return {
    scan,
    cells: structures.map(({ value }) => (millilitres.get(value) ?? 0).toFixed(3)),
    prediction: files[0]!,
  };
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
  predicted: readonly PredictedScan[],
  { description, findings }: { description: ModelDescription; findings: readonly Finding[] },
): Promise<void> {
  const { task, classes } = description;
  const heading = task === "segment"
    ? ["scan", ...classes.filter(({ value }) => value !== 0).map(({ name }) => `${name} mL`)]
    : ["case", ...classes.map(({ name }) => name)];
  const table = [heading, ...predicted.map(({ scan, cells }) => [scan.id, ...cells])];
  const name = task === "segment" ? PREDICTION_FILES.volumes : PREDICTION_FILES.classes;
  await writeWhole(join(out, name), formatCsv(table));
  await writeWhole(join(out, PREDICTION_FILES.findings), JSON.stringify(findings, null, 2) + "\n");
  if (predicted.length > 0) console.log(`\n${formatTable(table)}\n`);
  const cases = predicted.flatMap(({ scan, prediction }) =>
    prediction === undefined ? [] : [{ id: scan.id, image: resolve(scan.path), prediction: relative(out, prediction) }]
  );
  if (cases.length > 0) await writeWhole(join(out, CASES_FILE), JSON.stringify({ cases }, null, 2) + "\n");
}
