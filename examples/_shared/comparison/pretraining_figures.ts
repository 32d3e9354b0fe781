import { mean, standardDeviation } from "@med3d/downstream";
import { z } from "zod";
import type { Table } from "../report/table.ts";
import type { PretrainedCell } from "./cells.ts";
import { readEvaluation } from "./read_results.ts";

const evaluationSchema = z.object({
  retrieval: z.array(z.object({
    direction: z.string(),
    pool: z.string(),
    recallAt1: z.number(),
    recallAt5: z.number(),
    chanceAt1: z.number(),
    chanceAt5: z.number(),
  })),
  gapToCaptions: z.number(),
  reconstruction: z.object({ network: z.number() }),
});

type PretrainingEvaluation = z.infer<typeof evaluationSchema>;

/** A pretrained model and how it does on held-out scans. */
export interface PretrainedFigures extends Pick<PretrainedCell, "arm" | "seed" | "folder"> {
  /** Each figure, in the order of {@linkcode FIGURES}. */
  readonly values: readonly number[];
  /** The same for a ranking at random; nothing where there is no such thing. */
  readonly chance: readonly (number | undefined)[];
}

interface Figure {
  readonly name: string;
  readonly of: (evaluation: PretrainingEvaluation) => number;
  readonly chance?: (evaluation: PretrainingEvaluation) => number;
}

function recall(pool: string, name: string): Figure[] {
  const row = ({ retrieval }: PretrainingEvaluation): PretrainingEvaluation["retrieval"][number] => {
    const found = retrieval.find((one) => one.direction === "answer → caption" && one.pool === pool);
    if (found) return found;
    throw new Error(`Cannot compare: a pretraining has no retrieval of captions among "${pool}". Pretrain it again.`);
  };
  return [
    {
      name: `z → caption R@1 %, ${name}`,
      of: (one) => 100 * row(one).recallAt1,
      chance: (one) => 100 * row(one).chanceAt1,
    },
    { name: `R@5 %, ${name}`, of: (one) => 100 * row(one).recallAt5, chance: (one) => 100 * row(one).chanceAt5 },
  ];
}

/** What is said of a pretrained model. */
export const FIGURES: readonly Figure[] = [
  ...recall("all held-out slices", "all slices"),
  ...recall("same plane and place", "same place"),
  { name: "modality gap to captions", of: ({ gapToCaptions }) => gapToCaptions },
  { name: "reconstruction error", of: ({ reconstruction }) => reconstruction.network },
];

/** Reads the figures of pretrainings that are done. */
export async function readPretrainings(cells: readonly PretrainedCell[]): Promise<PretrainedFigures[]> {
  return await Promise.all(cells.map(async (cell) => {
    const evaluation = await readEvaluation(cell, evaluationSchema);
    const { arm, seed, folder } = cell;
    return {
      arm,
      seed,
      folder,
      values: FIGURES.map(({ of }) => of(evaluation)),
      chance: FIGURES.map(({ chance }) => chance?.(evaluation)),
    };
  }));
}

const figure = (value: number): string => value.toFixed(Math.abs(value) < 1 ? 4 : 2);

/** Arms by rows: mean ± deviation over seeds of each figure; below them what chance gives. */
export function pretrainingTable(pretrained: readonly PretrainedFigures[]): Table {
  const chance = FIGURES.map((_, place) => pretrained.flatMap((one) => one.chance[place] ?? []));
  return [
    ["pretrained, mean ± deviation over seeds", "seeds", ...FIGURES.map(({ name }) => name)],
    ...[...Map.groupBy(pretrained, ({ arm }) => arm)].map(([arm, runs]) => [
      arm,
      String(runs.length),
      ...FIGURES.map((_, place) => spread(runs.map(({ values }) => values[place]!))),
    ]),
    ["by chance", "", ...chance.map((values) => values.length === 0 ? "" : figure(mean(values)))],
  ];
}

/** Every pretrained model by itself. */
export function pretrainingSeedsTable(pretrained: readonly PretrainedFigures[]): Table {
  return [
    ["pretrained", "seed", ...FIGURES.map(({ name }) => name)],
    ...pretrained.map(({ arm, seed, values }) => [arm, String(seed), ...values.map(figure)]),
  ];
}

/** Every figure in full, for programs. */
export function pretrainingRows(pretrained: readonly PretrainedFigures[]): Table {
  return [
    ["arm", "seed", ...FIGURES.map(({ name }) => name)],
    ...pretrained.map(({ arm, seed, values }) => [arm, String(seed), ...values.map(String)]),
  ];
}

/** The figures of a pretrained model by name. */
export function namedFigures({ arm, seed, values }: PretrainedFigures): Record<string, unknown> {
  return { arm, seed, figures: Object.fromEntries(FIGURES.map(({ name }, place) => [name, values[place]!])) };
}

/** Each arm less the one that it is held against, seed by seed; arms that share a pretraining are left out. */
export function pretrainingDifferences(
  pretrained: readonly PretrainedFigures[],
  against: ReadonlyMap<string, string>,
): Table {
  const rows = [...Map.groupBy(pretrained, ({ arm }) => arm)].flatMap(([arm, runs]) => {
    const opponent = against.get(arm);
    const pairs = runs.flatMap((own) => {
      const other = pretrained.find(({ arm, seed }) => arm === opponent && seed === own.seed);
      return other && other.folder !== own.folder ? [{ own, other }] : [];
    });
    if (pairs.length === 0) return [];
    const differences = FIGURES.map((_, place) =>
      spread(pairs.map(({ own, other }) => own.values[place]! - other.values[place]!), signed)
    );
    return [[arm, opponent!, String(pairs.length), ...differences]];
  });
  return [["difference, mean ± deviation over seeds", "less", "seeds", ...FIGURES.map(({ name }) => name)], ...rows];
}

function signed(value: number): string {
  return `${value >= 0 ? "+" : "−"}${figure(Math.abs(value))}`;
}

function spread(values: readonly number[], format: (value: number) => string = figure): string {
  return format(mean(values)) + (values.length > 1 ? ` ± ${figure(standardDeviation(values))}` : "");
}
