import { z } from "zod";
import { type FinetuningConfiguration, parseFinetuning } from "../finetuning/configuration.ts";
import { nearestName, parseBySchema, parseConfiguration, UsageError } from "../pretraining/configuration.ts";

const settings = z.record(z.string(), z.unknown());
const armSchema = z.strictObject({
  pretraining: settings.nullable().default(null)
    .describe("keys of pretraining in which this arm differs; null starts from scratch"),
  finetuning: settings.nullable().default({})
    .describe("keys of fine-tuning in which this arm differs; null pretrains alone"),
  against: z.string().nullable().default(null)
    .describe("the arm that this one is held against; null: the baseline"),
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
  pretrainingSeeds: z.int().positive().nullable().default(null)
    .describe("seeds, from the first on, that are pretrained with and shared in turn by all; null: each seed its own"),
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
  const checkArm = (key: string, name: string): void => {
    if (names.includes(name)) return;
    throw new UsageError(
      `Cannot read ${origin}: "${key}" is "${name}", which is no arm.${nearestName(name, names)} Arms: ${
        names.join(", ")
      }.`,
    );
  };
  checkArm("baseline", baseline);
  for (const [name, { against }] of Object.entries(parsed.arms)) {
    if (against !== null) checkArm(`arms.${name}.against`, against);
    if (against === name) {
      throw new UsageError(`Cannot read ${origin}: arm "${name}" is held against itself. Name another arm.`);
    }
  }
  if ((parsed.pretrainingSeeds ?? 1) > parsed.seeds.length) {
    throw new UsageError(
      `Cannot read ${origin}: "pretrainingSeeds" is ${parsed.pretrainingSeeds}, but there are ${parsed.seeds.length} seeds. Lower it.`,
    );
  }
  for (const key of ["labels", "seeds"] as const) {
    if (new Set(parsed[key]).size < parsed[key].length) {
      throw new UsageError(`Cannot read ${origin}: "${key}" names a value twice: ${parsed[key].join(", ")}.`);
    }
  }
  const learned = new Map<string, string>();
  for (const [name, arm] of Object.entries(parsed.arms)) {
    if (arm.pretraining === null && arm.finetuning === null) {
      throw new UsageError(
        `Cannot read ${origin}: arm "${name}" is neither pretrained nor fine-tuned. Give it settings, {} at least, for one of both.`,
      );
    }
    for (const stage of ["pretraining", "finetuning"] as const) {
      const given = { ...parsed[stage], ...arm[stage] };
      const decided = DECIDED.find((key) => key in given);
      if (decided) {
        throw new UsageError(
          `Cannot read ${origin}: "${decided}" stands in the ${stage} of arm "${name}", but the comparison decides it. Take it out.`,
        );
      }
      if (arm[stage] === null) continue;
      if (stage === "pretraining") parseConfiguration(given, `${origin}, pretraining of arm "${name}"`);
      else {
        const { task, target, unit } = parseFinetuning(given, `${origin}, finetuning of arm "${name}"`);
        learned.set(task === "segment" ? task : `${task}, target ${target}, unit ${unit}`, name);
      }
    }
  }
  if (learned.size > 1) {
    throw new UsageError(
      `Cannot read ${origin}: arms learn different things: ${
        [...learned].map(([what, name]) => `"${name}" ${what}`).join("; ")
      }. Compare them in protocols of their own.`,
    );
  }
  return { ...parsed, baseline };
}

/** Which arm each is held against; nothing stands there for the baseline, unless it names one. */
export function opponents({ arms, baseline }: Protocol): Map<string, string> {
  return new Map(
    Object.entries(arms).flatMap(([name, { against }]) => {
      const opponent = against ?? baseline;
      return opponent === name ? [] : [[name, opponent] as const];
    }),
  );
}

/** What the fine-tunings learn, the same in all arms; nothing where no arm is fine-tuned. */
export function learnedTask(
  { arms, finetuning }: Protocol,
): Pick<FinetuningConfiguration, "task" | "target" | "unit"> | undefined {
  const tuned = Object.values(arms).find((arm) => arm.finetuning !== null);
  return tuned && parseFinetuning({ ...finetuning, ...tuned.finetuning }, "a protocol");
}
