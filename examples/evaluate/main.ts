/**
 * `deno task evaluate --predictions … --references …`: compares predictions with references, case by case, and averages without dropping what
 * was missed. `deno task evaluate --runs …` pools what fine-tuning runs said of the scans that they held out.
 */
import type { Finding } from "@med3d/volume";
import { type Command, Option } from "commander";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createCommand, EXIT, parseNumber, runProgram } from "../_shared/command.ts";
import { evaluateFolders, type FolderEvaluation, type FolderSettings } from "../_shared/evaluation/evaluate_folders.ts";
import { evaluateRuns } from "../_shared/evaluation/evaluate_runs.ts";
import {
  evaluateScores,
  scoreCsv,
  type ScoreEvaluation,
  scoreHtml,
  type ScoreSettings,
  scoreText,
} from "../_shared/evaluation/evaluate_scores.ts";
import { folderHtml, folderText } from "../_shared/evaluation/folder_report.ts";
import { casesCsv, summaryCsv } from "../_shared/evaluation/folder_tables.ts";
import { SCORE_KINDS } from "../_shared/evaluation/score_kinds.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { writeWhole } from "../_shared/pretraining/run_folder.ts";
import { type Progress, startProgress } from "../_shared/progress.ts";
import { formatCsv } from "../_shared/report/csv.ts";
import { stopSignal } from "../_shared/stop_signal.ts";

interface Flags extends FolderSettings, Pick<ScoreSettings, "kind"> {
  readonly runs?: readonly string[];
  readonly unit?: "case" | "subject";
  readonly task: "segment" | "classify";
  readonly out?: string;
  readonly json: boolean;
}

/** What an evaluation leaves: text for the terminal, and files by name. */
interface Outcome {
  readonly text: string;
  readonly json: unknown;
  readonly files: ReadonlyMap<string, string>;
  readonly errors: number;
}

function command(): Command {
  return createCommand(
    "evaluate",
    "Compares predictions with references and averages without dropping what was missed.",
  )
    .option("--predictions <path>", "folder of predicted label maps, or one; CSV of probabilities")
    .option("--references <path>", "folder of true label maps with the same names, or one; CSV of labels")
    .option(
      "--runs <run...>",
      "in place of both: folders of deno task finetune, whose held-out scans are evaluated together, as the folds of a cross-validation",
    )
    .addOption(new Option("--task <name>", "what was predicted").choices(["segment", "classify"]).default("segment"))
    .option(
      "--labels <names>",
      "dataset.json, or liver=1,tumour=2,both=1+2 (default: a dataset.json in or above the references, else the values that occur)",
    )
    .option(
      "--ignore-label <n>",
      "label of the reference to leave out (default: what dataset.json calls ignore)",
      parseNumber,
    )
    .option("--tolerance-mm <mm>", "distance that counts as agreement in surface Dice", parseNumber, 1)
    .addOption(
      new Option("--surface <kind>", "surfels: marching-cubes areas; voxels: boundary voxels; none: overlap alone")
        .choices(["surfels", "voxels", "none"]).default("surfels"),
    )
    .addOption(
      new Option("--kind <name>", "of --task classify (default: what the columns tell)").choices([...SCORE_KINDS]),
    )
    .addOption(
      new Option(
        "--unit <name>",
        "of classes: case, or subject: each subject is scored once, by the mean over its cases (default: case, of runs as they were trained)",
      ).choices(["case", "subject"]),
    )
    .option("--out <folder>", "write evaluation.json, report.html and tables as CSV there (default: none)")
    .option("--json", "print one JSON object and nothing else (default: text)", false)
    .option("--resamples <n>", "draws of the bootstrap", parseNumber, 2000)
    .option("--seed <text>", "seed of the bootstrap", "evaluate")
    .addHelpText(
      "after",
      `
A reference without a prediction, or with one that can't be read or lies on another grid, counts as missed; nothing is resampled.
Tables of --task classify have a heading, a column "case" and perhaps "subject". Predictions: a column of probabilities for each class
(multiclass, ordinal) or question (multilabel), or one value (regression). References: one column with the class, or a column for each question.
Exit codes: 0 no errors found, 1 errors found, 2 wrong usage, 130 stopped. Progress goes to stderr.`,
    );
}

async function evaluateMaps(flags: Flags, signal: AbortSignal): Promise<Outcome> {
  let bar: { readonly phase: string; readonly progress: Progress } | undefined;
  try {
    const evaluation = await evaluateFolders(flags, {
      signal,
      onCase: (done, total, phase) => {
        if (bar?.phase !== phase) {
          bar?.progress.stop();
          bar = { phase, progress: startProgress({ label: phase, total, to: "stderr" }) };
        }
        bar.progress.update(done, "cases");
      },
    });
    return await mapOutcome(evaluation, flags.out !== undefined);
  } finally {
    bar?.progress.stop();
  }
}

async function evaluateTable(
  { predictions, references, kind, unit = "case", resamples, seed }: Flags,
): Promise<Outcome> {
  return scoreOutcome(await evaluateScores({ predictions, references, unit, resamples, seed, ...kind && { kind } }));
}

async function evaluatePooled({ runs, unit, resamples, seed }: Flags): Promise<Outcome> {
  const pooled = await evaluateRuns({ runs: runs!, resamples, seed, ...unit && { unit } });
  if (pooled.task === "segment") return await mapOutcome(pooled.evaluation, true);
  const { predictions, references } = pooled.tables;
  return scoreOutcome(pooled.evaluation, [
    ["predictions.csv", formatCsv(predictions)],
    ["references.csv", formatCsv(references)],
  ]);
}

async function mapOutcome(evaluation: FolderEvaluation, isReported: boolean): Promise<Outcome> {
  const { cases, summary, findings } = evaluation;
  const files = new Map([
    ["cases.csv", formatCsv(casesCsv(cases))],
    ...summary ? [["summary.csv", formatCsv(summaryCsv(summary))] as const] : [],
    ...isReported ? [["report.html", await folderHtml(evaluation)] as const] : [],
  ]);
  return { text: folderText(evaluation), json: evaluation, files, errors: errorsAmong(findings) };
}

function scoreOutcome(evaluation: ScoreEvaluation, more: readonly (readonly [string, string])[] = []): Outcome {
  const { problem: _, ...json } = evaluation;
  const files = new Map([
    ["summary.csv", formatCsv(scoreCsv(evaluation))],
    ["report.html", scoreHtml(evaluation)],
    ...more,
  ]);
  return { text: scoreText(evaluation), json, files, errors: errorsAmong(evaluation.findings) };
}

function errorsAmong(findings: readonly Finding[]): number {
  return findings.filter(({ severity }) => severity === "error").length;
}

async function main(args: readonly string[]): Promise<number> {
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  if (parser.args.length > 0) {
    throw new UsageError(`Cannot evaluate: got a stray argument "${parser.args[0]}". See --help.`);
  }
  const { task, out, json, ...settings } = parser.opts<Flags & Record<string, unknown>>();
  const paths = [settings.predictions, settings.references].filter((path) => path !== undefined).length;
  if (settings.runs === undefined ? paths < 2 : paths > 0) {
    throw new UsageError(
      "Cannot evaluate: got neither --runs nor both --predictions and --references, or all of them. Name runs, or the two paths.",
    );
  }
  if (!(settings.toleranceMm >= 0)) {
    throw new UsageError(`Cannot evaluate: bad --tolerance-mm: got ${settings.toleranceMm}, expected 0 or more.`);
  }
  if (!Number.isInteger(settings.resamples) || settings.resamples < 1) {
    throw new UsageError(
      `Cannot evaluate: bad --resamples: got ${settings.resamples}, expected a positive whole number.`,
    );
  }
  using stop = stopSignal();
  try {
    const flags = { ...settings, task, json, ...out !== undefined && { out } } as Flags;
    const outcome = flags.runs
      ? await evaluatePooled(flags)
      : task === "classify"
      ? await evaluateTable(flags)
      : await evaluateMaps(flags, stop.signal);
    if (out !== undefined) await writeFiles(out, outcome);
    console.log(json ? JSON.stringify(outcome.json, null, 1) : outcome.text);
    if (out !== undefined && !json) console.log(`\nReport: ${join(out, "report.html")}`);
    return outcome.errors > 0 ? EXIT.failed : EXIT.done;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return EXIT.stopped;
  }
}

async function writeFiles(out: string, { json, files }: Outcome): Promise<void> {
  await mkdir(out, { recursive: true });
  await writeWhole(join(out, "evaluation.json"), JSON.stringify(json, null, 1) + "\n");
  for (const [name, text] of files) await writeWhole(join(out, name), text);
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
