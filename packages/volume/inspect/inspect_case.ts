import { createHash } from "node:crypto";
import type { DatasetCase } from "../dataset/dataset_index.ts";
import { readCase } from "../dataset/read_case.ts";
import { CorruptVolumeError, type Finding, findingOf } from "../findings.ts";
import { columnNorms } from "../geometry/affine.ts";
import { orientationOf } from "../geometry/orientation.ts";
import { checkVolume, measureVoxels } from "../intensity/voxel_statistics.ts";
import type { Volume } from "../volume.ts";
import { countLabels, looksLikeLabels } from "./_count_labels.ts";
import { checkSpacing, compareGrids, hasNoWorldPosition } from "./_grid_findings.ts";
import { withoutFrame } from "./_without_frame.ts";
import { checkLabels } from "./_label_findings.ts";
import { countFields, privacyFindings, sidecarFindings, withoutRepeats } from "./_privacy_findings.ts";
import type { CaseInspection, LabelInspection } from "./dataset_inspection.ts";
import { voxelTypeOf } from "./inspect_volume.ts";

/** How cases are looked at. */
export interface InspectCaseOptions {
  /** What the values of label maps mean, where the data set declares it. */
  readonly declared: ReadonlyMap<number, string> | undefined;
  /** Smallest useful `[depth, height, width]` in voxels. */
  readonly minimumShape: readonly [number, number, number] | undefined;
  /** Called with what was read, while it is in memory. */
  readonly onVolume: ((entry: DatasetCase, volume: Volume) => void) | undefined;
}

/** A case looked at, and what only the comparison with others needs. */
export interface LookedAtCase {
  readonly inspection: CaseInspection;
  readonly findings: readonly Finding[];
  /** SHA-256 over shape, type and voxels. */
  readonly voxelHash?: string;
  /** Whether the affine holds no more than the spacing. */
  readonly noWorldPosition?: boolean;
}

/** Reads a case, image and label map one after the other, and looks at both. */
export async function inspectCase(entry: DatasetCase, options: InspectCaseOptions): Promise<LookedAtCase> {
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => void findings.push(finding);
  const { id, subject, session, split, imagePath: path } = entry;
  const known = { id, subject, ...(session && { session }), ...(split && { split }), path };
  const fields = entry.item ? undefined : await countFields(entry.files ?? [path]);
  if (fields) findings.push(...privacyFindings(fields, path));
  if (!entry.item && !entry.files) findings.push(...await sidecarFindings(path));
  const volume = await tryReading(() => readCase(entry, { onFinding, irregular: "report" }), { path, onFinding });
  if (volume) {
    findings.push(
      ...checkVolume(volume, { path, ...(options.minimumShape && { minimumShape: options.minimumShape }) }),
      ...(entry.item ? [] : checkSpacing(volume, path)),
    );
    if (!entry.item && looksLikeLabels(volume.data, countLabels(volume.data))) findings.push(labelsForImage(path));
    options.onVolume?.(entry, volume);
  }
  const numbers = volume && describe(volume);
  const voxelHash = volume && hashVoxels(volume);
  const grid = volume && { shape: volume.shape, affine: volume.affine };
  const label = entry.labelPath === undefined
    ? undefined
    : await inspectLabel(entry.labelPath, { grid, declared: options.declared, onFinding });
  return {
    inspection: {
      ...known,
      ...numbers,
      ...(fields && { identifyingFields: fields.count }),
      ...(label && { label }),
    },
    findings: withoutRepeats(findings),
    ...(voxelHash && { voxelHash }),
    ...(grid && !entry.item && { noWorldPosition: hasNoWorldPosition(grid) }),
  };
}

function labelsForImage(path: string): Finding {
  return {
    severity: "warning",
    code: "image-looks-like-labels",
    path,
    message: "it is listed as a scan, but its voxels look like labels: few whole numbers in patches",
    fix: "Name it …_seg or move it to a folder labels if it is a label map.",
  };
}

function describe(volume: Volume): Partial<CaseInspection> {
  const { minimum, maximum, mean, nonFinite } = measureVoxels(volume);
  const [width, height, depth] = columnNorms(volume.affine);
  return {
    shape: volume.shape,
    spacingMm: [depth, height, width],
    orientation: orientationOf(volume.affine),
    voxelType: voxelTypeOf(volume.data),
    minimum,
    maximum,
    mean,
    nonFinite,
  };
}

async function inspectLabel(
  path: string,
  { grid, declared, onFinding }: {
    readonly grid: Pick<Volume, "shape" | "affine"> | undefined;
    readonly declared: ReadonlyMap<number, string> | undefined;
    readonly onFinding: (finding: Finding) => void;
  },
): Promise<LabelInspection> {
  const fields = await countFields([path]);
  if (fields) privacyFindings(fields, path).forEach(onFinding);
  const entry = { imagePath: path, modality: "unknown" } as const;
  const volume = await tryReading(() => readCase(entry, { onFinding, irregular: "report" }), { path, onFinding });
  if (!volume) return { path };
  const { counts, findings } = checkLabels(volume, { path, declared });
  const { shape, affine } = volume;
  if (grid) findings.push(...compareGrids(grid, { shape, affine, path, mayCoverPart: fields?.format === "dicom" }));
  findings.forEach(onFinding);
  return { path, shape, ...(counts && { values: counts }) };
}

/** Reads, or turns what was thrown into a finding. */
export async function tryReading<T>(
  read: () => Promise<T>,
  { path, onFinding }: { readonly path: string; readonly onFinding: (finding: Finding) => void },
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RangeError) throw error; // the caller's options
    if (error instanceof CorruptVolumeError) onFinding(withoutFrame(findingOf(error, path)));
    else {
      const message = (error as Error).message;
      const fix = "Check the file and its permissions.";
      onFinding({ severity: "error", code: "unreadable", path, message, fix });
    }
    return undefined;
  }
}

function hashVoxels({ data, shape }: Volume): string {
  return createHash("sha256").update(`${shape} ${voxelTypeOf(data)} `)
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).digest("hex");
}
