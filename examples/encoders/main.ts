/**
 * `deno task encoders`: lists the registered encoders with their size and cost at a patch.
 */
import { describeRegistered, type EncoderName, listEncoders, type RegisteredDescription } from "@med3d/encoder3d";
import { selectBackend } from "@med3d/webgpu-kernels";
import { closest } from "fastest-levenshtein";
import type { Command } from "commander";
import { createCommand, EXIT, parseNumber, parseShape, runProgram } from "../_shared/command.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { encoderTable } from "./encoder_table.ts";

interface Flags {
  readonly patch?: [number, number, number];
  readonly batch: number;
  readonly options: Readonly<Record<string, unknown>>;
  readonly json: boolean;
}

function command(): Command {
  return createCommand("encoders", "Lists the registered encoders with their size and cost.")
    .argument("[names...]", "encoders to list (default: all)")
    .option("--patch <voxels>", "patch such as 96 or 64x128x128 (default: that of each encoder)", parseShape)
    .option("--batch <n>", "patches at a time (default: 1)", parseNumber, 1)
    .option("--options <json>", 'options of createEncoder, such as {"inChannels":4} (default: none)', parseOptions, {})
    .option("--json", "print one JSON object and nothing else (default: a table)", false)
    .addHelpText(
      "after",
      `
Multiply-adds are those of one forward pass; a training step takes about three times as many. Activations are what the backward pass waits for,
estimated; parameters, gradients and Adam's moments come on top. Each encoder is made and measured, which takes seconds for the large ones.
Exit codes: 0 done, 1 failed, 2 wrong usage.`,
    );
}

function parseOptions(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Refused below.
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UsageError(`Cannot list encoders: --options is no JSON object: got ${text}, expected {"inChannels":4}.`);
}

function namesOf(given: readonly string[]): EncoderName[] {
  const known = listEncoders().map(({ name }) => name);
  const unknown = given.find((name) => !known.includes(name as EncoderName));
  if (unknown !== undefined) {
    throw new UsageError(
      `Cannot list encoders: the name is unknown: got "${unknown}", expected one of ${known.join(", ")}. ` +
        `Did you mean "${closest(unknown, known)}"?`,
    );
  }
  return given.length > 0 ? given as EncoderName[] : known;
}

async function main(args: readonly string[]): Promise<number> {
  const parser = command();
  await parser.parseAsync(args as string[], { from: "user" });
  const { patch, batch, options, json } = parser.opts<Flags & Record<string, unknown>>() as Flags;
  const names = namesOf(parser.args);
  await selectBackend({ backend: "cpu" }); // nothing is computed
  const described: RegisteredDescription[] = [];
  for (const name of names) {
    if (Deno.stderr.isTerminal()) console.error(`measuring ${name} (${described.length + 1} of ${names.length})`);
    try {
      described.push(describeRegistered(name, { ...(patch && { patch }), batch, options }));
    } catch (error) {
      throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
    }
  }
  console.log(json ? JSON.stringify({ batch, encoders: described }, null, 1) : encoderTable(described));
  return EXIT.done;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
