import type { StepRecord } from "@med3d/training";
import { renderPlanesPng, toCanonical } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatFinding } from "../finding.ts";
import { writeWhole } from "../pretraining/run_folder.ts";
import { formatDuration } from "../progress.ts";
import { renderLineChart, type Series } from "../report/charts.ts";
import { type Html, html, inlinePng, page, tableHtml, trusted } from "../report/html.ts";
import type { CaseVolumes, EvaluatedCase } from "./evaluate_segmentation.ts";
import { FINETUNING_FILES } from "./files.ts";
import type { PreparedFinetuning } from "./prepare_finetuning.ts";
import { classTable, type StructureSummary } from "./summary.ts";
import type { TrainedNetwork } from "./train_network.ts";

/** What a report is made from. */
export interface FinishedFinetuning {
  readonly run: PreparedFinetuning;
  readonly trained: TrainedNetwork;
  readonly evaluated: readonly EvaluatedCase[];
  readonly summary: readonly StructureSummary[];
  /** Cases that are shown as pictures. */
  readonly shown: readonly { readonly result: EvaluatedCase; readonly volumes: CaseVolumes }[];
  /** Wall-clock time up to the end of training. */
  readonly trainedSeconds: number;
  /** Wall-clock time of this call. */
  readonly seconds: number;
}

/** Writes the report of a finished run: one page without scripts or outside resources. */
export async function writeFinetuningReport(finished: FinishedFinetuning): Promise<void> {
  const { run, trained, evaluated, summary, shown, trainedSeconds, seconds } = finished;
  const { configuration, backend, list, split, findings, start, plan } = run;
  const records = await readMetrics(join(configuration.out, FINETUNING_FILES.metrics));
  const facts = [
    ["run", ""],
    ["data", list.description],
    [
      "used",
      `${split.training.length} scans to train on, ${split.validation.length} to validate, ${split.test.length} held out`,
    ],
    ["network", `${plan.architecture} ${JSON.stringify(plan.arguments)}, ${start}`],
    ["weights kept", trained.chosen],
    ["device", backend.device],
    ["versions", `TensorFlow.js ${tf.version_core}, Deno ${Deno.version.deno}`],
    ["steps", String(trained.completedSteps)],
    ["time up to the end of training", formatDuration(trainedSeconds)],
    ["time of this call", formatDuration(seconds)],
    ["finished", new Date().toISOString()],
  ];
  const title = `Fine-tuning of ${configuration.out}`;
  const notices = [...(backend.notice ? [backend.notice] : []), ...trained.notices, ...findings.map(formatFinding)];
  const terms = Object.keys(records[0]?.terms ?? {});
  const body = html`<h1>${title}</h1>
<div class="facts">${tableHtml(facts)}</div>
${
    notices.length > 0
      ? html`
        <h2>Notices</h2>
        <ul>${notices.map((notice) => html`<li>${notice}</li>`)}</ul>
      `
      : ""
  }
<h2>On held-out scans</h2>
${
    evaluated.length > 0
      ? html`<p>A structure that is missed or made up counts with Dice 0 and the scan's diagonal as distance.</p>${
        tableHtml(classTable(summary))
      }`
      : html`<p>None were held out.</p>`
  }
<h2>Training</h2>
${
    trusted(
      renderLineChart(
        "Loss terms",
        "step",
        terms.map((term) => series(term, records, (record) => record.terms[term]!)),
      ),
    )
  }
${
    trained.validations.length > 0
      ? trusted(
        renderLineChart("1 − mean Dice of validation", "step", [{ name: "validation", points: trained.validations }]),
      )
      : ""
  }
${
    trusted(
      renderLineChart("learning rate", "step", [series("learning rate", records, ({ learningRate }) => learningRate)]),
    )
  }
${
    trusted(
      renderLineChart("gradient norm", "step", [series("gradient norm", records, ({ gradientNorm }) => gradientNorm)]),
    )
  }
<h2>Scans</h2>
<p>Slices through the middle of what is labelled: the scan, the reference, the prediction.</p>
<div class="grid">${shown.map(pictures)}</div>
<h2>Case by case</h2>
${tableHtml(caseTable(evaluated))}
<h2>What was done to the voxels</h2>
<pre>${JSON.stringify(plan.preprocessing, null, 2)}</pre>
<h2>Configuration</h2>
<pre>${JSON.stringify(configuration, null, 2)}</pre>`;
  await writeWhole(join(configuration.out, FINETUNING_FILES.report), page(title, body));
}

async function readMetrics(path: string): Promise<StepRecord[]> {
  return (await readFile(path, "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line) as StepRecord);
}

function series(name: string, records: readonly StepRecord[], valueOf: (record: StepRecord) => number): Series {
  return { name, points: records.map((record) => [record.step, valueOf(record)]) };
}

/** Every case by its mean Dice, worst first. */
function caseTable(cases: readonly EvaluatedCase[]): string[][] {
  const names = cases[0]?.classes.map(({ name }) => name) ?? [];
  const meanOf = ({ classes }: EvaluatedCase): number => {
    const values = classes.flatMap(({ dice }) => dice === null ? [] : [dice]);
    return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  };
  const cell = (value: number | null | undefined, digits: number): string =>
    typeof value === "number" ? value.toFixed(digits) : "–";
  return [
    ["scan", "mean Dice", ...names.flatMap((name) => [`${name}: Dice`, "HD95 mm", "mL", "true mL"])],
    ...cases.toSorted((a, b) => meanOf(a) - meanOf(b)).map((entry) => [
      entry.id,
      cell(meanOf(entry), 4),
      ...entry.classes.flatMap(({ dice, surface, predictionMl, referenceMl }) => [
        cell(dice, 4),
        cell(surface?.hausdorff95Mm, 2),
        cell(predictionMl, 2),
        cell(referenceMl, 2),
      ]),
    ]),
  ];
}

function pictures({ result, volumes }: { result: EvaluatedCase; volumes: CaseVolumes }): Html {
  const reference = toCanonical(volumes.reference).volume;
  const at = middleOfLabels(reference.data, reference.shape);
  const render = (name: "image" | "reference" | "prediction"): Html =>
    inlinePng(
      renderPlanesPng(toCanonical(volumes[name]).volume, { at, labels: name !== "image", maxPixels: 260 }),
      `${result.id}, ${name}`,
    );
  const dice = result.classes.map(({ name, dice }) => `${name} ${dice === null ? "–" : dice.toFixed(3)}`).join(", ");
  return html`<figure>${render("image")}${render("reference")}${
    render("prediction")
  }<figcaption><b>${result.id}</b><br>${dice}</figcaption></figure>`;
}

/** The voxel at the mean place of all labelled ones; the middle where there are none. */
function middleOfLabels(
  data: ArrayLike<number>,
  [depth, height, width]: readonly [number, number, number],
): [number, number, number] {
  let [z, y, x, count] = [0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    z += Math.floor(i / (height * width));
    y += Math.floor(i / width) % height;
    x += i % width;
    count++;
  }
  if (count === 0) return [depth >> 1, height >> 1, width >> 1];
  return [Math.round(z / count), Math.round(y / count), Math.round(x / count)];
}
