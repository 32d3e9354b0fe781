import { mean, standardDeviation } from "@med3d/downstream";
import type { PretrainingConfiguration } from "../examples/_shared/pretraining/configuration.ts";
import type { Evaluation } from "../examples/_shared/pretraining/evaluation.ts";
import type { Table } from "../examples/_shared/report/table.ts";

/** What an ablation changes, on everything else the same. */
export type VariantSettings = Pick<
  PretrainingConfiguration,
  "reader" | "placeCode" | "psatQueries" | "slicesPerVolume"
>;

/** One side of the ablation. */
export interface Variant {
  /** Short name, for files and the command line. */
  readonly id: string;
  /** What it is, for the table. */
  readonly title: string;
  readonly settings: VariantSettings;
}

const BASELINE: VariantSettings = { reader: "psat", placeCode: true, psatQueries: 8, slicesPerVolume: 24 };

function variant(id: string, title: string, changes: Partial<VariantSettings> = {}): Variant {
  return { id, title, settings: { ...BASELINE, ...changes } };
}

/** The baseline, and what takes or changes one thing of it. */
export const VARIANTS: readonly Variant[] = [
  variant("baseline", `PSAT: place code, ${BASELINE.psatQueries} queries, ${BASELINE.slicesPerVolume} slices`),
  variant("no-place-code", "… without place code", { placeCode: false }),
  variant("pooled", "pooled features and place code", { reader: "pooled" }),
  variant("pooled-no-place-code", "pooled features alone", { reader: "pooled", placeCode: false }),
  ...[1, 32].map((psatQueries) => variant(`queries-${psatQueries}`, `PSAT, ${psatQueries} queries`, { psatQueries })),
  ...[6, 48].map((slicesPerVolume) =>
    variant(`slices-${slicesPerVolume}`, `PSAT, ${slicesPerVolume} slices per volume`, { slicesPerVolume })
  ),
];

/** Slices per volume that every held-out scan is asked about, whatever the variant learned from. */
export const HELD_OUT_SLICES = BASELINE.slicesPerVolume;

/** Slices per volume that are captioned and that the 2D encoders are fitted on: the most of any variant. */
export const MOST_SLICES = Math.max(...VARIANTS.map(({ settings }) => settings.slicesPerVolume));

/** What a run found. */
export interface AblationResult {
  readonly variant: string;
  readonly seed: number;
  readonly evaluation: Pick<
    Evaluation,
    "questions" | "retrieval" | "gapToCaptions" | "gapToSlices" | "reconstruction"
  >;
  /** Trained parameters: of all, and of what answers. */
  readonly parameters: { readonly all: number; readonly reader: number };
  /** Median over the steps but the first ones, which compile. */
  readonly secondsPerStep: number;
  /** What it computed on, and on which scans. */
  readonly device: string;
  readonly data: string;
}

const RETRIEVALS = ["answer → caption", "answer → slice"].flatMap((direction) =>
  ["all held-out slices", "same plane and place"].map((pool) => ({ direction, pool }))
);

/** A figure of a result and how it is written. */
interface Figure {
  readonly heading: string;
  readonly of: (result: AblationResult) => number;
  readonly digits: number;
  /** The same figure by chance, or of what ignores the scan. */
  readonly chance?: (result: AblationResult) => number;
}

const FIGURES: readonly Figure[] = [
  ...RETRIEVALS.flatMap(({ direction, pool }) => {
    const retrievalOf = ({ evaluation }: AblationResult) =>
      evaluation.retrieval.find((one) => one.direction === direction && one.pool === pool)!;
    const target = direction.split(" ").at(-1);
    const place = pool.startsWith("same") ? ", same place" : "";
    return ([1, 5] as const).map((k): Figure => ({
      heading: `${target} R@${k} %${place}`,
      of: (result) => 100 * retrievalOf(result)[`recallAt${k}`],
      digits: 1,
      chance: (result) => 100 * retrievalOf(result)[`chanceAt${k}`],
    }));
  }),
  {
    heading: "reconstruction MSE",
    of: ({ evaluation }) => evaluation.reconstruction.network,
    digits: 4,
    chance: ({ evaluation }) => evaluation.reconstruction.meanScan,
  },
  { heading: "gap to captions", of: ({ evaluation }) => evaluation.gapToCaptions, digits: 3 },
  { heading: "gap to slices", of: ({ evaluation }) => evaluation.gapToSlices, digits: 3 },
  { heading: "s per step", of: ({ secondsPerStep }) => secondsPerStep, digits: 3 },
];

/** Mean ± standard deviation; the mean alone of a single value. */
export function describeSpread(values: readonly number[], digits: number): string {
  const spread = values.length > 1 ? ` ± ${standardDeviation(values).toFixed(digits)}` : "";
  return `${mean(values).toFixed(digits)}${spread}`;
}

/**
 * Puts results into a table: a row per variant that has any, mean ± standard deviation over its seeds, and a row of what chance, or predicting the
 * mean training scan, would give.
 */
export function ablationTable(results: readonly AblationResult[]): Table {
  const byVariant = Map.groupBy(results, (result) => result.variant);
  const rows = VARIANTS.filter(({ id }) => byVariant.has(id)).map(({ id, title }) => {
    const found = byVariant.get(id)!;
    const { reader, all } = found[0]!.parameters;
    return [
      title,
      found.map(({ seed }) => seed).join(", "),
      reader.toLocaleString("en"),
      all.toLocaleString("en"),
      ...FIGURES.map((figure) => describeSpread(found.map(figure.of), figure.digits)),
    ];
  });
  const byChance = FIGURES.map(({ chance, digits }) => chance ? mean(results.map(chance)).toFixed(digits) : "–");
  return [
    ["variant", "seeds", "reader's parameters", "all parameters", ...FIGURES.map(({ heading }) => heading)],
    ...rows,
    ["chance; mean training scan", "–", "–", "–", ...byChance],
  ];
}

/** A table in Markdown, numbers to the right. */
export function markdownTable(table: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [heading, ...rows] = table as [readonly string[], ...Table];
  return [line(heading), line(heading.map((_, column) => column === 0 ? "---" : "---:")), ...rows.map(line)].join("\n");
}
