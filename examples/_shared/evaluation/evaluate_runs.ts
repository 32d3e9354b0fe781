import { summariseSegmentations } from "@med3d/downstream";
import type { Finding } from "@med3d/volume";
import { basename } from "node:path";
import type { Table } from "../report/table.ts";
import type { FolderEvaluation } from "./evaluate_folders.ts";
import {
  evaluateTables,
  readProblem,
  type ScoreEvaluation,
  type ScoreSettings,
  type ScoreTables,
} from "./evaluate_scores.ts";
import { formatValue } from "./folder_tables.ts";
import { type FinetunedRun, type PredictedCase, readRuns } from "./read_runs.ts";
import type { ScoreTable } from "./read_scores.ts";
import type { ScoreKind } from "./score_kinds.ts";
import type { ScoreMeasures } from "./score_problem.ts";

/** What is asked of an evaluation of runs. */
export interface RunSettings {
  /** Folders of finished fine-tuning runs. */
  readonly runs: readonly string[];
  /** What is scored where scans are classified. Default: as the runs say. */
  readonly unit?: "case" | "subject";
  /** Draws of the bootstrap. */
  readonly resamples: number;
  /** Seed of the bootstrap. */
  readonly seed: string;
}

/** What runs come to together. */
export type RunsEvaluation =
  | { readonly task: "segment"; readonly evaluation: FolderEvaluation }
  | {
    readonly task: "classify";
    readonly evaluation: ScoreEvaluation;
    /** What was predicted and what is true, case by case: tables that `--predictions` and `--references` take too. */
    readonly tables: { readonly predictions: Table; readonly references: Table };
  };

/**
 * Pools what fine-tuning runs said of the scans that each held out, as of the folds of a cross-validation, and evaluates it as a whole. AUROC
 * then ranks probabilities of different networks among each other, as if they were calibrated alike; the table run by run does not.
 *
 * @throws UsageError as {@linkcode readRuns}, and when several values were learned at once.
 */
export async function evaluateRuns({ runs: folders, unit, ...bootstrap }: RunSettings): Promise<RunsEvaluation> {
  const { runs, findings } = await readRuns(folders);
  const first = runs[0]!;
  if (first.task === "segment") {
    return { task: "segment", evaluation: poolSegmentations(runs, { bootstrap, findings }) };
  }
  const tables = tablesOf(runs);
  const settings: ScoreSettings = {
    predictions: folders.join(", "),
    references: "the classes of the scans that each held out",
    unit: unit ?? first.unit,
    kind: KINDS[first.target],
    ...bootstrap,
  };
  const evaluation = evaluateTables(tables, settings);
  const perRun = runTable(runs, (run) => {
    const { problem: { measure, places } } = readProblem(tablesOf([run]), settings);
    return measure(places);
  });
  return {
    task: "classify",
    evaluation: { ...evaluation, perRun, findings: [...findings, ...evaluation.findings] },
    tables: { predictions: asTable(tables.predictions), references: asTable(tables.references) },
  };
}

const KINDS: Readonly<Record<FinetunedRun["target"], ScoreKind>> = {
  classes: "multiclass",
  labels: "multilabel",
  ordinal: "ordinal",
  values: "regression",
};

function poolSegmentations(
  runs: readonly FinetunedRun[],
  { bootstrap, findings }: { bootstrap: Pick<RunSettings, "resamples" | "seed">; findings: readonly Finding[] },
): FolderEvaluation {
  const { structures, ignoreLabel } = runs[0]!;
  const cases = runs.flatMap(({ segmented }) => segmented.map((entry) => ({ ...entry, predicted: true })));
  return {
    settings: {
      predictions: runs.map(({ folder }) => folder).join(", "),
      references: "the labels of the scans that each held out",
      labelsFrom: "the runs",
      structures: { classes: structures, ...ignoreLabel !== null && { ignoreLabel } },
      toleranceMm: 1,
      surface: "surfels",
      ...bootstrap,
    },
    cases,
    ...cases.length > 0 && { summary: summariseSegmentations(cases, bootstrap) },
    perRun: runTable(runs, ({ segmented, classes }) =>
      Object.fromEntries(classes.map((name, place) => {
        const dices = segmented.flatMap((entry) => entry.classes[place]!.dice ?? []);
        return [`Dice ${name}`, mean(dices)];
      }))),
    findings,
  };
}

/** The held-out cases of runs as tables. */
function tablesOf(runs: readonly FinetunedRun[]): ScoreTables {
  const cases = runs.flatMap(({ predicted }) => predicted);
  const { target, classes } = runs[0]!;
  const subjects = new Map(cases.map(({ id, subject }) => [id, subject]));
  const table = (columns: readonly string[], rowOf: (entry: PredictedCase) => readonly number[]): ScoreTable => ({
    columns,
    rows: new Map(cases.map((entry) => [entry.id, rowOf(entry).map(String)])),
    subjects,
  });
  const truths = target === "classes" ? ["class"] : target === "ordinal" ? ["grade"] : classes;
  return {
    predictions: table(classes, ({ predicted }) => predicted),
    references: table(truths, ({ actual }) => actual.slice(0, truths.length)),
  };
}

function asTable({ columns, rows, subjects }: ScoreTable): Table {
  return [
    ["case", "subject", ...columns],
    ...[...rows].map(([id, cells]) => [id, subjects.get(id)!, ...cells]),
  ];
}

/** Each measure of each run and the mean over runs, where all have it. */
function runTable(runs: readonly FinetunedRun[], measuresOf: (run: FinetunedRun) => ScoreMeasures): Table {
  const measured = runs.map(measuresOf);
  return [
    ["measure", ...runs.map(({ folder }) => basename(folder)), "mean"],
    ...Object.keys(measured[0]!).map((name) => {
      const values = measured.map((measures) => measures[name] ?? null);
      const known = values.filter((value) => value !== null);
      return [name, ...[...values, known.length < values.length ? null : mean(known)].map(formatValue)];
    }),
  ];
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
