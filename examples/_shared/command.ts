import { Command, CommanderError, InvalidArgumentError } from "commander";
import { UsageError } from "./pretraining/configuration.ts";

/** Exit codes of every command: done, failed, wrong usage, stopped from outside. */
export const EXIT = { done: 0, failed: 1, usage: 2, stopped: 130 } as const;

/** Makes a command that throws instead of exiting, shows help after a usage error and suggests the nearest option. */
export function createCommand(name: string, description: string): Command {
  return new Command(`deno task ${name}`)
    .description(description)
    .showSuggestionAfterError(true)
    .helpOption("-h, --help", "show this help")
    .configureHelp({ sortOptions: false })
    .exitOverride();
}

/**
 * Runs a program and turns how it ended into an exit code: 0 done, 1 failed, 2 usage. Prints the error's message, and
 * with `MED3D_DEBUG=1` its stack.
 */
export async function runProgram(program: () => Promise<number | void>): Promise<number> {
  try {
    return (await program()) ?? EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage; // commander has printed it
    const failure = error instanceof Error ? error : new Error(String(error));
    console.error(`error: ${failure.message}`);
    if (Deno.env.get("MED3D_DEBUG") === "1") console.error(failure.stack);
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

/** Parses `--option N`, N a number. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** Parses voxels per axis: `32` for a cube or `32x48x32` for depth × height × width. */
export function parseShape(text: string): number[] {
  const parts = text.split(/[x×,]/).map(Number);
  if (parts.some((part) => !Number.isInteger(part) || part <= 0) || (parts.length !== 1 && parts.length !== 3)) {
    throw new InvalidArgumentError("Expected voxels such as 32 or 32x48x32 (depth x height x width).");
  }
  return parts.length === 1 ? [parts[0]!, parts[0]!, parts[0]!] : parts;
}

/** Parses a list of numbers: `8,16,32`. */
export function parseNumbers(text: string): number[] {
  return text.split(",").map(parseNumber);
}

/** Parses a JSON object: `{"heads": [3, 6]}`. */
export function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // told below
  }
  throw new InvalidArgumentError("Expected a JSON object such as '{\"features\": 24}'.");
}
