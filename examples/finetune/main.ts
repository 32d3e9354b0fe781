/**
 * `deno task finetune`: turns labelled scans, and a pretrained encoder where there is one, into a network that segments or classifies.
 */
import type { Command } from "commander";
import { createCommand, EXIT, runProgram } from "../_shared/command.ts";
import { type FinetuningConfiguration, parseFinetuning } from "../_shared/finetuning/configuration.ts";
import { dryRunFinetuning } from "../_shared/finetuning/dry_run.ts";
import { FINETUNING_FOLDER } from "../_shared/finetuning/files.ts";
import { finetune } from "../_shared/finetuning/run.ts";
import { readConfigurationFile } from "../_shared/pretraining/configuration.ts";
import { findRun, type FoundRun, readRunConfiguration } from "../_shared/pretraining/run_folder.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { addFinetuningOptions, type Flags, givenFlags } from "./options.ts";

function command(): Command {
  return addFinetuningOptions(
    createCommand("finetune", "Trains a network on labelled scans, from scratch or from a pretrained encoder."),
  ).addHelpText(
    "after",
    `
More keys stand in a --config file, regions and encoderOptions among them: see the configuration.json that a run leaves behind.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped (Ctrl-C or SIGTERM; a checkpoint was written).`,
  );
}

/** Puts defaults, the resumed run's configuration, the configuration file and flags over each other, in this order. */
async function configure(
  { config, resume, dryRun: _, ...flags }: Flags,
): Promise<{ configuration: FinetuningConfiguration; found: FoundRun | undefined }> {
  const fromFile = config === undefined ? {} : await readConfigurationFile(config);
  if (config !== undefined) parseFinetuning(fromFile, `configuration ${config}`);
  const out = flags.out ?? (fromFile as { out?: string }).out ?? null;
  const found = resume === undefined ? undefined : await findRun(resume, out, FINETUNING_FOLDER);
  if (resume !== undefined && !found) console.log("No run to go on from: starting a new one.");
  const fromRun = found ? await readRunConfiguration(found.folder) : {};
  const values = { ...fromRun, ...fromFile, ...flags };
  return {
    configuration: parseFinetuning(values, found && !config ? `run ${found.folder} and flags` : "flags"),
    found,
  };
}

async function main(args: readonly string[]): Promise<number> {
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  const flags = givenFlags(parser);
  const { configuration, found } = await configure(flags);
  using stop = stopSignal();
  if (flags.dryRun) {
    await dryRunFinetuning(configuration, stop.signal);
    return EXIT.done;
  }
  const { out, finished } = await finetune(configuration, { resume: found, signal: stop.signal });
  if (finished) return EXIT.done;
  console.log(`Stopped. To go on: deno task finetune --resume ${out}`);
  return EXIT.stopped;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
