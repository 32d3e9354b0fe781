import { z } from "zod";
import { parseFinetuning } from "../finetuning/configuration.ts";
import { parseBySchema, parseConfiguration, UsageError } from "../pretraining/configuration.ts";

const settings = z.record(z.string(), z.unknown());
const armSchema = z.strictObject({
  pretraining: settings.nullable().default(null)
    .describe("keys of pretraining in which this arm differs; null starts from scratch"),
  finetuning: settings.default({}).describe("keys of fine-tuning in which this arm differs"),
});

/** Shape of a protocol: what is compared, on which data, and how often. */
export const protocolSchema = z.strictObject({
  title: z.string().min(1).default("Comparison").describe("heading of the report"),
  data: z.string().min(1).nullable().default(null)
    .describe("folder of labelled scans, as deno task finetune takes it; null: phantoms"),
  out: z.string().min(1).describe(
    "folder of the comparison; a path that is not absolute starts at the protocol's folder",
  ),
  arms: z.record(z.string().regex(/^[\w.-]+$/), armSchema).refine((arms) => Object.keys(arms).length > 0, "no arm")
    .describe("what is compared, by name"),
  baseline: z.string().nullable().default(null).describe("the arm that the others are held against; null: the first"),
  labels: z.array(z.number().gt(0).lte(1)).min(1).default([1]).describe("shares of the training labels"),
  seeds: z.array(z.int().nonnegative()).min(1).default([0, 1, 2]).describe("seeds of pretraining and fine-tuning"),
  pretraining: settings.default({}).describe("keys of pretraining that all arms share"),
  finetuning: settings.default({}).describe("keys of fine-tuning that all arms share"),
});

/** What is compared, on which data, and how often. */
export type Protocol = Omit<z.infer<typeof protocolSchema>, "baseline"> & { readonly baseline: string };

/** Keys that the comparison itself decides. */
const DECIDED = ["out", "data", "seed", "weights", "labels"] as const;

/**
 * Checks a protocol, each arm's settings included, so that no run starts that another cannot join.
 *
 * @param values As parsed from JSON.
 * @param origin Where they come from, for the error message.
 * @throws UsageError naming the key, its value and what is expected.
 */
export function parseProtocol(values: unknown, origin: string): Protocol {
  const parsed = parseBySchema(protocolSchema, values, origin);
  const names = Object.keys(parsed.arms);
  const baseline = parsed.baseline ?? names[0]!;
  if (!names.includes(baseline)) {
    throw new UsageError(
      `Cannot read ${origin}: "baseline" is "${baseline}", which is no arm. Arms: ${names.join(", ")}.`,
    );
  }
  for (const key of ["labels", "seeds"] as const) {
    if (new Set(parsed[key]).size < parsed[key].length) {
      throw new UsageError(`Cannot read ${origin}: "${key}" names a value twice: ${parsed[key].join(", ")}.`);
    }
  }
  for (const [name, arm] of Object.entries(parsed.arms)) {
    for (const stage of ["pretraining", "finetuning"] as const) {
      const given = { ...parsed[stage], ...arm[stage] };
      const decided = DECIDED.find((key) => key in given);
      if (decided) {
        throw new UsageError(
          `Cannot read ${origin}: "${decided}" stands in the ${stage} of arm "${name}", but the comparison decides it. Take it out.`,
        );
      }
      if (stage === "finetuning") parseFinetuning(given, `${origin}, finetuning of arm "${name}"`);
      else if (arm.pretraining) parseConfiguration(given, `${origin}, pretraining of arm "${name}"`);
    }
  }
  return { ...parsed, baseline };
}
