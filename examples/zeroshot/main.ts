/**
 * `deno task zeroshot`: classifies and finds scans by text, with nothing but a pretraining run, and measures how well that goes.
 */
import { createCommand, EXIT, parseNumber, runProgram } from "../_shared/command.ts";
import { parseBySchema } from "../_shared/pretraining/configuration.ts";
import { addSchemaOptions, givenOptions } from "../_shared/schema_options.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { type ZeroshotConfiguration, zeroshotSchema } from "../_shared/zeroshot/configuration.ts";
import { runZeroshot } from "../_shared/zeroshot/run.ts";

const command = createCommand("zeroshot", "Classifies and finds scans by text, with a pretraining run.")
  .argument("[path]", "scans: a file, a folder of scans or a data set (default: those that the run held out)")
  .requiredOption("--weights <run>", zeroshotSchema.shape.weights.description!);
addSchemaOptions(command, zeroshotSchema, [
  { flags: "--prompts <file>", key: "prompts", shownDefault: "the phantoms' own" },
  { flags: "--csv <file>", key: "csv", shownDefault: "the data set's classes" },
  { flags: "--find <text>", key: "find", shownDefault: "none" },
  { flags: "--top <n>", key: "top", parse: parseNumber },
  { flags: "--retrieval", key: "retrieval", shownDefault: "off" },
  { flags: "--captions <store>", key: "captions", shownDefault: "the run's" },
  { flags: "--planes <names>", key: "planes", parse: (text) => text.split(","), shownDefault: "all three" },
  { flags: "--per-plane <n>", key: "perPlane", parse: parseNumber },
  { flags: "--margin <share>", key: "margin", parse: parseNumber },
  { flags: "--aggregate <name>", key: "aggregate" },
  { flags: "--temperature <t>", key: "temperature", parse: parseNumber },
  { flags: "--include-seen", key: "includeSeen", shownDefault: "off" },
  { flags: "--resamples <n>", key: "resamples", parse: parseNumber },
  { flags: "--seed <n>", key: "seed", parse: parseNumber },
  { flags: "--encoder2d <folder>", key: "encoder2d", shownDefault: "where it was" },
  { flags: "--modality <name>", key: "modality", shownDefault: "what they say" },
  { flags: "--out <folder>", key: "out" },
  { flags: "--backend <name>", key: "backend" },
  { flags: "--strict", key: "strict", shownDefault: "off" },
]);
command.addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped (Ctrl-C or SIGTERM).");

async function main(args: readonly string[]): Promise<number> {
  command.parse(args, { from: "user" });
  const settings: ZeroshotConfiguration = parseBySchema(zeroshotSchema, givenOptions(command), "the command line");
  using stop = stopSignal();
  return await runZeroshot(command.args[0], settings, stop.signal) ? EXIT.done : EXIT.stopped;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
