import type { ChannelNormalisation, Preprocessing } from "@med3d/downstream";
import type { Finding, Volume } from "@med3d/volume";
import { toCanonical } from "@med3d/volume";
import type { LabelledCase } from "./cases.ts";
import type { FinetuningConfiguration } from "./configuration.ts";
import type { Pretrained } from "./pretrained.ts";

/** Training scans that spacing, size and classes are taken from where nothing else says them. */
const LOOKED_AT = 64;

/** What the training scans are like. */
export interface DataSurvey {
  /** What made the first scan. */
  readonly modality: "CT" | "MR" | "unknown";
  /** Median voxel edges, `[depth, height, width]` in RAS+ order. */
  readonly spacingMm: readonly [number, number, number];
  /** Whether all spacings are within a hundredth of the median. */
  readonly sameSpacing: boolean;
  /** Median extent in millimetres, `[depth, height, width]`. */
  readonly extentMm: readonly [number, number, number];
  /** Label values that occur, ascending; empty where there are no label maps. */
  readonly labelValues: readonly number[];
  /** Scans that could be read. */
  readonly usable: ReadonlySet<string>;
}

/** Looks through training scans; those that cannot be read are reported. */
export async function surveyCases(
  cases: readonly LabelledCase[],
  { report, signal }: { report: (finding: Finding) => void; signal?: AbortSignal | undefined },
): Promise<DataSurvey> {
  const scans: Volume[] = [];
  const values = new Set<number>();
  const usable = new Set<string>();
  for (const entry of cases) {
    signal?.throwIfAborted();
    try {
      if (scans.length < LOOKED_AT) {
        const [first] = await entry.loadChannels(report);
        const { data: _, ...canonical } = toCanonical(first!).volume;
        scans.push({ ...canonical, data: new Uint8Array(0) }); // the grid alone
      }
      const labels = await entry.loadLabels?.(report);
      for (const value of labels?.data ?? []) values.add(value);
      usable.add(entry.id);
    } catch (error) {
      report(unusable(error as Error, entry.path));
    }
  }
  const spacingMm = medianTriple(scans.map((scan) => scan.spacingMm));
  return {
    modality: scans[0]?.modality ?? "unknown",
    spacingMm,
    sameSpacing: scans.every((scan) =>
      scan.spacingMm.every((edge, axis) => Math.abs(edge / spacingMm[axis]! - 1) < 0.01)
    ),
    extentMm: medianTriple(scans.map(({ shape, spacingMm }) => shape.map((count, axis) => count * spacingMm[axis]!))),
    labelValues: [...values].sort((a, b) => a - b),
    usable,
  };
}

/** What is wrong with a scan that is left out. */
export function unusable(error: Error, path: string): Finding {
  return { severity: "error", code: "unusable-scan", path, message: error.message, fix: "Mend or remove the file." };
}

function medianTriple(triples: readonly (readonly number[])[]): [number, number, number] {
  const median = (axis: number): number =>
    triples.map((triple) => triple[axis]!).sort((a, b) => a - b)[triples.length >> 1] ?? 1;
  return [median(0), median(1), median(2)];
}

/** Decides how scans are prepared. A spacing of null keeps each scan's own, where all are the same. */
export function planPreprocessing(
  { channels, spacing, normalise, task, patch }: Pick<
    FinetuningConfiguration,
    "channels" | "spacing" | "normalise" | "task" | "patch"
  >,
  survey: DataSurvey,
  pretrained: Pretrained | undefined,
): Preprocessing {
  const unit: ChannelNormalisation = survey.modality === "CT"
    ? { kind: "window", centerHu: 0, widthHu: 1600 }
    : { kind: "percentiles", percentiles: [0.5, 99.5] };
  const zScore: ChannelNormalisation = survey.modality === "CT" ? unit : {
    kind: "z-score",
    foreground: task === "classify" ? "all" : "nonzero", // shapes are 1 wherever they are not 0
  };
  const how = normalise === "unit"
    ? unit
    : normalise === "z-score"
    ? zScore
    : pretrained?.normalisationOf(survey.modality) ?? zScore;
  const wanted = spacing ?? (survey.sameSpacing ? null : survey.spacingMm);
  return {
    orientation: "RAS+",
    spacingMm: task === "classify" ? null : wanted as [number, number, number] | null,
    resize: task === "classify" ? patch as [number, number, number] : null,
    channels: Array.from({ length: channels }, () => how),
  };
}

/** A patch of whole deepest cells, as large as the median scan allows but no edge above `most`. */
export function planPatch(
  survey: DataSurvey,
  { spacingMm, stride, most }: {
    spacingMm: readonly [number, number, number] | null;
    stride: readonly [number, number, number];
    most: number;
  },
): [number, number, number] {
  const edges = spacingMm ?? survey.spacingMm;
  return survey.extentMm.map((extent, axis) => {
    const voxels = Math.min(most, Math.round(extent / edges[axis]!));
    return Math.max(1, Math.floor(voxels / stride[axis]!)) * stride[axis]!;
  }) as [number, number, number];
}
