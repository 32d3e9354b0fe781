import type { Command } from "commander";
import { parseNumber } from "../_shared/command.ts";
import { addSchemaOptions, givenOptions, type OptionSpecification } from "../_shared/schema_options.ts";
import { type CaptionConfiguration, captionSchema } from "./configuration.ts";

/** Values given as flags: configuration keys and how to run. */
export type Flags = Partial<CaptionConfiguration> & { config?: string; dryRun?: boolean; review?: string };

const OPTIONS: readonly OptionSpecification<keyof CaptionConfiguration>[] = [
  { flags: "--data <path>", key: "data", shownDefault: "phantoms made here" },
  { flags: "--phantoms <n>", key: "phantoms", parse: parseNumber },
  { flags: "--modality <name>", key: "modality", shownDefault: "what the data set says" },
  { flags: "--captioner <name...>", key: "captioner", shownDefault: "measuring" },
  { flags: "--model <name>", key: "model", shownDefault: "none" },
  { flags: "--model-revision <text>", key: "modelRevision", shownDefault: "not recorded" },
  { flags: "--ct-window <name>", key: "ctWindow" },
  { flags: "--max-pixels <n>", key: "maxPixels", parse: parseNumber },
  { flags: "--temperature <n>", key: "temperature", parse: parseNumber },
  { flags: "--max-tokens <n>", key: "maxTokens", parse: parseNumber },
  { flags: "--api-key-variable <name>", key: "apiKeyVariable" },
  { flags: "--allow-remote <host...>", key: "allowRemote", shownDefault: "none" },
  { flags: "--audit <file>", key: "audit", shownDefault: "the store's path with .audit.jsonl" },
  { flags: "--slices-per-volume <n>", key: "slicesPerVolume", parse: parseNumber },
  { flags: "--planes <list>", key: "planes", parse: (text) => text.split(",") },
  { flags: "--seed <n>", key: "seed", parse: parseNumber },
  { flags: "--out <file>", key: "out" },
  { flags: "--in-flight <n>", key: "inFlight", parse: parseNumber },
  { flags: "--requests-per-minute <n>", key: "requestsPerMinute", parse: parseNumber, shownDefault: "no limit" },
  { flags: "--timeout-seconds <n>", key: "timeoutSeconds", parse: parseNumber },
  { flags: "--max-requests <n>", key: "maxRequests", parse: parseNumber, shownDefault: "no limit" },
  { flags: "--max-cost <amount>", key: "maxCost", parse: parseNumber, shownDefault: "no limit" },
  {
    flags: "--price-per-million-prompt-tokens <amount>",
    key: "pricePerMillionPromptTokens",
    parse: parseNumber,
    shownDefault: "not counted",
  },
  {
    flags: "--price-per-million-completion-tokens <amount>",
    key: "pricePerMillionCompletionTokens",
    parse: parseNumber,
    shownDefault: "not counted",
  },
  { flags: "--shard <i/n>", key: "shard", shownDefault: "all scans" },
  { flags: "--lease-seconds <n>", key: "leaseSeconds", parse: parseNumber },
];

const described = (key: keyof CaptionConfiguration): string => `${captionSchema.shape[key].description} (default: off)`;

/** Adds the options of captioning to a command. */
export function addCaptionOptions(command: Command): Command {
  return addSchemaOptions(command, captionSchema, OPTIONS)
    .option("--mask-face", described("maskFace"))
    .option("--legend", described("legend"))
    .option("--plain-text", described("plainText"))
    .option("--retry-quarantined", described("retryQuarantined"))
    .option("--strict", described("strict"))
    .option("--config <file>", "JSON file of configuration keys; flags win over it (default: none)")
    .option("--review <file>", "write a page of slices with their captions and reasons, when done (default: none)")
    .option(
      "--dry-run",
      "show one example of exactly what would be sent, with --review its picture too; send nothing (default: off)",
    );
}

/** The flags that were given, by configuration key. */
export function givenFlags(command: Command): Flags {
  return givenOptions(command) as Flags;
}
