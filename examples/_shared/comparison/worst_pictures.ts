import { readVolume, renderPlanesPng, toCanonical } from "@med3d/volume";
import { type LabelledCase, listCases } from "../finetuning/cases.ts";
import { parseFinetuning } from "../finetuning/configuration.ts";
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
  worst: MetricObservations,
): Promise<CasePicture[]> {
  const kept = new Map<ComparedCell, ReadonlyMap<string, Show>>();
  for (const cell of cells) {
    const cases = await findCases(cell.folder, {}).catch((): ViewCase[] => []);
    kept.set(cell, new Map(cases.map((one) => [one.id, () => pictureOf(one)])));
  }
  return await choosePictures(cells, worst, (cell) => kept.get(cell)!);
}

/** Shows the scans that were classified worst, read from the data anew; of a subject scored as one its first. Unreadable ones are left out. */
export async function worstScans(cells: readonly ComparedCell[], worst: MetricObservations): Promise<CasePicture[]> {
  const lists = new Map<string, ReadonlyMap<string, Show>>();
  const scansOf = async (cell: ComparedCell): Promise<ReadonlyMap<string, Show>> => {
    const choice = parseFinetuning(cell.configuration, `the configuration of ${cell.folder}`);
    const key = JSON.stringify([choice.data, choice.modality, choice.channels, choice.data ?? choice.seed]);
    const list = lists.get(key) ?? await listCases(choice).then(
      ({ cases }) =>
        new Map(
          cases.toReversed().flatMap((one) => {
            const show: Show = () => scanPicture(one);
            return [[one.subject, show], [one.id, show]] as const;
          }),
        ),
      () => new Map<string, Show>(),
    );
    lists.set(key, list);
    return list;
  };
  const scans = new Map<ComparedCell, ReadonlyMap<string, Show>>();
  for (const cell of cells) scans.set(cell, await scansOf(cell));
  return await choosePictures(cells, worst, (cell) => scans.get(cell)!);
}

/** Makes a picture. */
type Show = () => Promise<Html>;

async function choosePictures(
  cells: readonly ComparedCell[],
  { metric, higherIsBetter, observations }: MetricObservations,
  showsOf: (cell: ComparedCell) => ReadonlyMap<string, Show>,
): Promise<CasePicture[]> {
  const shown = new Set<string>();
  const pictures: CasePicture[] = [];
  for (const one of observations.toSorted((a, b) => (a.value - b.value) * (higherIsBetter ? 1 : -1))) {
    const cell = cells.find(({ arm, labels, seed }) => arm === one.arm && labels === one.labels && seed === one.seed);
    const show = cell && showsOf(cell).get(one.id);
    if (!show || shown.has(one.id)) continue;
    shown.add(one.id);
    const picture = await show().catch(() => undefined);
    if (!picture) continue;
    const title = `${one.id}, ${one.arm}, ${100 * one.labels} % of the labels, seed ${one.seed}: ${metric} ${
      one.value.toFixed(3)
    }`;
    pictures.push({ title, picture });
    if (pictures.length === PICTURES) break;
  }
  return pictures;
}

async function scanPicture({ loadChannels }: LabelledCase): Promise<Html> {
  const [scan] = await loadChannels(() => {});
  return inlinePng(renderPlanesPng(toCanonical(scan!).volume, { maxPixels: 260 }), "scan");
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
