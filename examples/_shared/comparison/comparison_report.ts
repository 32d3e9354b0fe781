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
  /** Every arm against the baseline. */
  readonly paired: readonly PairedSummary[];
}

/** Everything that the report shows. */
export interface ComparisonContent {
  /** Heading. */
  readonly title: string;
  /** Which arm the others are held against. */
  readonly baseline: string;
  /** Fine-tunings done and in all. */
  readonly runs: { readonly done: number; readonly all: number };
  /** What is compared. */
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
  { metrics, baseline }: Pick<ComparisonContent, "metrics" | "baseline">,
): MetricComparison[] {
  return metrics.map(({ metric, higherIsBetter, observations }) => ({
    metric,
    higherIsBetter,
    arms: summariseArms(observations),
    paired: compareArms(observations, baseline),
  }));
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

/** Every arm less the baseline. */
export function pairedTable({ metric, paired }: MetricComparison, baseline: string): Table {
  return [
    [
      `${metric} less that of ${baseline}`,
      "labels",
      "seeds",
      "difference",
      "95 % interval",
      "subjects above : below",
      "p",
      "p, Holm",
    ],
    ...paired.map(({ arm, labels, seeds, difference, larger, smaller, pValue, correctedP }) => [
      arm,
      percentOf(labels),
      String(seeds.length),
      signed(difference.estimate),
      `${signed(difference.low)} … ${signed(difference.high)}`,
      `${larger} : ${smaller}`,
      pValue.toPrecision(2),
      correctedP.toPrecision(2),
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

/** The tables as plain text. */
export function comparisonText(content: ComparisonContent, comparisons: readonly MetricComparison[]): string {
  const { runs: { done, all }, baseline } = content;
  return [
    `${done} of ${all} fine-tunings are done`,
    ...comparisons.flatMap((one) => [
      formatTable(armsTable(one)),
      ...one.paired.length > 0 ? [formatTable(pairedTable(one, baseline))] : [],
    ]),
  ].join("\n\n");
}

/** One HTML page without scripts or outside resources. */
export function renderComparison(content: ComparisonContent, comparisons: readonly MetricComparison[]): string {
  const { title, runs: { done, all }, baseline, metrics, pictures, facts, protocol } = content;
  return page(
    title,
    html`
      <h1>${title}</h1>
      <p>${done} of ${all} fine-tunings are done. Each figure is of test scans that neither pretraining nor fine-tuning
      saw: the mean over a scan's structures, then over scans. A missed structure counts with the worst value. In brackets:
      how many seeds.</p>
      ${tableHtml(facts)} ${comparisons.map((one) => metricSection(one, baseline))}
      <h2>Worst cases</h2>
      ${metrics.slice(0, 1).map((one) => tableHtml(worstTable(one)))}
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

function metricSection(one: MetricComparison, baseline: string): Html {
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
        ${tableHtml(pairedTable(one, baseline))}
        <p>Differences are taken scan by scan after averaging over seeds; the interval is a bootstrap over subjects (BCa), p is
        Wilcoxon's signed-rank test over subjects, beside it corrected for the table's comparisons (Holm).</p>
      `
      : ""}
  `;
}
