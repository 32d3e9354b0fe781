import type { Finding } from "@med3d/volume";
import { subjectOf } from "@med3d/volume";
import { parse } from "csv-parse/sync";
import { readFile } from "node:fs/promises";
import { UsageError } from "../pretraining/configuration.ts";
import { joinSubjects } from "./join_subjects.ts";
import type { ScoreKind } from "./score_kinds.ts";
import { toNumber } from "./score_problem.ts";

/** What the columns of a table of cases hold. */
export interface ScoreTable {
  /** Names of the columns but those of case and subject, in order. */
  readonly columns: readonly string[];
  /** Cells of these columns, by case. */
  readonly rows: ReadonlyMap<string, readonly string[]>;
  /** Whom each case shows, where a column `subject` says it. */
  readonly subjects: ReadonlyMap<string, string>;
}

/** Names that the column of cases may have. */
const CASE_COLUMNS = ["case", "id", "scan"];

/**
 * Reads a CSV with a heading: a column `case` (or `id`, `scan`; else the first), perhaps `subject`, and values.
 *
 * @throws UsageError when it can't be read, has no values, or has a case twice.
 */
export async function readScoreTable(path: string): Promise<ScoreTable> {
  const refuse = (problem: string): never => {
    throw new UsageError(`Cannot read ${path}: ${problem}. Give a CSV with a heading, a column "case" and values.`);
  };
  const text = await readFile(path, "utf8").catch((error: Error) => refuse(error.message));
  let lines: string[][];
  try {
    lines = parse(text, { bom: true, trim: true, skip_empty_lines: true });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const [heading = [], ...body] = lines;
  const caseAt = Math.max(0, heading.findIndex((name) => CASE_COLUMNS.includes(name.toLowerCase())));
  const subjectAt = heading.findIndex((name) => name.toLowerCase() === "subject");
  const places = heading.map((_, i) => i).filter((i) => i !== caseAt && i !== subjectAt);
  if (places.length === 0) refuse("it has no column of values");
  const rows = new Map<string, string[]>();
  const subjects = new Map<string, string>();
  for (const line of body) {
    const id = line[caseAt]!;
    if (rows.has(id)) refuse(`case "${id}" stands there twice`);
    rows.set(id, places.map((i) => line[i]!));
    if (subjectAt >= 0) subjects.set(id, line[subjectAt]!);
  }
  return { columns: places.map((i) => heading[i]!), rows, subjects };
}

/** Cases of both tables. */
export interface MatchedScores {
  /** Names of the cases that have a reference, in its order. */
  readonly ids: readonly string[];
  /** Whom each shows. */
  readonly subjects: readonly string[];
  /** Cells of the reference. */
  readonly actual: readonly (readonly string[])[];
  /** Cells of the prediction; `null` for a case without. */
  readonly predicted: readonly (readonly string[] | null)[];
  /** Cases that are in one table alone. */
  readonly findings: readonly Finding[];
}

/**
 * Joins the cases of each subject, as {@linkcode joinSubjects}.
 *
 * @throws UsageError when what is true differs between a subject's cases, a cell is no number, or grades come without probabilities.
 */
export function matchedSubjects(
  { ids, subjects, actual, predicted, findings }: MatchedScores,
  kind: ScoreKind,
): MatchedScores {
  if (kind === "ordinal" && predicted.some((row) => row?.length === 1)) {
    throw new UsageError(
      "Cannot score by subject: a mean of grades is no grade: got one column of grades, expected a column of probabilities for each grade.",
    );
  }
  const joined = joinSubjects(ids.map((id, i) => ({
    id,
    subject: subjects[i]!,
    actual: actual[i]!,
    predicted: predicted[i]?.map((cell) => toNumber(cell, id)) ?? null,
  })));
  return {
    ids: joined.map(({ id }) => id),
    subjects: joined.map(({ subject }) => subject),
    actual: joined.map((entry) => entry.actual),
    predicted: joined.map((entry) => entry.predicted?.map(String) ?? null),
    findings,
  };
}

/** Matches cases by name. */
export function matchScores(
  predictions: ScoreTable,
  references: ScoreTable,
  paths: { readonly predictions: string; readonly references: string },
): MatchedScores {
  const ids = [...references.rows.keys()];
  if (ids.length === 0) {
    throw new UsageError(`Cannot evaluate against ${paths.references}: it has no case. Give one line for each case.`);
  }
  const findings: Finding[] = [];
  for (const id of ids.filter((id) => !predictions.rows.has(id))) {
    findings.push({
      severity: "error",
      code: "missing-prediction",
      path: paths.predictions,
      message: `no prediction of ${id}`,
      fix: "Predict it, or take the reference out of the table.",
    });
  }
  for (const id of [...predictions.rows.keys()].filter((id) => !references.rows.has(id))) {
    findings.push({
      severity: "warning",
      code: "missing-reference",
      path: paths.references,
      message: `no reference of ${id}: it is not evaluated`,
      fix: "Add the reference, or check the names.",
    });
  }
  return {
    ids,
    subjects: ids.map((id) => references.subjects.get(id) ?? subjectOf(id)),
    actual: ids.map((id) => references.rows.get(id)!),
    predicted: ids.map((id) => predictions.rows.get(id) ?? null),
    findings,
  };
}
