import { bootstrapInterval, type Interval } from "@med3d/downstream";
import type { Finding } from "@med3d/volume";
import { formatFinding } from "../finding.ts";
import { html, page, tableHtml } from "../report/html.ts";
import { formatTable, type Table } from "../report/table.ts";
import { formatInterval } from "./folder_tables.ts";
import { type MatchedScores, matchedSubjects, matchScores, readScoreTable, type ScoreTable } from "./read_scores.ts";
import { chooseKind, type ScoreKind, scoreProblem } from "./score_kinds.ts";
import type { ScoreMeasures, ScoreProblem } from "./score_problem.ts";

/** What is asked of an evaluation of a table. */
export interface ScoreSettings {
  /** CSV of predictions. */
  readonly predictions: string;
  /** CSV of references. */
  readonly references: string;
  /** What is scored: each case, or each subject by the mean of what was predicted of its cases. */
  readonly unit: "case" | "subject";
  /** What was predicted. Default: what the columns tell. */
  readonly kind?: ScoreKind;
  /** Draws of the bootstrap. */
  readonly resamples: number;
  /** Seed of the bootstrap. */
  readonly seed: string;
}

/** What an evaluation of a table found. */
export interface ScoreEvaluation {
  /** What was compared and how. */
  readonly settings: ScoreSettings & { readonly kind: ScoreKind };
  /** Number of references. */
  readonly cases: number;
  /** Of what is scored, cases or subjects, the number without prediction. */
  readonly missing: number;
  /** Number of subjects. */
  readonly subjects: number;
  /** Every measure with its interval over subjects; `null` where it does not exist. */
  readonly measures: Readonly<Record<string, Interval | null>>;
  /** All that the package has to say. */
  readonly details: unknown;
  /** Figures of each run, where the cases are those of several. */
  readonly perRun?: Table;
  /** What is wrong. */
  readonly findings: readonly Finding[];
  /** Names, confusion and measures of classes. */
  readonly problem: Pick<ScoreProblem, "classes" | "confusion" | "perClass" | "missing">;
}

/**
 * Compares a CSV of predictions with a CSV of references, matched by case.
 *
 * @throws UsageError when a table can't be read or does not hold what its kind needs.
 */
export async function evaluateScores(settings: ScoreSettings): Promise<ScoreEvaluation> {
  const predictions = await readScoreTable(settings.predictions);
  return evaluateTables({ predictions, references: await readScoreTable(settings.references) }, settings);
}

/** Two tables of the same cases. */
export interface ScoreTables {
  /** What was predicted. */
  readonly predictions: ScoreTable;
  /** What is true. */
  readonly references: ScoreTable;
}

/** Turns tables into what can be measured of them; errors as {@linkcode evaluateScores}. */
export function readProblem(
  { predictions, references }: ScoreTables,
  settings: ScoreSettings,
): { readonly problem: ScoreProblem; readonly matched: MatchedScores; readonly kind: ScoreKind } {
  const kind = settings.kind ?? chooseKind(predictions, references);
  const cases = matchScores(predictions, references, settings);
  const matched = settings.unit === "subject" ? matchedSubjects(cases, kind) : cases;
  return { kind, matched, problem: scoreProblem(kind, predictions, references, matched) };
}

/** Compares a table of predictions with a table of references, matched by case; errors as {@linkcode evaluateScores}. */
export function evaluateTables(tables: ScoreTables, settings: ScoreSettings): ScoreEvaluation {
  const { problem, matched, kind } = readProblem(tables, settings);
  const { measure, places, details } = problem;
  const subjects = places.map((place) => matched.subjects[place]!);
  const seen: ScoreMeasures[] = []; // one seed brings the same draws in the same order for every measure
  const measures = Object.entries(measure(places)).map(([name, value]): [string, Interval | null] => {
    if (value === null) return [name, null];
    let call = 0;
    const statistic = (drawn: readonly number[]): number => (seen[call++] ??= measure(drawn))[name] ?? NaN;
    const { seed, resamples } = settings;
    return [name, bootstrapInterval(places, statistic, { seed, resamples, subjects })];
  });
  return {
    settings: { ...settings, kind },
    cases: tables.references.rows.size,
    missing: matched.predicted.filter((row) => row === null).length,
    subjects: new Set(subjects).size,
    measures: Object.fromEntries(measures),
    details,
    findings: matched.findings,
    problem,
  };
}

/** Measures with intervals. */
function measuresTable({ measures }: ScoreEvaluation): Table {
  return [
    ["measure", "value [95 % interval]"],
    ...Object.entries(measures).map(([name, value]) => [name, value ? formatInterval(value) : "not defined"]),
  ];
}

/** Cases by actual and predicted class. */
function confusionTable({ problem: { confusion, classes } }: ScoreEvaluation): Table | undefined {
  return confusion &&
    [["actual \\ predicted", ...classes], ...confusion.map((row, i) => [classes[i]!, ...row.map(String)])];
}

function explain({ settings, cases, subjects, missing, problem }: ScoreEvaluation): string[] {
  return [
    `${settings.kind}, ${cases} cases of ${subjects} subjects${
      settings.unit === "subject" ? ", each subject scored once, by the mean of what was predicted of its cases" : ""
    }; intervals by bootstrap over subjects (${settings.resamples} draws, ` +
    `seed "${settings.seed}"). A measure that does not exist (one class alone) is not defined, never set to a chance level.`,
    ...missing > 0 ? [`${missing} without prediction: each ${problem.missing}.`] : [],
  ];
}

/** The evaluation as text for a terminal. */
export function scoreText(evaluation: ScoreEvaluation): string {
  const { problem: { perClass }, perRun } = evaluation;
  const tables = [measuresTable(evaluation), perClass, confusionTable(evaluation)];
  return [
    ...explain(evaluation),
    ...tables.flatMap((table) => table ? ["", formatTable(table)] : []),
    ...perRun ? ["", "Run by run", formatTable(perRun)] : [],
    ...evaluation.findings.length > 0 ? ["", ...evaluation.findings.map(formatFinding)] : [],
  ].join("\n");
}

/** The evaluation as one page without scripts or outside resources. */
export function scoreHtml(evaluation: ScoreEvaluation): string {
  const { findings, problem: { perClass }, perRun, settings } = evaluation;
  const confusion = confusionTable(evaluation);
  return page(
    "Evaluation",
    html`<h1>Evaluation</h1>
<p>${settings.predictions} against ${settings.references}</p>
${explain(evaluation).map((line) => html`<p>${line}</p>`)}
${tableHtml(measuresTable(evaluation))}
${perClass ? html`<h2>Classes</h2>${tableHtml(perClass)}` : ""}
${confusion ? html`<h2>Confusion</h2>${tableHtml(confusion)}` : ""}
${perRun ? html`<h2>Run by run</h2>${tableHtml(perRun)}` : ""}
${
      findings.length > 0
        ? html`
          <h2>Findings</h2>
          <ul>${findings.map((one) => html`<li>${formatFinding(one)}</li>`)}</ul>
        `
        : ""
    }`,
  );
}

/** Measures for programs: full precision, empty where a value does not exist. */
export function scoreCsv({ measures }: ScoreEvaluation): Table {
  return [
    ["measure", "value", "low", "high"],
    ...Object.entries(measures).map((
      [name, interval],
    ) => [name, ...[interval?.estimate, interval?.low, interval?.high].map((value) => String(value ?? ""))]),
  ];
}
