import type { Finding } from "@med3d/volume";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ScoreEvaluation, scoreText } from "../evaluation/evaluate_scores.ts";
import { withCsvLabels } from "../finetuning/csv_labels.ts";
import { formatFinding } from "../finding.ts";
import { UsageError } from "../pretraining/configuration.ts";
import type { CorpusScan } from "../pretraining/corpus.ts";
import { type AlignmentEvaluation, evaluateAlignment } from "../pretraining/evaluation.ts";
import { loadRun } from "../pretraining/load_run.ts";
import { writeWhole } from "../pretraining/run_folder.ts";
import { openCaptions } from "../pretraining/stored_captions.ts";
import { formatCsv } from "../report/csv.ts";
import { formatTable, gapRows, retrievalTable } from "../report/table.ts";
import { findSeen, unknownTraining } from "../seen_scans.ts";
import { askScans } from "./ask_scans.ts";
import { classesCsv, type ClassifiedScan, classifyAnswers, measureClasses } from "./classify.ts";
import type { ZeroshotConfiguration } from "./configuration.ts";
import { type FoundScan, type FoundSlice, scansTable, scoreScan, slicesTable } from "./find.ts";
import { embedPrompts, PHANTOM_PROMPTS, type Prompts, readPrompts } from "./prompts.ts";
import { type AskedScan, type AskedScans, listAskedScans } from "./scans.ts";
import { topScores } from "./scores.ts";

/** Names of the files that are written. */
export const ZEROSHOT_FILES = {
  all: "zeroshot.json",
  classes: "classes.csv",
  slices: "found_slices.csv",
  scans: "found_scans.csv",
} as const;

/** What was found out. */
interface Outcome {
  readonly classified: ClassifiedScan[];
  readonly found: { readonly scans: FoundScan[]; readonly slices: FoundSlice[] };
  readonly captioned: CorpusScan[];
}

/**
 * Asks a finished pretraining run about scans that it did not learn from: which class's prompts they are nearest to, which scans and slices a
 * text is nearest to, and how well captions are retrieved. Prints tables, writes them into a folder.
 *
 * @param path Scans; left out, those that the run held out.
 * @returns Whether all was done; false when it was stopped.
 * @throws UsageError when run, scans or prompts can't be used.
 * @throws Error when no scan could be asked about, or under `strict` the first could not.
 */
export async function runZeroshot(
  path: string | undefined,
  settings: ZeroshotConfiguration,
  signal: AbortSignal,
): Promise<boolean> {
  const { weights, out, find, retrieval, includeSeen, backend, encoder2d, aggregate } = settings;
  await using run = await loadRun(weights, { backend, ...(encoder2d !== null && { encoder2d }) });
  if (run.backend.notice) console.warn(run.backend.notice);
  const findings: Finding[] = [];
  const report = (finding: Finding): void => {
    findings.push(finding);
    console.warn(formatFinding(finding));
  };
  const notice = (code: string, message: string, fix: string): void =>
    report({ severity: "warning", code, path: weights, message, fix });

  const listed = await withLabels(await listAskedScans(path, run.configuration, settings.modality), settings);
  listed.findings.forEach(report);
  const seen = await findSeen(weights, listed.data, listed.scans);
  if (!seen) notice("unknown-training-scans", unknownTraining(weights), "Pretrain again with this version.");
  const scans = includeSeen ? listed.scans : listed.scans.filter(({ id }) => !seen?.has(id));
  if (scans.length === 0) refuseAllSeen(weights, listed);

  const prompts = await promptsOf(settings, path === undefined && run.configuration.data === null);
  const embedded = prompts && await embedPrompts(prompts, run.encoder2d);
  const sought = find === null ? undefined : await embedPrompts(new Map([["--find", [find]]]), run.encoder2d);
  for (const text of [...embedded?.notices ?? [], ...sought?.notices ?? []]) {
    notice("unknown-words", text, "Use words of the captions that it was pretrained with.");
  }
  console.log(
    `${listed.description}\n${scans.length} are asked about, ${
      seen?.size ?? 0
    } were seen in pretraining; computing on ${run.backend.device}`,
  );

  using given = retrieval
    ? await openCaptions({ ...run.configuration, captions: settings.captions ?? run.configuration.captions })
    : undefined;
  const { classified, found, captioned }: Outcome = { classified: [], found: { scans: [], slices: [] }, captioned: [] };
  const options = { ...settings, captioned: retrieval, given, report, signal };
  let asked = 0;
  for await (const answered of askScans(scans, run, options)) {
    asked++;
    const { scan } = answered;
    const isSeen = seen?.has(scan.id) ?? false;
    if (embedded) {
      const actual = classOf(scan, answered.modality, listed.data === null);
      const known = { id: scan.id, subject: scan.subject, seen: isSeen, ...(actual !== undefined && { actual }) };
      classified.push({ ...known, ...classifyAnswers(answered.answers, embedded.vectors, settings) });
    }
    if (sought) {
      const scored = scoreScan(answered, sought.vectors[0]!, { seen: isSeen, aggregate });
      found.scans.push(scored.scan);
      found.slices.push(...scored.slices);
    }
    if (answered.captioned && !isSeen) captioned.push(answered.captioned);
  }
  if (signal.aborted) return false;
  if (asked === 0) throw new Error(`Cannot ask ${weights}: none of ${scans.length} scans could be read. See above.`);

  const classes = embedded?.classes ?? [];
  const knowsClasses = listed.data !== null || classes.every((name) => PHANTOM_PROMPTS.has(name));
  const measured = embedded && knowsClasses
    ? measureClasses(classified, classes, { resamples: settings.resamples, seed: String(settings.seed) })
    : undefined;
  const alignment = captioned.length === 0
    ? undefined
    : await evaluateAlignment(run.model, captioned, run.encoder2d.width);
  const ranked = {
    scans: topScores(found.scans, found.scans.length),
    slices: topScores(found.slices, found.slices.length),
  };

  const { top } = settings;
  const texts = [
    ...embedded ? [classesText(classified, classes, measured)] : [],
    ...sought ? [`Scans nearest to "${find}"\n${formatTable(scansTable(ranked.scans.slice(0, top)))}`] : [],
    ...sought ? [`Slices nearest to "${find}"\n${formatTable(slicesTable(ranked.slices.slice(0, top)))}`] : [],
    ...alignment ? [alignmentText(alignment)] : [],
  ];
  console.log(`\n${texts.join("\n\n")}\n`);
  await mkdir(out, { recursive: true });
  if (embedded) await writeWhole(join(out, ZEROSHOT_FILES.classes), formatCsv(classesCsv(classified, classes)));
  if (sought) {
    await writeWhole(join(out, ZEROSHOT_FILES.slices), formatCsv(slicesTable(ranked.slices, true)));
    await writeWhole(join(out, ZEROSHOT_FILES.scans), formatCsv(scansTable(ranked.scans, true)));
  }
  const everything = {
    settings,
    encoder2d: run.encoder2d.id,
    seen: seen ? Object.fromEntries(seen) : null,
    ...(prompts && { prompts: Object.fromEntries(prompts), classes: classified }),
    ...(measured && { measures: measured.measures, details: measured.details }),
    ...(sought && { found: ranked }),
    ...(alignment && { alignment }),
    findings,
  };
  await writeWhole(join(out, ZEROSHOT_FILES.all), JSON.stringify(everything, null, 1) + "\n");
  console.log(`Figures: ${join(out, ZEROSHOT_FILES.all)}`);
  return true;
}

/** Takes classes from a table, where one is given. */
async function withLabels(listed: AskedScans, { csv }: ZeroshotConfiguration): Promise<AskedScans> {
  if (csv === null) return listed;
  const cases = listed.scans.map(({ id, subject, path, load }) => ({
    id,
    subject,
    path,
    loadChannels: async (report: (finding: Finding) => void) => [await load(report)],
  }));
  const { cases: labelled, names, findings } = await withCsvLabels(cases, csv);
  if (names.length !== 1) {
    throw new UsageError(
      `Cannot use ${csv}: it has several columns beside the scan's name: got ${
        names.join(", ")
      }, expected one with the class. Leave out the others.`,
    );
  }
  const labelsOf = new Map(labelled.map(({ id, classLabels }) => [id, classLabels!]));
  const scans = listed.scans.flatMap((scan): AskedScan[] => {
    const classLabels = labelsOf.get(scan.id);
    return classLabels ? [{ ...scan, classLabels }] : [];
  });
  return { ...listed, scans, findings: [...listed.findings, ...findings] };
}

async function promptsOf(
  { prompts, find, retrieval }: ZeroshotConfiguration,
  arePhantoms: boolean,
): Promise<Prompts | undefined> {
  if (prompts !== null) return await readPrompts(prompts);
  if (arePhantoms) return PHANTOM_PROMPTS;
  if (find !== null || retrieval) return undefined;
  throw new UsageError(
    "Cannot ask about scans: nothing is asked. Give --prompts prompts.json, --find TEXT or --retrieval.",
  );
}

/** The class of a scan, by its number or, of a phantom, by its name. */
function classOf({ id, classLabels }: AskedScan, modality: string, isPhantom: boolean): string | undefined {
  if (classLabels === undefined) return isPhantom ? (modality === "CT" ? "CT torso" : "MR head") : undefined;
  if (classLabels.length === 1) return String(classLabels[0]);
  throw new UsageError(
    `Cannot score the classes of ${id}: it has several labels: got ${
      classLabels.join(", ")
    }, expected one class. Give one column with --csv.`,
  );
}

function refuseAllSeen(weights: string, { scans }: AskedScans): never {
  throw new UsageError(
    `Cannot test on ${
      scans[0]?.path ?? "nothing"
    }: the weights of ${weights} were made from all of ${scans.length} scans. ` +
      `Name others, or pass --include-seen, which leaves them out of all figures.`,
  );
}

/** Classes of the first scans and all figures. */
function classesText(
  classified: readonly ClassifiedScan[],
  classes: readonly string[],
  measured: ScoreEvaluation | undefined,
): string {
  const shown = classified.slice(0, SHOWN_SCANS).map(({ id, actual = "", seen, probabilities }) => [
    seen ? `${id} (seen)` : id,
    actual,
    ...probabilities.map((share) => share.toFixed(3)),
  ]);
  const more = classified.length - shown.length;
  return [
    formatTable([["scan", "actual", ...classes], ...shown]),
    ...more > 0 ? [`… and ${more} more`] : [],
    "",
    measured
      ? scoreText(measured)
      : "No scan has a known class that the weights were not made from: nothing is measured.",
  ].join("\n");
}

/** Scans that are printed; the files hold all. */
const SHOWN_SCANS = 12;

function alignmentText(alignment: AlignmentEvaluation): string {
  const { scans, questions } = alignment;
  return `${scans} scans, ${questions} captioned slices\n${formatTable(retrievalTable(alignment))}\n\n${
    formatTable([["modality gap", "value"], ...gapRows(alignment)])
  }`;
}
