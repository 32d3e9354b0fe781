/**
 * `deno task pretrain`: turns a folder of 3D scans, or phantoms made here, into a pretrained 3D encoder.
 */
import type { Command } from "commander";
import { createCommand, EXIT, runProgram } from "../_shared/command.ts";
import {
  parseConfiguration,
  type PretrainingConfiguration,
  readConfigurationFile,
  UsageError,
} from "../_shared/pretraining/configuration.ts";
import { dryRun } from "../_shared/pretraining/dry_run.ts";
import { pretrain } from "../_shared/pretraining/run.ts";
import { findRun, type FoundRun, readRunConfiguration } from "../_shared/pretraining/run_folder.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { addPretrainingOptions, type Flags, givenFlags } from "./options.ts";

function command(): Command {
  return addPretrainingOptions(
    createCommand("pretrain", "Pretrains a 3D encoder on scans, with captions of their slices and without labels."),
  ).addHelpText(
    "after",
    `
Every key of a --config file: see the configuration.json that a run leaves behind.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped (Ctrl-C or SIGTERM; a checkpoint was written).`,
  );
}

/** Puts defaults, the resumed run's configuration, the configuration file and flags over each other, in this order. */
async function configure(
  { config, resume, dryRun: _, timing: __, ...flags }: Flags,
): Promise<{ configuration: PretrainingConfiguration; found: FoundRun | undefined }> {
  const fromFile = config === undefined ? {} : await readConfigurationFile(config);
  if (config !== undefined) parseConfiguration(fromFile, `configuration ${config}`);
  const out = flags.out ?? (fromFile as { out?: string }).out ?? null;
  const found = resume === undefined ? undefined : await findRun(resume, out);
  if (resume !== undefined && !found) console.log("No run to go on from: starting a new one.");
  const fromRun = found ? await readRunConfiguration(found.folder) : {};
  const values = { ...fromRun, ...fromFile, ...flags };
  return {
    configuration: parseConfiguration(values, found && !config ? `run ${found.folder} and flags` : "flags"),
    found,
  };
}

async function main(args: readonly string[]): Promise<number> {
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  if (parser.args.length > 0) {
    throw new UsageError(`Cannot pretrain: unexpected argument "${parser.args[0]}". See --help.`);
  }
  const flags = givenFlags(parser);
  const { configuration, found } = await configure(flags);
  if (flags.dryRun) {
    await dryRun(configuration, { timing: flags.timing !== false });
    return EXIT.done;
  }
  using stop = stopSignal();
  const { out, evaluation } = await pretrain(configuration, { resume: found, signal: stop.signal });
  if (evaluation) return EXIT.done;
  console.log(`Stopped. To go on: deno task pretrain --resume ${out}`);
  return EXIT.stopped;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
