import { renderPlanesPng, toCanonical } from "@med3d/volume";
import { type Html, html, inlinePng, tableHtml } from "../report/html.ts";
import type { CaseVolumes, EvaluatedCase } from "./evaluate_segmentation.ts";
import type { ResultSections } from "./run_report.ts";
import { middleOfLabels } from "../report/middle_of_labels.ts";
import { classTable, type StructureSummary } from "./summary.ts";

/** A case that is shown as pictures. */
export interface ShownCase {
  readonly result: EvaluatedCase;
  readonly volumes: CaseVolumes;
}

/** What a segmentation's report shows: structures, pictures in three planes, and every case. */
export function segmentationSections(
  evaluated: readonly EvaluatedCase[],
  summary: readonly StructureSummary[],
  shown: readonly ShownCase[],
): ResultSections {
  return {
    figures: html`
      <p>A structure that is missed or made up counts with Dice 0 and the scan's diagonal as distance.</p>
      ${tableHtml(classTable(summary))}
    `,
    scans: html`
      <h2>Scans</h2>
      <p>Slices through the middle of what is labelled: the scan, the reference, the prediction.</p>
      <div class="grid">${shown.map(pictures)}</div>
      <h2>Case by case</h2>
      ${tableHtml(caseTable(evaluated))}
    `,
  };
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

function pictures({ result, volumes }: ShownCase): Html {
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
