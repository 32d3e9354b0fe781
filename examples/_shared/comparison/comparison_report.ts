import type { ClassificationTarget } from "@med3d/downstream";
import type { ComparedCell, PretrainedCell } from "./cells.ts";
import { compareScores, type ScoredRun } from "./compare_scores.ts";
import {
  type PretrainedFigures,
  pretrainingDifferences,
  pretrainingSeedsTable,
  pretrainingTable,
} from "./pretraining_figures.ts";
import type { MetricObservations } from "./summarise.ts";
import { type ArmSummary, compareArms, type PairedSummary, summariseArms } from "./summarise.ts";
import { renderDeviationChart } from "../report/charts.ts";
import { type Html, html, page, tableHtml, trusted } from "../report/html.ts";
import { formatTable, type Table } from "../report/table.ts";

/** Test scans that the report lists as the worst. */
const WORST_LISTED = 10;

/** A metric with all that is said of it. */
export interface MetricComparison {
  /** Its name. */
  readonly metric: string;
  /** Whether more is better. */
  readonly higherIsBetter: boolean;
  /** Every arm at every share. */
  readonly arms: readonly ArmSummary[];
  /** Arms against others. */
  readonly paired: readonly PairedSummary[];
}

/** Everything that the report shows. */
export interface ComparisonContent {
  /** Heading. */
  readonly title: string;
  /** Which arm each is held against, by name. */
  readonly against: ReadonlyMap<string, string>;
  /** Fine-tunings done and in all. */
  readonly runs: { readonly done: number; readonly all: number };
  /** Runs whose results are not there yet. */
  readonly missing: readonly (ComparedCell | PretrainedCell)[];
  /** What runs said, where they classify; their measures come before the metrics. */
  readonly classified?: { readonly runs: readonly ScoredRun[]; readonly target: ClassificationTarget };
  /** The pretrained models themselves. */
  readonly pretrained: readonly PretrainedFigures[];
  /** What is compared scan by scan; the worst are chosen by the first. */
  readonly metrics: readonly MetricObservations[];
  /** Pictures of the worst scans. */
  readonly pictures: readonly { readonly title: string; readonly picture: Html }[];
  /** Data, device, versions. */
  readonly facts: Table;
  /** The protocol, to repeat all. */
  readonly protocol: unknown;
}

/** Works out every table of a comparison. */
export function compareMetrics(
  { metrics, classified, against }: Pick<ComparisonContent, "metrics" | "classified" | "against">,
): MetricComparison[] {
  const scores = classified ? compareScores(classified.runs, classified.target, against) : [];
  return [
    ...scores,
    ...metrics.map(({ metric, higherIsBetter, observations }) => ({
      metric,
      higherIsBetter,
      arms: summariseArms(observations),
      paired: compareArms(observations, against),
    })),
  ];
}

const percentOf = (labels: number): string => `${Number((100 * labels).toFixed(2))} %`;
const figure = (value: number): string => value.toFixed(Math.abs(value) < 10 ? 4 : 2);

/** Arms by rows, shares of the labels by columns: mean ± deviation over seeds. */
export function armsTable({ metric, arms }: MetricComparison): Table {
  const shares = [...new Set(arms.map(({ labels }) => labels))].sort((a, b) => a - b);
  const names = [...new Set(arms.map(({ arm }) => arm))];
  return [
    [`${metric}, mean ± deviation over seeds`, ...shares.map((labels) => `${percentOf(labels)} of labels`)],
    ...names.map((name) => [
      name,
      ...shares.map((labels) => {
        const found = arms.find((row) => row.arm === name && row.labels === labels);
        if (!found) return "–";
        const spread = found.deviation === undefined ? "" : ` ± ${figure(found.deviation)}`;
        return `${figure(found.mean)}${spread} (${found.seeds.length})`;
      }),
    ]),
  ];
}

/** Arms less those that they are held against. */
export function pairedTable({ metric, paired }: MetricComparison): Table {
  return [
    [
      `${metric}, difference`,
      "less",
      "labels",
      "seeds",
      "difference",
      "95 % interval",
      "subjects above : below",
      "p",
      "p, Holm",
    ],
    ...paired.map(({ arm, against, labels, seeds, difference, test }) => [
      arm,
      against,
      percentOf(labels),
      String(seeds.length),
      signed(difference.estimate),
      `${signed(difference.low)} … ${signed(difference.high)}`,
      ...test
        ? [`${test.larger} : ${test.smaller}`, test.pValue.toPrecision(2), test.correctedP.toPrecision(2)]
        : ["–", "–", "–"],
    ]),
  ];
}

function signed(value: number): string {
  return `${value >= 0 ? "+" : "−"}${figure(Math.abs(value))}`;
}

/** Test scans by their mean over all arms, shares and seeds, the worst first. */
export function worstTable({ metric, higherIsBetter, observations }: MetricObservations): Table {
  const scans = [...Map.groupBy(observations, ({ id }) => id)].map(([id, cases]) => ({
    id,
    mean: cases.reduce((sum, { value }) => sum + value, 0) / cases.length,
    worst: cases.reduce((found, one) => (one.value < found.value) === higherIsBetter ? one : found),
  })).sort((a, b) => (a.mean - b.mean) * (higherIsBetter ? 1 : -1));
  return [
    ["worst test scans", `mean ${metric}`, "worst", "of arm", "labels", "seed"],
    ...scans.slice(0, WORST_LISTED).map(({ id, mean, worst }) => [
      id,
      figure(mean),
      figure(worst.value),
      worst.arm,
      percentOf(worst.labels),
      String(worst.seed),
    ]),
  ];
}

/** Arms by rows, shares of the labels by columns: seeds whose runs are missing; the last column is of pretraining alone. */
export function missingTable(missing: ComparisonContent["missing"]): Table {
  const shares = [...new Set(missing.flatMap((cell) => "labels" in cell ? [cell.labels] : []))].sort((a, b) => a - b);
  const seedsOf = (cells: readonly { readonly seed: number }[]): string =>
    cells.map(({ seed }) => seed).join(", ") || "–";
  return [
    ["missing seeds", ...shares.map((labels) => `${percentOf(labels)} of labels`), "pretraining"],
    ...[...Map.groupBy(missing, ({ arm }) => arm)].map(([arm, cells]) => [
      arm,
      ...shares.map((labels) => seedsOf(cells.filter((cell) => "labels" in cell && cell.labels === labels))),
      seedsOf(cells.filter((cell) => !("labels" in cell))),
    ]),
  ];
}

/** The tables as plain text. */
export function comparisonText(content: ComparisonContent, comparisons: readonly MetricComparison[]): string {
  const { runs: { done, all }, missing, pretrained, against } = content;
  const differences = pretrainingDifferences(pretrained, against);
  return [
    `${done} of ${all} fine-tunings are done`,
    ...missing.length > 0 ? [formatTable(missingTable(missing))] : [],
    ...comparisons.flatMap((one) => [
      formatTable(armsTable(one)),
      ...one.paired.length > 0 ? [formatTable(pairedTable(one))] : [],
    ]),
    ...pretrained.length > 0 ? [formatTable(pretrainingTable(pretrained))] : [],
    ...differences.length > 1 ? [formatTable(differences)] : [],
  ].join("\n\n");
}

/** One HTML page without scripts or outside resources. */
export function renderComparison(content: ComparisonContent, comparisons: readonly MetricComparison[]): string {
  const { title, runs: { done, all }, missing, classified, metrics, pictures, facts, protocol } = content;
  return page(
    title,
    html`
      <h1>${title}</h1>
      <p>${done} of ${all} fine-tunings are done. Each figure is of test scans that neither pretraining nor fine-tuning
      saw. ${classified ? CLASSIFIED : SEGMENTED} In brackets: how many seeds.</p>
      ${missing.length > 0 ? tableHtml(missingTable(missing)) : ""}
      ${tableHtml(facts)} ${comparisons.map(metricSection)} ${pretrainingSection(content)}
      ${metrics.slice(0, 1).map((one) => html`<h2>Worst cases</h2>${tableHtml(worstTable(one))}`)}
      <div class="grid">${pictures.map(({ title, picture }) =>
        html`
          <figure>${picture}<figcaption>${title}</figcaption></figure>
        `
      )}</div>
      <h2>To repeat it</h2>
      <p>Save this as a file and give it to <code>deno task compare</code>.</p>
      <pre>${JSON.stringify(protocol, null, 2)}</pre>
    `,
  );
}

const SEGMENTED =
  "Segmentations: the mean over a scan's structures, then over scans; a missed structure counts with the worst value.";
const CLASSIFIED = "Classifications: measures of all subjects or scans that are scored, and their losses, one by one.";

const BY_SCAN =
  "Differences are taken scan by scan after averaging over seeds; the interval is a bootstrap over subjects (BCa), p is " +
  "Wilcoxon's signed-rank test over subjects, beside it corrected for the table's comparisons (Holm).";
const BY_MEASURE =
  "Differences are means over seeds; the interval is a bootstrap over subjects (BCa), who are drawn for both arms and all " +
  "seeds together.";

/** What there is to say of the pretrained models themselves. */
function pretrainingSection({ pretrained, against }: ComparisonContent): Html {
  if (pretrained.length === 0) return html``;
  const differences = pretrainingDifferences(pretrained, against);
  return html`
    <h2>The pretrained models</h2>
    <p>On held-out scans, whose captions are as they were written: how often the answer about a slice finds its own caption among all
    held-out slices, and among slices at the same plane and place; the distance between the centroids of answers and captions (0…2);
    the mean squared error of the reconstruction.</p>
    ${tableHtml(pretrainingTable(pretrained))} ${differences.length > 1 ? tableHtml(differences) : ""}
    ${tableHtml(pretrainingSeedsTable(pretrained))}
  `;
}

function metricSection(one: MetricComparison): Html {
  const series = [...Map.groupBy(one.arms, ({ arm }) => arm)].map(([name, rows]) => ({
    name,
    points: rows.toSorted((a, b) => a.labels - b.labels).map(({ labels, mean, deviation }) =>
      [100 * labels, mean, deviation ?? 0] as const
    ),
  }));
  const chart = new Set(one.arms.map(({ labels }) => labels)).size > 1
    ? trusted(renderDeviationChart(one.metric, "% of the training labels", series))
    : "";
  return html`
    <h2>${one.metric}</h2>
    ${tableHtml(armsTable(one))} ${chart} ${one.paired.length > 0
      ? html`
        ${tableHtml(pairedTable(one))}
        <p>${one.paired.every(({ test }) => test) ? BY_SCAN : BY_MEASURE}</p>
      `
      : ""}
  `;
}
