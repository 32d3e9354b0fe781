/**
 * `deno task caption`: captions slices of scans into a store, by the measuring captioner, a multimodal model behind a server, or reports.
 */
import { captionScans, CaptionStore } from "@med3d/captioner";
import type { Finding } from "@med3d/volume";
import type { Command } from "commander";
import { createCommand, EXIT, runProgram } from "../_shared/command.ts";
import { formatFinding } from "../_shared/finding.ts";
import { parseBySchema, readConfigurationFile, UsageError } from "../_shared/pretraining/configuration.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { chooseCaptioner, type ChosenCaptioner } from "./captioners.ts";
import { type CaptionConfiguration, captionSchema, parseShard } from "./configuration.ts";
import { dryRun } from "./dry_run.ts";
import { merge } from "./merge.ts";
import { addCaptionOptions, type Flags, givenFlags } from "./options.ts";
import { CaptionProgress, formatSpending } from "./progress.ts";
import { writeReview } from "./review.ts";
import { chooseScans, type ScanChoice, slicesPerScan, toCaption } from "./scans.ts";

function command(): Command {
  return addCaptionOptions(createCommand("caption", "Captions slices of scans into a store; goes on where it ended."))
    .addHelpText(
      "after",
      `
deno task caption merge --out ALL.db ONE.db TWO.db puts the stores of shards into one.
Every key of a --config file is named as its flag, in camelCase. A server's key is read from the environment and kept nowhere.
Exit codes: 0 done, or a limit was reached; 1 failed, or slices are without a caption; 2 wrong usage; 130 stopped (Ctrl-C or SIGTERM: what
was in flight is stored). To go on, run the same again.`,
    );
}

async function configure({ config, dryRun: _, review: __, ...flags }: Flags): Promise<CaptionConfiguration> {
  const fromFile = config === undefined ? {} : await readConfigurationFile(config);
  if (config !== undefined) parseBySchema(captionSchema, fromFile, `configuration ${config}`);
  const configuration = parseBySchema(captionSchema, { ...fromFile, ...flags }, "flags");
  const { index, count } = parseShard(configuration.shard);
  if (index < count) return configuration;
  throw new UsageError(
    `Cannot caption: there is no such shard: got ${configuration.shard}, expected at most ${count}.`,
  );
}

/** Findings that are printed in full. */
const PRINTED_FINDINGS = 8;

/** Prints the first findings as they come, and counts the rest. */
function findingPrinter(): { report: (finding: Finding) => void; end: () => void } {
  let count = 0;
  return {
    report: (finding) => {
      if (++count <= PRINTED_FINDINGS) console.warn(formatFinding(finding));
    },
    end: () => {
      if (count > PRINTED_FINDINGS) console.warn(`… and ${count - PRINTED_FINDINGS} more findings`);
    },
  };
}

interface Run {
  readonly configuration: CaptionConfiguration;
  readonly chosen: ChosenCaptioner;
  readonly choice: ScanChoice;
  readonly report: (finding: Finding) => void;
  readonly signal: AbortSignal;
  readonly review: string | undefined;
}

async function caption({ configuration, chosen, choice, report, signal, review }: Run): Promise<number> {
  const { out, inFlight, leaseSeconds, maxRequests, maxCost, retryQuarantined } = configuration;
  const { captioner, allowedHosts, patient } = chosen;
  const { scans } = choice;
  using store = CaptionStore.open(out);
  if (retryQuarantined) store.dropQuarantined(captioner.id);
  const bar = new CaptionProgress(scans.length, slicesPerScan(configuration));
  const onFinding = (finding: Finding): void => {
    report(finding);
    if (configuration.strict && finding.severity === "error") {
      throw new Error(`Cannot use scan ${finding.path}: ${finding.message}. ${finding.fix}`);
    }
  };
  const result = await captionScans(
    scans.map((source) => toCaption(source, configuration, { ...chosen, onFinding })),
    {
      ...{ captioner, store, allowedHosts, inFlight, signal, onFinding, leaseMs: 1000 * leaseSeconds },
      ...(patient && { maxMissingInRow: Number.MAX_SAFE_INTEGER }),
      ...(maxRequests !== null && { maxRequests }),
      ...(maxCost !== null && { maxCost }),
      onProgress: (totals) => bar.show(totals),
    },
  ).finally(() => bar.stop());
  const { stored, quarantined, missing, done, slices, endedEarly } = result;
  console.log(
    `${stored} captions made, ${quarantined} put in quarantine, ${missing} missing${
      formatSpending(result)
    }; ${done} of ${slices} slices of ${result.scans} scans have an outcome, in ${out}`,
  );
  if (review !== undefined) {
    await writeReview(review, { store, scans, signal });
    console.log(`Review: ${review}`);
  }
  if (endedEarly) console.log(`Ended early: ${endedEarly.reason}. To go on, run the same again.`);
  if (endedEarly?.cause === "signal") return EXIT.stopped;
  const atLimit = endedEarly?.cause === "budget" || /max(Requests|Cost) is reached/.test(endedEarly?.reason ?? "");
  return (endedEarly && !atLimit) || missing > 0 ? EXIT.failed : EXIT.done;
}

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "merge") return await merge(args.slice(1));
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  if (parser.args.length > 0) {
    throw new UsageError(`Cannot caption: unexpected argument "${parser.args[0]}". See --help.`);
  }
  const flags = givenFlags(parser);
  const configuration = await configure(flags);
  const { report, end } = findingPrinter();
  await using chosen = await chooseCaptioner(configuration, { dryRun: flags.dryRun === true });
  const choice = await chooseScans(configuration);
  console.log(choice.description);
  choice.findings.forEach(report);
  using stop = stopSignal();
  try {
    if (flags.dryRun) return await dryRun(configuration, chosen, { choice, review: flags.review });
    return await caption({ configuration, chosen, choice, report, signal: stop.signal, review: flags.review });
  } finally {
    end();
  }
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
