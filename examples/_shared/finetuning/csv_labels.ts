import { parse } from "csv-parse/sync";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import type { LabelledCase } from "./cases.ts";

/**
 * Gives cases the classes or values of a table: a heading with `id` and any other columns, all of which are numbers. An id is a case's name or
 * its file's, with or without the ending.
 *
 * @returns The cases that the table names, and the names of its columns.
 * @throws UsageError when the table cannot be read, a cell is no number, or no case is named.
 */
export async function withCsvLabels(
  cases: readonly LabelledCase[],
  path: string,
): Promise<{ cases: LabelledCase[]; names: string[] }> {
  const rows = await readRows(path);
  const [heading, ...body] = rows;
  const place = heading?.indexOf("id") ?? -1;
  if (!heading || place < 0 || heading.length < 2) {
    throw new UsageError(
      `Cannot read ${path}: it has no heading with id and a column more: got ${heading?.join(", ") ?? "nothing"}.`,
    );
  }
  const others = heading.keys().filter((column) => column !== place).toArray();
  const valuesOf = new Map(body.map((row, line) => [
    row[place]!,
    others.map((column) => {
      const value = Number(row[column]);
      if (row[column]!.trim() !== "" && Number.isFinite(value)) return value;
      throw new UsageError(
        `Cannot read ${path}: line ${line + 2}, ${heading[column]}: got "${row[column]}", expected a number.`,
      );
    }),
  ]));
  const found = cases.flatMap((entry): LabelledCase[] => {
    const file = basename(entry.path);
    const classLabels = [entry.id, file, file.replace(/(\.nii)?\.\w+$/, "")].map((name) => valuesOf.get(name)).find(
      Boolean,
    );
    return classLabels ? [{ ...entry, classLabels }] : [];
  });
  if (found.length === 0) {
    throw new UsageError(
      `Cannot use ${path}: none of its ids is a scan's name: got ${body[0]?.[place]}, expected one like ${
        cases[0]?.id
      }.`,
    );
  }
  return { cases: found, names: others.map((column) => heading[column]!) };
}

async function readRows(path: string): Promise<string[][]> {
  try {
    return parse(await readFile(path, "utf8"), { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${(error as Error).message}.`, { cause: error });
  }
}
