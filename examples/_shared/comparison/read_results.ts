import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { ClassifiedCase } from "../finetuning/evaluate_classification.ts";
import type { Cell, ComparedCell } from "./cells.ts";
import type { ScoredRun } from "./compare_scores.ts";
import type { MetricObservations, Observation } from "./summarise.ts";

const measure = z.number().nullable();
const evaluationSchema = z.object({
  cases: z.array(z.object({
    id: z.string(),
    subject: z.string(),
    classes: z.array(z.object({
      name: z.string(),
      dice: measure,
      surface: z.object({ hausdorff95Mm: measure, surfaceDice: measure }).optional(),
    })),
  })),
});

type EvaluatedCase = z.infer<typeof evaluationSchema>["cases"][number];
type EvaluatedClass = EvaluatedCase["classes"][number];

/** What is read of each structure. `null` is a structure that is neither there nor predicted; a missed one has the worst value. */
const MEASURES: readonly {
  readonly metric: string;
  readonly higherIsBetter: boolean;
  readonly of: (one: EvaluatedClass) => number | null | undefined;
}[] = [
  { metric: "Dice", higherIsBetter: true, of: ({ dice }) => dice },
  { metric: "surface Dice", higherIsBetter: true, of: ({ surface }) => surface?.surfaceDice },
  { metric: "HD95 in mm", higherIsBetter: false, of: ({ surface }) => surface?.hausdorff95Mm },
];

/**
 * Reads the figures of runs that are done: each scan's mean over its structures.
 *
 * @throws Error when a result is not one that deno task finetune wrote.
 */
export async function readSegmentations(cells: readonly ComparedCell[]): Promise<MetricObservations[]> {
  const results = await Promise.all(
    cells.map(async (cell) => ({ cell, cases: (await readEvaluation(cell, evaluationSchema)).cases })),
  );
  return MEASURES.map(({ metric, higherIsBetter, of }) => ({
    metric,
    higherIsBetter,
    observations: results.flatMap(({ cell: { arm, labels, seed }, cases }) =>
      cases.flatMap(({ id, subject, classes }): Observation[] => {
        const values = classes.map(of).filter((value) => typeof value === "number");
        if (values.length === 0) return [];
        return [{
          arm,
          labels,
          seed,
          id,
          subject,
          value: values.reduce((sum, value) => sum + value, 0) / values.length,
        }];
      })
    ),
  })).filter(({ observations }) => observations.length > 0);
}

const classifiedSchema = z.object({
  id: z.string(),
  subject: z.string(),
  actual: z.array(z.number()),
  predicted: z.array(z.number()),
});
const classificationSchema = z.object({
  cases: z.array(classifiedSchema),
  subjects: z.array(classifiedSchema).optional(),
});

/**
 * Reads what runs that are done said of held-out scans, or of subjects where these were scored.
 *
 * @throws Error when a result is not one that deno task finetune --task classify wrote.
 */
export async function readClassifications(cells: readonly ComparedCell[]): Promise<ScoredRun[]> {
  return await Promise.all(cells.map(async (cell): Promise<ScoredRun> => {
    const { subjects, cases } = await readEvaluation(cell, classificationSchema);
    const { arm, labels, seed } = cell;
    return { arm, labels, seed, cases: (subjects ?? cases) satisfies ClassifiedCase[] };
  }));
}

/** Reads the result of a run. */
export async function readEvaluation<T>({ resultFile, program }: Cell, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(JSON.parse(await readFile(resultFile, "utf8")));
  if (parsed.success) return parsed.data;
  throw new Error(
    `Cannot compare: ${resultFile} is not what deno task ${program} writes: ${
      z.prettifyError(parsed.error)
    }. Delete its folder to run it again.`,
  );
}
