import { readVolume, renderPlanesPng, toCanonical } from "@med3d/volume";
import { findCases, type ViewCase } from "../view_cases.ts";
import { type Html, html, inlinePng } from "../report/html.ts";
import { middleOfLabels } from "../report/middle_of_labels.ts";
import type { ComparedCell } from "./cells.ts";
import type { MetricObservations } from "./summarise.ts";

/** Pictures in a report. */
const PICTURES = 4;

/** A picture and what it shows. */
export interface CasePicture {
  /** Which scan, arm, share and seed, and its figure. */
  readonly title: string;
  /** Scan, reference and prediction. */
  readonly picture: Html;
}

/** Shows the worst answers among those whose predictions were kept, one per scan. */
export async function worstPictures(
  cells: readonly ComparedCell[],
  { metric, higherIsBetter, observations }: MetricObservations,
): Promise<CasePicture[]> {
  const kept = new Map<ComparedCell, Map<string, ViewCase>>();
  for (const cell of cells) {
    const cases = await findCases(cell.folder, {}).catch((): ViewCase[] => []);
    kept.set(cell, new Map(cases.map((one) => [one.id, one])));
  }
  const shown = new Set<string>();
  const pictures: CasePicture[] = [];
  for (const one of observations.toSorted((a, b) => (a.value - b.value) * (higherIsBetter ? 1 : -1))) {
    const cell = cells.find(({ arm, labels, seed }) => arm === one.arm && labels === one.labels && seed === one.seed);
    const found = cell && kept.get(cell)?.get(one.id);
    if (!found || shown.has(one.id)) continue;
    shown.add(one.id);
    const title = `${one.id}, ${one.arm}, ${100 * one.labels} % of the labels, seed ${one.seed}: ${metric} ${
      one.value.toFixed(3)
    }`;
    pictures.push({ title, picture: await pictureOf(found) });
    if (pictures.length === PICTURES) break;
  }
  return pictures;
}

async function pictureOf({ image, reference, prediction }: ViewCase): Promise<Html> {
  const layers = [[image, "scan"], [reference, "reference"], [prediction, "prediction"]] as const;
  const shown = await Promise.all(layers.flatMap(([path, name]) => {
    if (path === undefined) return [];
    return [readVolume(path).then((volume) => ({ name, volume: toCanonical(volume).volume }))];
  }));
  const marked = shown.find(({ name }) => name === "reference")?.volume;
  const at = marked && { at: middleOfLabels(marked.data, marked.shape) };
  return html`${
    shown.map(({ name, volume }) =>
      inlinePng(renderPlanesPng(volume, { labels: name !== "scan", maxPixels: 260, ...at }), name)
    )
  }`;
}
