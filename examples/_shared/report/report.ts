import type { Evaluation } from "../pretraining/evaluation.ts";
import { renderHeatMap, renderLineChart, type Series } from "./charts.ts";
import { type Html, html, inlinePng, page, tableHtml, trusted } from "./html.ts";
import { figuresTable, retrievalTable, type Table } from "./table.ts";

/** Everything that a pretraining report shows. */
export interface ReportContent {
  /** Heading. */
  readonly title: string;
  /** Lines about the run: data, device, versions, time. */
  readonly facts: Table;
  /** What the user should know: faulty scans, fallbacks. */
  readonly notices: readonly string[];
  /** Loss terms by step. */
  readonly losses: readonly Series[];
  /** Learning rate, gradient norm and the like by step, each its own chart. */
  readonly others: readonly Series[];
  /** Figures on held-out scans. */
  readonly evaluation: Evaluation;
  /** Slices of held-out scans with their captions. */
  readonly slices: readonly { readonly png: Uint8Array; readonly title: string; readonly caption: string }[];
  /** Transport plan between answers and captions of a batch of held-out questions. */
  readonly plan?: { readonly values: Float32Array; readonly size: number };
  /** Middle slices of held-out scans: the scan, what the network was shown, what it made of that. */
  readonly reconstructions: readonly {
    readonly title: string;
    readonly pngs: readonly [Uint8Array, Uint8Array, Uint8Array];
  }[];
  /** What was done to the voxels of a scan, in order. */
  readonly history: readonly string[];
  /** The configuration in force, as JSON. */
  readonly configuration: unknown;
}

/** Renders a report as one HTML page without scripts or outside resources. */
export function renderReport(content: ReportContent): string {
  const { title, notices, plan, evaluation } = content;
  return page(
    title,
    html`<h1>${title}</h1>
<div class="facts">${tableHtml(content.facts)}</div>
${
      notices.length > 0
        ? html`
          <h2>Notices</h2>
          <ul>${notices.map((notice) => html`<li>${notice}</li>`)}</ul>
        `
        : ""
    }
<h2>On held-out scans</h2>
<p>${evaluation.questions} questions about ${evaluation.scans} scans that were not trained on. A tie counts against the network.</p>
${tableHtml(retrievalTable(evaluation))}
${tableHtml(figuresTable(evaluation))}
<h2>Training</h2>
${trusted(renderLineChart("Loss terms", "step", content.losses))}
${content.others.map((series) => trusted(renderLineChart(series.name, "step", [series])))}
${plan ? planSection(plan) : ""}
<h2>Reconstructions</h2>
<p>Left the scan, in the middle what the network was shown, right what it made of that.</p>
<div class="grid">${content.reconstructions.map(reconstruction)}</div>
<h2>Slices and captions</h2>
<div class="grid">${content.slices.map(slice)}</div>
<h2>What was done to the voxels</h2>
<p>Of the first scan, in order:</p>
<ol>${content.history.map((line) => html`<li>${line}</li>`)}</ol>
<h2>Configuration</h2>
<pre>${JSON.stringify(content.configuration, null, 2)}</pre>`,
  );
}

function planSection({ values, size }: { values: Float32Array; size: number }): Html {
  return html`<h2>Transport plan</h2>
<p>Between the network's answers (rows) and captions (columns) of ${size} held-out questions. Mass on the diagonal joins an answer with its own caption.</p>
${trusted(renderHeatMap("Transport plan", values, size))}`;
}

function reconstruction({ title, pngs }: ReportContent["reconstructions"][number]): Html {
  const names = ["scan", "shown", "reconstructed"];
  return html`
    <figure>
      <div class="triple">${pngs.map((png, index) => inlinePng(png, `${title}, ${names[index]}`))}</div>
      <figcaption>${title}</figcaption>
    </figure>
  `;
}

function slice({ png, title, caption }: ReportContent["slices"][number]): Html {
  return html`<figure>${inlinePng(png, title)}<figcaption><b>${title}</b><br>${caption}</figcaption></figure>`;
}
