import { extractFeatures } from "@med3d/downstream";
import type { Encoder3D } from "@med3d/encoder3d";
import { type Finding, replaceNonFinite } from "@med3d/volume";
import { selectBackend } from "@med3d/webgpu-kernels";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { formatFinding } from "../_shared/finding.ts";
import { scansToPredict, type ScanToPredict } from "../_shared/inference/scans_to_predict.ts";
import { safeName } from "../_shared/inference/write_prediction.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { writeWhole } from "../_shared/pretraining/run_folder.ts";
import { disposeEncoder, readEncoder, type StoredEncoder } from "./read_encoder.ts";
import { writeFeatures, type WriteFeaturesOptions } from "./write_features.ts";

/** File in the output folder with a line of JSON for each scan. */
export const FEATURES_FILE = "features.jsonl";

/** What is asked for. */
export interface FeatureSettings extends WriteFeaturesOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  /** Folder of a run. */
  readonly weights: string;
  /** Level of the pyramid, 0 the finest. Default: the deepest. */
  readonly level?: number;
  /** Least overlap of windows. */
  readonly overlap: number;
  /** Windows at once. */
  readonly batch: number;
  /** What made the scans. Default: what they say. */
  readonly modality?: "CT" | "MR";
  /** What to compute on. */
  readonly backend: "auto" | "webgpu" | "cpu";
  /** Whether the first fault ends it. Default false. */
  readonly strict?: boolean;
}

/**
 * Extracts features of scans and writes them; prints a line of JSON for each on stdout, the rest on stderr.
 *
 * @returns Whether all was done; false when it was stopped.
 * @throws UsageError when weights or scans are not there, or the encoder has no such level.
 * @throws Error when no scan could be read, or under `strict` the first could not.
 */
export async function runFeatures(settings: FeatureSettings, signal: AbortSignal): Promise<boolean> {
  const { weights, paths, out, strict = false } = settings;
  const stored = await readEncoder(weights);
  const modality = settings.modality ?? (stored.modality === "unknown" ? null : stored.modality);
  const { channels } = stored;
  const scans = (await Promise.all(paths.map((path) => scansToPredict(path, { channels, modality })))).flat();
  checkNames(scans);
  const backend = await selectBackend({ backend: settings.backend });
  if (backend.notice) console.warn(backend.notice);
  const encoder = stored.load();
  const lines: string[] = [];
  const report = (finding: Finding): void => console.warn(formatFinding(finding));
  try {
    const level = checkLevel(settings.level, encoder);
    await mkdir(out, { recursive: true });
    console.warn(
      `${scans.length} ${scans.length === 1 ? "scan" : "scans"}, computing on ${backend.device}; into ${out}`,
    );
    for (const scan of scans) {
      if (signal.aborted) break;
      try {
        const line = JSON.stringify(await featuresOf(scan, { encoder, stored, settings, level, report, signal }));
        lines.push(line);
        console.log(line);
      } catch (error) {
        if (signal.aborted) break;
        const { message } = error as Error;
        if (strict) throw new Error(`Cannot extract features of ${scan.path}: ${message}`, { cause: error });
        report({ severity: "error", code: "no-features", path: scan.path, message, fix: "Mend the scan." });
      }
    }
  } finally {
    disposeEncoder(encoder);
  }
  if (lines.length > 0) await writeWhole(join(out, FEATURES_FILE), lines.map((line) => `${line}\n`).join(""));
  if (signal.aborted) return false;
  if (lines.length === 0) {
    throw new Error(`Cannot extract features: none of ${scans.length} scans could be read. See the messages above.`);
  }
  return true;
}

/** Extracts and writes one scan's features. */
async function featuresOf(
  scan: ScanToPredict,
  { encoder, stored, settings, level, report, signal }: {
    readonly encoder: Encoder3D;
    readonly stored: StoredEncoder;
    readonly settings: FeatureSettings;
    readonly level: number;
    readonly report: (finding: Finding) => void;
    readonly signal: AbortSignal;
  },
): Promise<Record<string, unknown>> {
  const channels = (await scan.loadChannels(report)).map((volume) => replaceNonFinite(volume));
  const features = await extractFeatures(channels, {
    encoder,
    preprocessing: stored.preprocessingOf(settings.modality ?? channels[0]!.modality),
    patchSize: stored.patchSize,
    overlap: settings.overlap,
    batch: settings.batch,
    level,
    signal,
  });
  const files = await writeFeatures(scan.id, features, settings);
  const { shape, affine, history } = features;
  const strideVoxels = encoder.strides[level]!;
  return { id: scan.id, path: scan.path, files, level, strideVoxels, shape, affine: [...affine], history };
}

function checkLevel(wanted: number | undefined, { strides }: Encoder3D): number {
  const level = wanted ?? strides.length - 1;
  if (strides[level]) return level;
  throw new UsageError(
    `Cannot extract features: the encoder has no such level: got ${level}, expected 0 to ${
      strides.length - 1
    }, 0 the finest. ` +
      `Leave --level out for the deepest.`,
  );
}

/** Two scans of one name would overwrite each other's features. */
function checkNames(scans: readonly ScanToPredict[]): void {
  for (const [name, same] of Map.groupBy(scans, ({ id }) => safeName(id))) {
    if (same.length === 1) continue;
    throw new UsageError(
      `Cannot extract features: scans share a name: got ${
        same.map(({ path }) => path).join(", ")
      } for ${name}, expected one. ` +
        `Write them into different folders.`,
    );
  }
}
