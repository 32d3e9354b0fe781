import type { LabelClass } from "@med3d/downstream";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { UsageError } from "../pretraining/configuration.ts";

/** What is evaluated. */
export interface Structures {
  /** Structures in order. */
  readonly classes: readonly LabelClass[];
  /** Label of voxels that are left out. */
  readonly ignoreLabel?: number;
}

const labelsSchema = z.looseObject({
  labels: z.record(z.string(), z.union([z.string(), z.int(), z.array(z.int()).min(1)])),
});

/**
 * Reads structures from what `--labels` says: the path of a `dataset.json`, or `liver=1,tumour=2,whole=1+2`, or `liver,tumour` for 1 and 2.
 *
 * @throws UsageError when it is neither, or names no structure.
 */
export async function parseStructures(text: string): Promise<Structures> {
  if (/\.json$/i.test(text)) return await readStructures(text);
  const classes = text.split(",").map((part, place): LabelClass => {
    const [name, values = String(place + 1)] = part.split("=").map((piece) => piece.trim());
    const labels = values.split("+").map(Number);
    if (!name || labels.some((label) => !Number.isInteger(label) || label === 0) || part.split("=").length > 2) {
      throw new UsageError(
        `Cannot read --labels: bad entry: got "${part}", expected a name, name=1 or name=1+2. ` +
          "Give a dataset.json, or names with their labels between commas.",
      );
    }
    return { name, labels };
  });
  return { classes };
}

/**
 * Reads structures from a `dataset.json` of the Decathlon (`{"1": "liver"}`) or of nnU-Net (`{"liver": 1, "whole": [1, 2], "ignore": 3}`).
 *
 * @throws UsageError when it can't be read or names no structure.
 */
export async function readStructures(path: string): Promise<Structures> {
  const refuse = (problem: string): never => {
    throw new UsageError(`Cannot read labels of ${path}: ${problem}. Name them with --labels liver=1,tumour=2.`);
  };
  const text = await readFile(path, "utf8").catch((error: Error) => refuse(error.message));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    refuse(`it is no JSON: ${(error as Error).message}`);
  }
  const parsed = labelsSchema.safeParse(json);
  if (!parsed.success) return refuse(z.prettifyError(parsed.error).replaceAll("\n", " "));
  const named = Object.entries(parsed.data.labels).map(([key, value]): LabelClass =>
    typeof value === "string" ? { name: value, labels: [Number(key)] } : { name: key, labels: [value].flat() }
  );
  const wrong = named.find(({ labels }) => labels.some((label) => !Number.isInteger(label)));
  if (wrong) refuse(`"${wrong.name}" has no whole number`);
  const ignored = named.find(({ name, labels }) => name.toLowerCase() === "ignore" && labels.length === 1);
  const classes = named.filter((entry) => entry !== ignored && !entry.labels.includes(0));
  if (classes.length === 0) refuse("it names no structure but the background");
  return { classes, ...ignored && { ignoreLabel: ignored.labels[0]! } };
}
