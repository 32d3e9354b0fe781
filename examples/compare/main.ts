/**
 * `deno task compare PROTOCOL.json`: pretrains and fine-tunes what a protocol names, and holds the results against each other.
 */
import { writeWhole } from "../_shared/pretraining/run_folder.ts";
import { readConfigurationFile } from "../_shared/pretraining/configuration.ts";
import { createCommand, EXIT, parseNumbers, runProgram } from "../_shared/command.ts";
import { listCells, listPretrainings } from "../_shared/comparison/cells.ts";
import {
  compareMetrics,
  type ComparisonContent,
  comparisonText,
  renderComparison,
} from "../_shared/comparison/comparison_report.ts";
import { lockFolder } from "../_shared/comparison/lock_folder.ts";
import { learnedTask, opponents, parseProtocol, type Protocol } from "../_shared/comparison/protocol.ts";
import { lossObservations } from "../_shared/comparison/compare_scores.ts";
import { namedFigures, pretrainingRows, readPretrainings } from "../_shared/comparison/pretraining_figures.ts";
import { readClassifications, readSegmentations } from "../_shared/comparison/read_results.ts";
import { missingRuns, runMissing, standing } from "../_shared/comparison/run_comparison.ts";
import { type ProtocolCells, selectCells, type Selection } from "../_shared/comparison/select_cells.ts";
import { worstPictures, worstScans } from "../_shared/comparison/worst_pictures.ts";
import { formatCsv } from "../_shared/report/csv.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { dirname, join, relative, resolve } from "node:path";

const command = createCommand(
  "compare",
  "Runs what a protocol names and compares its arms on scans that none of them saw.",
)
  .argument("<protocol>", "JSON file: data, arms, shares of labels, seeds, settings; bench/protocols has examples")
  .option("--only <arms>", "run these arms alone, separated by commas (default: all)", (text) => text.split(","))
  .option("--labels <shares>", "run these shares of the labels alone: 0.05,0.1 (default: all)", parseNumbers)
  .option("--seeds <seeds>", "run these seeds alone: 0,1 (default: all)", parseNumbers)
  .option("--dry-run", "list what is done and what is missing; run nothing (default: run what is missing)", false)
  .addHelpText(
    "after",
    `
Each run is a process of deno task pretrain or finetune with a folder of its own. Ctrl-C or a kill lose what follows the last checkpoint of
one run; the same command goes on. The folder gets report.html, comparison.json, comparison.csv and, of the pretrained models, pretraining.csv,
renewed after every run; they hold all that is done, whatever part is run, and say what is missing.`,
  );

async function main(args: readonly string[]): Promise<number> {
  command.parse(args as string[], { from: "user" });
  const path = command.args[0]!;
  const values = await readConfigurationFile(path);
  const protocol = parseProtocol(values, `protocol ${path}`);
  const out = resolve(dirname(path), protocol.out);
  const places = { out, data: protocol.data && resolve(dirname(path), protocol.data) };
  const all = { cells: listCells(protocol, places), pretrainings: listPretrainings(protocol, places) };
  const { dryRun, ...selection } = command.opts<{ dryRun: boolean } & Selection>();
  const { done, missing } = await standing(selectCells(all, protocol, selection));
  if (dryRun) {
    for (const { folder } of done) console.log(`done     ${folder}`);
    for (const { folder } of await missingRuns(missing)) console.log(`missing  ${folder}`);
    return EXIT.done;
  }
  await using _lock = await lockFolder(out);
  using stop = stopSignal();
  const report = (): Promise<void> => writeReport(all, { protocol, values, out });
  const runs = await missingRuns(missing);
  try {
    await runMissing(runs, { signal: stop.signal, afterEach: report });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.log(`Stopped. To go on: deno task compare ${path}`);
    return EXIT.stopped;
  }
  await report();
  console.log(`\nReport: ${join(out, "report.html")}`);
  return EXIT.done;
}

async function writeReport(
  { cells, pretrainings }: ProtocolCells,
  { protocol, values, out }: { protocol: Protocol; values: unknown; out: string },
): Promise<void> {
  const [tuned, pretrained] = [await standing(cells), await standing(pretrainings)];
  if (tuned.done.length + pretrained.done.length === 0) return;
  const { task, target } = learnedTask(protocol) ?? { task: "segment", target: "classes" };
  const classified = task === "classify" ? { runs: await readClassifications(tuned.done), target } : undefined;
  const observed = classified ? [lossObservations(classified.runs, target)] : await readSegmentations(tuned.done);
  const metrics = observed.filter(({ observations }) => observations.length > 0);
  const [worst] = metrics;
  const content: ComparisonContent = {
    title: protocol.title,
    against: opponents(protocol),
    runs: { done: tuned.done.length, all: cells.length },
    missing: [...tuned.missing, ...pretrained.missing.filter(({ alone }) => alone)],
    ...(classified && { classified }),
    pretrained: await readPretrainings(pretrained.done),
    metrics,
    pictures: worst ? await (classified ? worstScans : worstPictures)(tuned.done, worst) : [],
    facts: [["made", ""], ["with", `Deno ${Deno.version.deno}`], ["on", new Date().toISOString().slice(0, 10)]],
    protocol: values,
  };
  const comparisons = compareMetrics(content);
  const missing = content.missing.map(({ folder }) => relative(out, folder));
  const summary = { protocol: values, comparisons, pretrained: content.pretrained.map(namedFigures), missing };
  const rows = metrics.flatMap(({ metric, observations }) =>
    observations.map(({ arm, labels, seed, id, subject, value }) =>
      [metric, arm, labels, seed, id, subject, value].map(String)
    )
  );
  await writeWhole(join(out, "report.html"), renderComparison(content, comparisons));
  await writeWhole(join(out, "comparison.json"), JSON.stringify(summary, null, 2) + "\n");
  await writeWhole(
    join(out, "comparison.csv"),
    formatCsv([["metric", "arm", "labels", "seed", "id", "subject", "value"], ...rows]),
  );
  if (content.pretrained.length > 0) {
    await writeWhole(join(out, "pretraining.csv"), formatCsv(pretrainingRows(content.pretrained)));
  }
  console.log(`\n${comparisonText(content, comparisons)}`);
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
