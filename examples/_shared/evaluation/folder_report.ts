import { renderPlanesPng, toCanonical, type Triple, type Volume } from "@med3d/volume";
import { formatFinding } from "../finding.ts";
import { renderLineChart } from "../report/charts.ts";
import { type Html, html, inlinePng, page, tableHtml, trusted } from "../report/html.ts";
import { formatTable } from "../report/table.ts";
import { caseDice, caseTable, statusTable, summaryTable, worstCases } from "./folder_tables.ts";
import type { FolderEvaluation } from "./evaluate_folders.ts";
import { matchFiles } from "./match_files.ts";
import { readPair } from "./read_pair.ts";

/** Worst cases that text and page list. */
const WORST = 10;
/** Of these, those that the page shows pictures of. */
const PICTURES = 4;

/** What the figures mean, in a few lines. */
export function explain(
  { settings: { surface, toleranceMm, structures, resamples, seed } }: FolderEvaluation,
): string[] {
  const surfaces = surface === "surfels"
    ? `Surfaces are marching-cubes elements weighted by area, as in DeepMind's surface-distance; surface Dice at ${toleranceMm} mm.`
    : surface === "voxels"
    ? `Surfaces are boundary voxels, as in MONAI; surface Dice at ${toleranceMm} mm.`
    : "Surfaces were not measured.";
  return [
    "A structure that is missed or made up counts with Dice 0 and with the scan's diagonal as distance; one that is rightly absent is in no mean.",
    surfaces,
    `Means ± standard deviation over cases, in brackets 95 % bootstrap intervals over subjects (${resamples} draws, seed "${seed}").`,
    ...structures.ignoreLabel === undefined
      ? []
      : [`Voxels labelled ${structures.ignoreLabel} in the reference are left out.`],
  ];
}

/** The evaluation as text for a terminal. */
export function folderText(evaluation: FolderEvaluation): string {
  const { cases, summary, findings, settings } = evaluation;
  const lines = [`${counted(cases.length, "case")}; labels from ${settings.labelsFrom}`, ""];
  if (summary) {
    lines.push(
      formatTable(statusTable(summary)),
      "",
      formatTable(summaryTable(summary)),
      "",
      ...explain(evaluation),
      "",
    );
    if (evaluation.perRun) lines.push("Run by run", formatTable(evaluation.perRun), "");
    const worst = worstCases(cases, WORST);
    if (worst.length > 0) lines.push("Worst cases", formatTable(caseTable(worst)), "");
  }
  lines.push(...findings.map(formatFinding));
  return lines.join("\n").trimEnd();
}

/** The evaluation as one page without scripts or outside resources. */
export async function folderHtml(evaluation: FolderEvaluation): Promise<string> {
  const { cases, summary, findings, settings } = evaluation;
  const { predictions, references, labelsFrom } = settings;
  return page(
    "Evaluation",
    html`<h1>Evaluation</h1>
<div class="facts">${
      tableHtml([
        ["", ""],
        ["predictions", predictions],
        ["references", references],
        ["cases", String(cases.length)],
        ["subjects", String(summary?.subjects ?? 0)],
        ["labels from", labelsFrom],
      ])
    }</div>
${explain(evaluation).map((line) => html`<p>${line}</p>`)}
${
      findings.length > 0
        ? html`
          <h2>Findings</h2>
          <ul>${findings.map((finding) => html`<li>${formatFinding(finding)}</li>`)}</ul>
        `
        : ""
    }
${
      summary
        ? html`<h2>Structures</h2>${tableHtml(statusTable(summary))}${tableHtml(summaryTable(summary))}
${evaluation.perRun ? html`<h2>Run by run</h2>${tableHtml(evaluation.perRun)}` : ""}
<h2>Dice by case</h2>${trusted(diceChart(evaluation))}
<h2>Worst cases</h2>${tableHtml(caseTable(worstCases(cases, WORST)))}${
          evaluation.perRun ? "" : await pictures(evaluation)
        }
<h2>All cases</h2>${tableHtml(caseTable(cases))}`
        : ""
    }`,
  );
}

/** Every structure's Dice from its worst case to its best. */
function diceChart({ cases }: FolderEvaluation): string {
  const names = cases[0]!.classes.map(({ name }) => name);
  return renderLineChart(
    "Dice, cases in order of it",
    "case",
    names.map((name, place) => ({
      name,
      points: cases.flatMap(({ classes }) => classes[place]!.dice ?? []).sort((a, b) => a - b)
        .map((dice, rank) => [rank + 1, dice] as const),
    })),
  );
}

/** Reference and prediction of the worst cases that have one, in three planes through the reference. */
async function pictures({ cases, settings }: FolderEvaluation): Promise<Html> {
  const matched = new Map(
    (await matchFiles(settings.predictions, settings.references)).cases.map((one) => [one.id, one]),
  );
  const shown: Html[] = [];
  for (const entry of worstCases(cases.filter(({ predicted }) => predicted), PICTURES)) {
    const { reference, prediction } = await readPair(matched.get(entry.id)!, () => {}) ?? {};
    if (!reference || !prediction) continue; // gone since
    const [truth, answer] = [reference, prediction].map((volume) => toCanonical(volume).volume) as [Volume, Volume];
    const at = fullestSlices(truth);
    const maps = [truth, answer].map((volume) =>
      inlinePng(renderPlanesPng(volume, { labels: true, maxPixels: 400, at }), entry.id)
    );
    shown.push(
      html`<figure>${maps}<figcaption>${entry.id}, mean Dice ${
        caseDice(entry)!.toFixed(3)
      }: reference, then prediction, through the reference's fullest slices</figcaption></figure>`,
    );
  }
  return shown.length === 0 ? html`` : html`<div>${shown}</div>`;
}

/** Along each axis the slice with most labelled voxels. */
function fullestSlices({ data, shape: [depth, height, width] }: Volume): Triple {
  const counts = [depth, height, width].map((size) => new Uint32Array(size));
  for (let z = 0, i = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (data[i] === 0) continue;
        counts[0]![z]!++;
        counts[1]![y]!++;
        counts[2]![x]!++;
      }
    }
  }
  return counts.map((along) =>
    along.indexOf(along.reduce((most, count) => Math.max(most, count), 0))
  ) as unknown as Triple;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
