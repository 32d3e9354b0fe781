import type { Command } from "commander";
import type { z } from "zod";

/** A flag that sets a key of a configuration. */
export interface OptionSpecification<Key extends string> {
  /** As commander reads it: `--steps <n>`. */
  readonly flags: string;
  /** The key that it sets. */
  readonly key: Key;
  /** Makes a value of what was given. Default: the text itself. */
  readonly parse?: (text: string) => unknown;
  /** Shown in place of the schema's default. */
  readonly shownDefault?: string;
}

/** Adds options that are described, and whose defaults are shown, as the configuration's schema has them. */
export function addSchemaOptions<Shape extends Readonly<Record<string, z.ZodType>>>(
  command: Command,
  schema: z.ZodObject<Shape>,
  options: readonly OptionSpecification<keyof Shape & string>[],
): Command {
  for (const { flags, key, parse, shownDefault } of options) {
    const field = schema.shape[key]!;
    const shown = shownDefault ?? String(field.parse(undefined));
    const text = `${field.description} (default: ${shown})`;
    if (parse) command.option(flags, text, (value: string) => parse(value));
    else command.option(flags, text);
  }
  return command;
}

/** The flags that were given, by configuration key. */
export function givenOptions(command: Command): Record<string, unknown> {
  const values = command.opts<Record<string, unknown>>();
  const given = Object.entries(values).filter(([key]) => command.getOptionValueSource(key) === "cli");
  return Object.fromEntries(given.map(([key, value]) => [key.replace(/Mib$/, "MiB"), value]));
}
