import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { ComparedCell } from "./cells.ts";
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
export async function readResults(cells: readonly ComparedCell[]): Promise<MetricObservations[]> {
  const results = await Promise.all(cells.map(async (cell) => ({ cell, cases: await readCases(cell.resultFile) })));
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

async function readCases(path: string): Promise<EvaluatedCase[]> {
  const parsed = evaluationSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (parsed.success) return parsed.data.cases;
  throw new Error(
    `Cannot compare: ${path} is no evaluation of a segmentation: ${
      z.prettifyError(parsed.error)
    }. Delete its folder to run it again.`,
  );
}
