import {
  type ClassComparison,
  compareSegmentations,
  type LabelClass,
  type SegmentationSummary,
  summariseSegmentations,
  type SurfaceDefinition,
} from "@med3d/downstream";
import { type Finding, subjectOf, type Volume } from "@med3d/volume";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Table } from "../report/table.ts";
import { type MatchedCase, matchFiles } from "./match_files.ts";
import { readPair } from "./read_pair.ts";
import { parseStructures, readStructures, type Structures } from "./structures.ts";

/** What is asked of an evaluation of label maps. */
export interface FolderSettings {
  /** Folder or file of predictions. */
  readonly predictions: string;
  /** Folder or file of references. */
  readonly references: string;
  /** What `--labels` says. Default: a `dataset.json` in or beside the references' folder, else every value that occurs. */
  readonly labels?: string;
  /** Label of the reference that is left out. Default: what the `dataset.json` calls ignore. */
  readonly ignoreLabel?: number;
  /** Distance in mm that counts as agreement of surfaces. */
  readonly toleranceMm: number;
  /** What a surface is. */
  readonly surface: SurfaceDefinition | "none";
  /** Draws of the bootstrap. */
  readonly resamples: number;
  /** Seed of the bootstrap. */
  readonly seed: string;
}

/** How a case fared. */
export interface EvaluatedPair {
  /** Its name. */
  readonly id: string;
  /** Whom it shows, as its name tells. */
  readonly subject: string;
  /** Whether there was a prediction that could be compared. */
  readonly predicted: boolean;
  /** Every structure. */
  readonly classes: readonly ClassComparison[];
}

/** What an evaluation of label maps found. */
export interface FolderEvaluation {
  /** What was compared and how. */
  readonly settings: FolderSettings & { readonly structures: Structures; readonly labelsFrom: string };
  /** Cases in the order of their names. */
  readonly cases: readonly EvaluatedPair[];
  /** Means over cases; nothing when no case could be compared. */
  readonly summary?: SegmentationSummary;
  /** Figures of each run, where the cases are those of several. */
  readonly perRun?: Table;
  /** What is wrong. */
  readonly findings: readonly Finding[];
}

/** Follows a run and stops it. */
export interface EvaluationWatch {
  /** Called after each case. */
  readonly onCase?: (done: number, total: number, phase: "looking for labels" | "comparing") => void;
  /** Stops between cases. */
  readonly signal?: AbortSignal;
}

/**
 * Compares a folder of predicted label maps with references of the same names.
 *
 * A reference whose prediction is missing, unreadable or on another grid counts as if nothing had been predicted.
 *
 * @throws UsageError when paths or labels are not there.
 */
export async function evaluateFolders(
  settings: FolderSettings,
  watch: EvaluationWatch = {},
): Promise<FolderEvaluation> {
  const matched = await matchFiles(settings.predictions, settings.references);
  const findings: Finding[] = [...matched.findings];
  const { structures, labelsFrom } = await chooseStructures(settings, matched.cases, watch);
  const chosen = { ...settings, structures, labelsFrom };
  const cases: EvaluatedPair[] = [];
  for (const [index, entry] of matched.cases.entries()) {
    watch.signal?.throwIfAborted();
    const evaluated = await evaluateCase(entry, chosen, (finding) => void findings.push(finding));
    if (evaluated) cases.push(evaluated);
    watch.onCase?.(index + 1, matched.cases.length, "comparing");
  }
  const bootstrap = { seed: settings.seed, resamples: settings.resamples };
  return {
    settings: chosen,
    cases,
    ...cases.length > 0 && { summary: summariseSegmentations(cases, bootstrap) },
    findings,
  };
}

async function evaluateCase(
  entry: MatchedCase,
  settings: FolderEvaluation["settings"],
  report: (finding: Finding) => void,
): Promise<EvaluatedPair | undefined> {
  const pair = await readPair(entry, report);
  if (!pair) return undefined;
  const { reference } = pair;
  const { structures: { classes, ignoreLabel }, surface, toleranceMm } = settings;
  const compare = (prediction: Volume["data"]) =>
    compareSegmentations(prediction, reference.data, {
      shape: reference.shape,
      spacingMm: reference.spacingMm,
      classes,
      surface,
      toleranceMm,
      ...ignoreLabel !== undefined && { ignoreLabel },
    });
  const nothing = (): Uint8Array => new Uint8Array(reference.data.length);
  let predicted = pair.prediction !== undefined;
  let comparison: ReturnType<typeof compare>;
  try {
    comparison = compare(pair.prediction?.data ?? nothing());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const fix = "Give label maps of whole numbers.";
    const isReference = !reference.data.every((value) => Number.isInteger(value));
    const path = isReference ? entry.reference : entry.prediction!;
    const consequence = isReference
      ? `${entry.id} is not evaluated`
      : `every structure of ${entry.id} counts as missed`;
    report({ severity: "error", code: "no-label-map", path, message: `${error.message}: ${consequence}`, fix });
    if (isReference) return undefined;
    predicted = false;
    comparison = compare(nothing());
  }
  if (comparison.otherLabels.length > 0) {
    report({
      severity: "warning",
      code: "undeclared-labels",
      path: entry.prediction ?? entry.reference,
      message: `labels that belong to no structure, in prediction or reference: ${comparison.otherLabels.join(", ")}`,
      fix: "Name them with --labels if they matter.",
    });
  }
  return { id: entry.id, subject: subjectOf(entry.id), predicted, classes: comparison.classes };
}

async function chooseStructures(
  { labels, references, ignoreLabel }: FolderSettings,
  cases: readonly MatchedCase[],
  watch: EvaluationWatch,
): Promise<{ structures: Structures; labelsFrom: string }> {
  const ignore = ignoreLabel !== undefined && { ignoreLabel };
  if (labels !== undefined) return { structures: { ...await parseStructures(labels), ...ignore }, labelsFrom: labels };
  for (const folder of [references, dirname(references)]) {
    const path = join(folder, "dataset.json");
    if (!await stat(path).then((status) => status.isFile(), () => false)) continue;
    return { structures: { ...await readStructures(path), ...ignore }, labelsFrom: path };
  }
  const classes = (await findLabels(cases, watch)).filter((label) => label !== ignoreLabel)
    .map((label): LabelClass => ({ name: `label ${label}`, labels: [label] }));
  return { structures: { classes, ...ignore }, labelsFrom: "the values that occur" };
}

/** Every value but 0 that label maps have; what can't be read is reported when it is compared. */
async function findLabels(cases: readonly MatchedCase[], { onCase, signal }: EvaluationWatch): Promise<number[]> {
  const labels = new Set<number>();
  for (const [index, entry] of cases.entries()) {
    signal?.throwIfAborted();
    const pair = await readPair(entry, () => {});
    for (const volume of [pair?.reference, pair?.prediction]) {
      let last = 0;
      for (const value of volume?.data ?? []) {
        if (value === last) continue;
        last = value;
        if (Number.isInteger(value) && value !== 0) labels.add(value);
      }
    }
    onCase?.(index + 1, cases.length, "looking for labels");
  }
  return labels.size === 0 ? [1] : [...labels].sort((a, b) => a - b);
}
