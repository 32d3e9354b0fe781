import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { UsageError } from "./pretraining/configuration.ts";

/** What a case can show, bottom layer first. */
export const LAYERS = ["image", "reference", "prediction"] as const;

/** One layer of a case. */
export type Layer = typeof LAYERS[number];

/** One case to be looked at: paths of its scan and, where there are, of its label maps. */
export interface ViewCase extends Readonly<Partial<Record<Layer, string>>> {
  /** How the list shows it. */
  readonly id: string;
  /** Path of the scan: a file of any format or a folder of one DICOM series. */
  readonly image: string;
}

/** The file of a run that lists its cases; paths in it are absolute or start at the run's folder. */
export const CASES_FILE = "cases.json";

const casesSchema = z.strictObject({
  cases: z.array(z.strictObject({
    id: z.string(),
    image: z.string(),
    reference: z.string().optional(),
    prediction: z.string().optional(),
  })).min(1),
});

/**
 * Finds what to show: the cases that a run lists, or the one scan that was named.
 *
 * @param path A run's folder, or a scan.
 * @param maps Label maps of the one scan.
 * @throws UsageError when label maps are named beside a run, or nothing is there.
 * @throws Error when the run's list cannot be read.
 */
export async function findCases(path: string, maps: Omit<ViewCase, "id" | "image">): Promise<ViewCase[]> {
  const list = join(path, CASES_FILE);
  const text = await readFile(list, "utf8").catch(() => undefined);
  if (text !== undefined) {
    if (maps.reference !== undefined || maps.prediction !== undefined) {
      throw new UsageError(
        `Cannot view ${path}: it is a run, which names its own label maps. Leave --reference and --prediction out.`,
      );
    }
    return parseCases(text, list).map((one) => inFolder(one, path));
  }
  const shown = inFolder({ id: path, image: path, ...maps }, ".");
  for (const layer of LAYERS) {
    const file = shown[layer];
    if (file !== undefined && await stat(file).catch(() => undefined) === undefined) {
      throw new UsageError(
        `Cannot view ${file}: nothing is there. Give a scan, or a run's folder with a ${CASES_FILE}.`,
      );
    }
  }
  return [shown];
}

function parseCases(text: string, path: string): ViewCase[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot read ${path}: it is no JSON: ${(error as Error).message}. Make the run again.`);
  }
  const parsed = casesSchema.safeParse(json);
  if (!parsed.success) {
    throw new Error(
      `Cannot read ${path}: it is no list of cases: ${z.prettifyError(parsed.error)}. Make the run again.`,
    );
  }
  return parsed.data.cases as ViewCase[];
}

function inFolder(one: ViewCase, folder: string): ViewCase {
  const paths = LAYERS.flatMap((layer) => one[layer] === undefined ? [] : [[layer, resolve(folder, one[layer])]]);
  return { id: one.id, ...Object.fromEntries(paths) } as ViewCase;
}
