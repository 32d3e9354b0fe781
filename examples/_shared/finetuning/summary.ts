import type { Table } from "../report/table.ts";
import type { EvaluatedCase } from "./evaluate_segmentation.ts";

/** One structure over all cases. */
export interface StructureSummary {
  /** Its name. */
  readonly name: string;
  /** Cases where it is there or was made up. */
  readonly cases: number;
  /** Cases where it is there and nothing of it was found. */
  readonly missed: number;
  /** Mean Dice over those cases; a missed or made-up structure counts 0. */
  readonly dice: number;
  /** Deviation of that over cases. */
  readonly diceDeviation: number;
  /** Mean 95th percentile of surface distances in mm; a missed or made-up structure counts the scan's diagonal. */
  readonly hausdorff95Mm: number | null;
  /** Mean surface Dice at the tolerance of the evaluation. */
  readonly surfaceDice: number | null;
}

/** Averages measures over cases, structure by structure. */
export function summarise(cases: readonly EvaluatedCase[]): StructureSummary[] {
  const names = cases[0]?.classes.map(({ name }) => name) ?? [];
  return names.map((name, place) => {
    const all = cases.map(({ classes }) => classes[place]!);
    const there = all.filter(({ dice }) => dice !== null);
    const dices = there.map(({ dice }) => dice!);
    const mean = average(dices);
    const surfaces = there.map(({ surface }) => surface);
    return {
      name,
      cases: there.length,
      missed: all.filter(({ status }) => status === "missed").length,
      dice: mean,
      diceDeviation: Math.sqrt(
        dices.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, dices.length - 1),
      ),
      hausdorff95Mm: averageOf(surfaces.map((surface) => surface?.hausdorff95Mm)),
      surfaceDice: averageOf(surfaces.map((surface) => surface?.surfaceDice)),
    };
  });
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function averageOf(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value): value is number => typeof value === "number");
  return known.length === 0 ? null : average(known);
}

/** The summary as a table, with the mean over structures below. */
export function classTable(summary: readonly StructureSummary[]): Table {
  const cell = (value: number | null, digits: number): string => value === null ? "–" : value.toFixed(digits);
  const mean = (pick: (row: StructureSummary) => number | null): number | null => averageOf(summary.map(pick));
  return [
    ["structure", "Dice", "± over scans", "HD95 mm", "surface Dice 1 mm", "scans", "missed"],
    ...summary.map((row) => [
      row.name,
      cell(row.dice, 4),
      cell(row.diceDeviation, 4),
      cell(row.hausdorff95Mm, 2),
      cell(row.surfaceDice, 4),
      String(row.cases),
      String(row.missed),
    ]),
    [
      "mean",
      cell(mean(({ dice }) => dice), 4),
      "",
      cell(mean(({ hausdorff95Mm }) => hausdorff95Mm), 2),
      cell(mean(({ surfaceDice }) => surfaceDice), 4),
      "",
      "",
    ],
  ];
}
