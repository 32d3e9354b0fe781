import {
  type ClassComparison,
  type Interval,
  readMeasure,
  SEGMENTATION_MEASURES,
  type SegmentationMeasure,
  type SegmentationSummary,
} from "@med3d/downstream";
import type { Table } from "../report/table.ts";
import type { EvaluatedPair } from "./evaluate_folders.ts";

/** Measures of tables that people read; CSV and JSON have all. */
const SHOWN: readonly SegmentationMeasure[] = [
  "dice",
  "surfaceDice",
  "hausdorff95Mm",
  "averageSurfaceDistanceMm",
  "volumeErrorMl",
  "sensitivity",
  "precision",
];
const MEASURES = Object.keys(SEGMENTATION_MEASURES) as SegmentationMeasure[];

/** Writes a value with as many digits as it deserves; a dash where there is none. */
export function formatValue(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value.toFixed(Math.abs(value) < 10 ? 3 : Math.abs(value) < 100 ? 2 : 1);
}

/** `0.873 [0.860, 0.884]`. */
export function formatInterval({ estimate, low, high }: Interval): string {
  return `${formatValue(estimate)} [${formatValue(low)}, ${formatValue(high)}]`;
}

/** `HD95 (mm)`. */
export function titleOf(measure: SegmentationMeasure): string {
  const { title, unit } = SEGMENTATION_MEASURES[measure];
  return unit === "" ? title : `${title} (${unit})`;
}

/** Which structures were found, missed, made up and absent in how many cases. */
export function statusTable({ classes }: SegmentationSummary): Table {
  return [
    ["structure", "found", "missed", "false positive", "absent"],
    ...classes.map(({ name, found, missed, falsePositives, absent }) =>
      [name, found, missed, falsePositives, absent].map(String)
    ),
  ];
}

/** Mean ± deviation and interval of every structure, and the mean over structures. */
export function summaryTable({ classes, overall }: SegmentationSummary): Table {
  const shown = SHOWN.filter((measure) => overall[measure] !== null);
  return [
    ["measure", ...classes.map(({ name }) => name), "mean of structures"],
    ...shown.map((measure) => [
      titleOf(measure),
      ...classes.map(({ measures }) => {
        const summary = measures[measure];
        if (!summary) return "–";
        const { mean, standardDeviation } = summary;
        return `${formatValue(mean.estimate)} ± ${formatValue(standardDeviation)} [${formatValue(mean.low)}, ${
          formatValue(mean.high)
        }]`;
      }),
      formatInterval(overall[measure]!),
    ]),
  ];
}

/** Mean of the Dice that a case has; nothing where no structure is in it. */
export function caseDice({ classes }: EvaluatedPair): number | null {
  const values = classes.flatMap(({ dice }) => dice ?? []);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Cases of the lowest Dice first, those without any structure left out. */
export function worstCases(cases: readonly EvaluatedPair[], count: number): EvaluatedPair[] {
  return cases.filter((entry) => caseDice(entry) !== null).toSorted((a, b) => caseDice(a)! - caseDice(b)!).slice(
    0,
    count,
  );
}

/** What tables say of a structure that was not found. */
const STATUS_WORDS = { found: "", missed: " missed", "false-positive": " false positive", absent: "absent" } as const;

/** Cases with their Dice, and HD95 where surfaces were measured. */
export function caseTable(cases: readonly EvaluatedPair[]): Table {
  const names = cases[0]?.classes.map(({ name }) => name) ?? [];
  const hasSurface = cases[0]?.classes[0]?.surface !== undefined;
  const cell = (entry: ClassComparison): string =>
    entry.status === "absent" ? "absent" : `${formatValue(entry.dice)}${STATUS_WORDS[entry.status]}`;
  return [
    [
      "case",
      "mean Dice",
      ...names.map((name) => `Dice ${name}`),
      ...hasSurface ? names.map((name) => `HD95 ${name} (mm)`) : [],
    ],
    ...cases.map((entry) => [
      entry.predicted ? entry.id : `${entry.id} (no usable prediction)`,
      formatValue(caseDice(entry)),
      ...entry.classes.map(cell),
      ...hasSurface ? entry.classes.map((one) => formatValue(readMeasure(one, "hausdorff95Mm"))) : [],
    ]),
  ];
}

/** Every case and structure with every measure, for programs: full precision, empty where a value does not exist. */
export function casesCsv(cases: readonly EvaluatedPair[]): Table {
  const counts = ["truePositives", "falsePositives", "falseNegatives", "trueNegatives"] as const;
  return [
    ["case", "subject", "structure", "status", ...MEASURES, "predictionMl", "referenceMl", ...counts],
    ...cases.flatMap(({ id, subject, classes }) =>
      classes.map((entry) => [
        id,
        subject,
        entry.name,
        entry.status,
        ...MEASURES.map((measure) => String(readMeasure(entry, measure) ?? "")),
        String(entry.predictionMl),
        String(entry.referenceMl),
        ...counts.map((count) => String(entry.counts[count])),
      ])
    ),
  ];
}

/** Every structure and measure over cases, for programs. */
export function summaryCsv({ classes }: SegmentationSummary): Table {
  return [
    [
      ...["structure", "measure", "cases", "mean", "low", "high", "standardDeviation", "median", "minimum", "maximum"],
      ...["found", "missed", "falsePositives", "absent"],
    ],
    ...classes.flatMap(({ name, measures, found, missed, falsePositives, absent }) =>
      MEASURES.flatMap((measure) => {
        const summary = measures[measure];
        if (!summary) return [];
        const { cases, mean, standardDeviation, median, minimum, maximum } = summary;
        const values = [cases, mean.estimate, mean.low, mean.high, standardDeviation ?? "", median, minimum, maximum];
        return [[name, measure, ...[...values, found, missed, falsePositives, absent].map(String)]];
      })
    ),
  ];
}
