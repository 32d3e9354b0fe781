/**
 * `deno task compare PROTOCOL.json`: pretrains and fine-tunes what a protocol names, and holds the results against each other.
 */
import { writeWhole } from "../_shared/pretraining/run_folder.ts";
import { readConfigurationFile } from "../_shared/pretraining/configuration.ts";
import { createCommand, EXIT, runProgram } from "../_shared/command.ts";
import { type ComparedCell, listCells } from "../_shared/comparison/cells.ts";
import {
  compareMetrics,
  type ComparisonContent,
  comparisonText,
  renderComparison,
} from "../_shared/comparison/comparison_report.ts";
import { lockFolder } from "../_shared/comparison/lock_folder.ts";
import { parseProtocol, type Protocol } from "../_shared/comparison/protocol.ts";
import { readResults } from "../_shared/comparison/read_results.ts";
import { missingRuns, runMissing, standing } from "../_shared/comparison/run_comparison.ts";
import { worstPictures } from "../_shared/comparison/worst_pictures.ts";
import { formatCsv } from "../_shared/report/csv.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { dirname, join, resolve } from "node:path";

const command = createCommand(
  "compare",
  "Runs what a protocol names and compares its arms on scans that none of them saw.",
)
  .argument("<protocol>", "JSON file: data, arms, shares of labels, seeds, settings; bench/protocols has examples")
  .option("--dry-run", "list what is done and what is missing; run nothing (default: run what is missing)", false)
  .addHelpText(
    "after",
    `
Each run is a process of deno task pretrain or finetune with a folder of its own. Ctrl-C or a kill lose what follows the last checkpoint of
one run; the same command goes on. The folder gets report.html, comparison.json and comparison.csv, renewed after every run.`,
  );

async function main(args: readonly string[]): Promise<number> {
  command.parse(args as string[], { from: "user" });
  const path = command.args[0]!;
  const values = await readConfigurationFile(path);
  const protocol = parseProtocol(values, `protocol ${path}`);
  const out = resolve(dirname(path), protocol.out);
  const cells = listCells(protocol, { out, data: protocol.data && resolve(dirname(path), protocol.data) });
  if (command.opts<{ dryRun: boolean }>().dryRun) {
    await listRuns(cells);
    return EXIT.done;
  }
  await using _lock = await lockFolder(out);
  using stop = stopSignal();
  const report = (): Promise<void> => writeReport(cells, { protocol, values, out });
  const runs = await missingRuns((await standing(cells)).missing);
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

async function listRuns(cells: readonly ComparedCell[]): Promise<void> {
  const { done, missing } = await standing(cells);
  for (const { folder } of done) console.log(`done     ${folder}`);
  for (const { folder } of await missingRuns(missing)) console.log(`missing  ${folder}`);
}

async function writeReport(
  cells: readonly ComparedCell[],
  { protocol, values, out }: { protocol: Protocol; values: unknown; out: string },
): Promise<void> {
  const { done } = await standing(cells);
  if (done.length === 0) return;
  const metrics = await readResults(done);
  const content: ComparisonContent = {
    title: protocol.title,
    baseline: protocol.baseline,
    runs: { done: done.length, all: cells.length },
    metrics,
    pictures: await worstPictures(done, metrics[0]!),
    facts: [["made", ""], ["with", `Deno ${Deno.version.deno}`], ["on", new Date().toISOString().slice(0, 10)]],
    protocol: values,
  };
  const comparisons = compareMetrics(content);
  const rows = metrics.flatMap(({ metric, observations }) =>
    observations.map(({ arm, labels, seed, id, subject, value }) =>
      [metric, arm, labels, seed, id, subject, value].map(String)
    )
  );
  await writeWhole(join(out, "report.html"), renderComparison(content, comparisons));
  await writeWhole(join(out, "comparison.json"), JSON.stringify({ protocol: values, comparisons }, null, 2) + "\n");
  await writeWhole(
    join(out, "comparison.csv"),
    formatCsv([["metric", "arm", "labels", "seed", "id", "subject", "value"], ...rows]),
  );
  console.log(`\n${comparisonText(content, comparisons)}`);
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
