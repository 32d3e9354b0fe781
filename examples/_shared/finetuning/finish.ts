import type { ClassificationNetwork, SegmentationNetwork } from "@med3d/downstream";
import { writeNifti } from "@med3d/volume";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { joinSubjects } from "../evaluation/join_subjects.ts";
import type { ModelDescription } from "../inference/model_description.ts";
import { safeName } from "../inference/write_prediction.ts";
import { writeWhole } from "../pretraining/run_folder.ts";
import { startProgress } from "../progress.ts";
import { type Html, html, tableHtml } from "../report/html.ts";
import type { Table } from "../report/table.ts";
import { CASES_FILE } from "../view_cases.ts";
import type { ClassificationSource } from "./classification_batches.ts";
import { type ClassifiedCase, classifyCases, scoreClassification, scoreTable } from "./evaluate_classification.ts";
import { type CaseVolumes, type EvaluatedCase, evaluateSegmentation } from "./evaluate_segmentation.ts";
import type { PreparedFinetuning } from "./prepare_finetuning.ts";
import type { ResultSections } from "./run_report.ts";
import { segmentationSections, type ShownCase } from "./segmentation_report.ts";
import { classTable, summarise } from "./summary.ts";

/** What came out on held-out scans. */
export interface FinishedTask {
  /** For `evaluation.json`. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** For the report. */
  readonly sections: ResultSections;
  /** For the console. */
  readonly table: Table;
}

/** Scans whose predictions are kept for looking at. */
const KEPT_PREDICTIONS = 12;

/** Segments the held-out scans, measures them, and keeps some predictions for `deno task view`. */
export async function finishSegmentation(
  { configuration, network, split, findings }: PreparedFinetuning,
  { description, signal }: { readonly description: ModelDescription; readonly signal: AbortSignal | undefined },
): Promise<FinishedTask> {
  const { out, ignoreLabel } = configuration;
  const shown: ShownCase[] = [];
  const listed: Record<string, string>[] = [];
  const progress = startProgress({ label: "evaluating", total: split.test.length });
  const cases = await evaluateSegmentation(split.test, { network: network as SegmentationNetwork, description }, {
    ignoreLabel: ignoreLabel ?? undefined,
    report: (finding) => void findings.push(finding),
    signal,
    onCase: async (done, result, volumes) => {
      progress.update(done, "scans");
      if (shown.length === KEPT_PREDICTIONS) return;
      shown.push({ result, volumes });
      listed.push(await keepPrediction(out, result, volumes));
    },
  }).finally(() => progress.stop());
  if (listed.length > 0) await writeWhole(join(out, CASES_FILE), JSON.stringify({ cases: listed }, null, 2) + "\n");
  const summary = summarise(cases);
  return {
    figures: { summary, cases },
    sections: segmentationSections(cases, summary, shown),
    table: classTable(summary),
  };
}

/** Classifies the held-out scans and scores what was said. */
export async function finishClassification(
  { configuration, network, plan, split }: PreparedFinetuning,
  { source, signal }: { readonly source: ClassificationSource; readonly signal: AbortSignal | undefined },
): Promise<FinishedTask> {
  const { batch, unit } = configuration;
  const cases = await classifyCases(split.test, network as ClassificationNetwork, { source, batch, signal });
  const subjects = unit === "subject" ? joinSubjects(cases) as ClassifiedCase[] : undefined; // none is missing
  const scores = scoreClassification(subjects ?? cases, plan.target);
  const table = scoreTable(scores);
  const numbers = (values: readonly number[]): string => values.map((value) => Number(value.toPrecision(4))).join(", ");
  const listed = (units: readonly ClassifiedCase[], name: string): Html =>
    tableHtml([
      [name, "true", plan.target === "values" ? "predicted" : "probabilities"],
      ...units.map(({ id, actual, predicted }) => [id, numbers(actual), numbers(predicted)]),
    ]);
  return {
    figures: { unit, scores, ...(subjects && { subjects }), cases },
    sections: {
      figures: html`
        <p>${subjects
          ? `${subjects.length} subjects, each with the mean over its scans`
          : `${cases.length} scans, each by itself`}</p>
        ${tableHtml(table)}
        ${subjects ? listed(subjects, "subject") : ""}
      `,
      scans: html`<h2>Scan by scan</h2>${listed(cases, "scan")}`,
    },
    table,
  };
}

/** Writes a prediction beside the run, and what `deno task view` needs to show it. */
async function keepPrediction(
  out: string,
  { id }: EvaluatedCase,
  { image, reference, prediction }: CaseVolumes,
): Promise<Record<string, string>> {
  const folder = join(out, "predictions");
  await mkdir(folder, { recursive: true });
  const safe = safeName(id);
  const paths = { image: `${safe}_image.nii.gz`, reference: `${safe}_reference.nii.gz`, prediction: `${safe}.nii.gz` };
  await writeNifti(image, join(folder, paths.image));
  await writeNifti(reference, join(folder, paths.reference));
  await writeNifti(prediction, join(folder, paths.prediction));
  const relative = Object.entries(paths).map(([layer, name]) => [layer, join("predictions", name)]);
  return { id, ...Object.fromEntries(relative) };
}
