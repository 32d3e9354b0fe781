import type { StepRecord } from "@med3d/training";
import * as tf from "@tensorflow/tfjs-core";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatFinding } from "../finding.ts";
import { writeWhole } from "../pretraining/run_folder.ts";
import { formatDuration } from "../progress.ts";
import { renderLineChart, type Series } from "../report/charts.ts";
import { type Html, html, page, tableHtml, trusted } from "../report/html.ts";
import { FINETUNING_FILES } from "./files.ts";
import type { PreparedFinetuning } from "./prepare_finetuning.ts";
import type { TrainedNetwork } from "./train_network.ts";

/** What came out on held-out scans: figures, and scan by scan. */
export interface ResultSections {
  /** Below the heading of the held-out scans. */
  readonly figures: Html;
  /** Behind the curves. */
  readonly scans: Html;
}

/** What a report is made from. */
export interface FinishedFinetuning {
  readonly run: PreparedFinetuning;
  readonly trained: TrainedNetwork;
  /** What came out, as the task shows it. */
  readonly sections: ResultSections;
  /** Wall-clock time up to the end of training. */
  readonly trainedSeconds: number;
  /** Wall-clock time of this call. */
  readonly seconds: number;
}

/** Writes the report of a finished run: one page without scripts or outside resources. */
export async function writeFinetuningReport(finished: FinishedFinetuning): Promise<void> {
  const { run, trained, sections, trainedSeconds, seconds } = finished;
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
${sections.figures}
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
        renderLineChart("Validation, lower is better", "step", [{ name: "validation", points: trained.validations }]),
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
${sections.scans}
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
