import {
  type ClassComparison,
  compareSegmentations,
  type LabelClass,
  type SegmentationNetwork,
} from "@med3d/downstream";
import { type Finding, replaceNonFinite, type Volume } from "@med3d/volume";
import { segmentScan } from "../inference/segment_scan.ts";
import type { ModelDescription } from "../inference/model_description.ts";
import type { LabelledCase } from "./cases.ts";
import { unusable } from "./plan.ts";

/** A held-out scan beside its reference. */
export interface EvaluatedCase {
  /** Name within the data set. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** Each structure's measures. */
  readonly classes: readonly ClassComparison[];
}

/** Pictures need these; they are not kept for all cases. */
export interface CaseVolumes {
  /** First channel, in file order. */
  readonly image: Volume;
  /** True labels on its grid. */
  readonly reference: Volume;
  /** Predicted labels on its grid. */
  readonly prediction: Volume;
}

/** Options of {@linkcode evaluateSegmentation}. */
export interface EvaluateOptions {
  /** Label of voxels that are left out. */
  readonly ignoreLabel?: number | undefined;
  /** Whether surfaces are measured too. Default true. */
  readonly surfaces?: boolean;
  /** Least overlap of windows. Default 0.5. */
  readonly overlap?: number;
  /** Where oddities go. */
  readonly report: (finding: Finding) => void;
  /** Called after each case. */
  readonly onCase?: (done: number, result: EvaluatedCase, volumes: CaseVolumes) => Promise<void> | void;
  /** Stops between windows. */
  readonly signal?: AbortSignal | undefined;
}

/** The structures that a model tells apart, as metrics name them. */
export function structuresOf({ classes, regions }: Pick<ModelDescription, "classes" | "regions">): LabelClass[] {
  return regions
    ? regions.map(({ name, values }) => ({ name, labels: values }))
    : classes.filter(({ value }) => value !== 0).map(({ name, value }) => ({ name, labels: [value] }));
}

/** Segments cases by sliding windows and compares each with its reference, on the scan's own voxels, in millimetres. */
export async function evaluateSegmentation(
  cases: readonly LabelledCase[],
  model: { readonly network: SegmentationNetwork; readonly description: ModelDescription },
  options: EvaluateOptions,
): Promise<EvaluatedCase[]> {
  const { report, onCase, signal, ignoreLabel, surfaces = true, overlap = 0.5 } = options;
  const evaluated: EvaluatedCase[] = [];
  for (const entry of cases) {
    signal?.throwIfAborted();
    let volumes: { channels: Volume[]; reference: Volume };
    try {
      const channels = (await entry.loadChannels(report)).map((volume) => replaceNonFinite(volume));
      volumes = { channels, reference: await entry.loadLabels!(report) };
    } catch (error) {
      report(unusable(error as Error, entry.path));
      continue;
    }
    const { channels, reference } = volumes;
    const { labels } = await segmentScan(channels, model, { overlap, ...(signal && { signal }) });
    const { classes } = compareSegmentations(labels.data, reference.data, {
      shape: reference.shape,
      spacingMm: reference.spacingMm,
      classes: structuresOf(model.description),
      ...(!surfaces && { surface: "none" as const }),
      ...(ignoreLabel !== undefined && { ignoreLabel }),
    });
    const result = { id: entry.id, subject: entry.subject, classes };
    evaluated.push(result);
    await onCase?.(evaluated.length, result, { image: channels[0]!, reference, prediction: labels });
  }
  return evaluated;
}

/** Mean Dice over cases and structures that are there or were made up; a missed one counts 0. */
export function meanDice(cases: readonly EvaluatedCase[]): number {
  const values = cases.flatMap(({ classes }) => classes.flatMap(({ dice }) => dice === null ? [] : [dice]));
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
