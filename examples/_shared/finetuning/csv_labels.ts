import type { Finding } from "@med3d/volume";
import { parse } from "csv-parse/sync";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import type { LabelledCase } from "./cases.ts";

/**
 * Gives cases the classes or values of a table: a heading with `id` or `subject` and any other columns, all of which are numbers. An id is a
 * case's name or its file's, with or without the ending; what is said of a subject holds for all of its cases.
 *
 * @returns The cases that the table names, the names of its columns, and a finding where it does not name every case.
 * @throws UsageError when the table cannot be read, names something twice, a cell is no number, or no case is named.
 */
export async function withCsvLabels(
  cases: readonly LabelledCase[],
  path: string,
): Promise<{ cases: LabelledCase[]; names: string[]; findings: Finding[] }> {
  const rows = await readRows(path);
  const [heading, ...body] = rows;
  const key = heading?.includes("id") ? "id" : "subject";
  const place = heading?.indexOf(key) ?? -1;
  if (!heading || place < 0 || heading.length < 2) {
    throw new UsageError(
      `Cannot read ${path}: it has no heading with id or subject and a column more: got ${
        heading?.join(", ") ?? "nothing"
      }.`,
    );
  }
  const twice = body.find((row, line) => body.findIndex((other) => other[place] === row[place]) < line);
  if (twice) throw new UsageError(`Cannot read ${path}: ${key} "${twice[place]}" stands there twice. Leave one line.`);
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
    const names = key === "subject" ? [entry.subject] : [entry.id, file, file.replace(/(\.nii)?\.\w+$/, "")];
    const classLabels = names.map((name) => valuesOf.get(name)).find(Boolean);
    return classLabels ? [{ ...entry, classLabels }] : [];
  });
  if (found.length === 0) {
    throw new UsageError(
      `Cannot use ${path}: none of its ${key}s is that of a scan: got ${body[0]?.[place]}, expected one like ${
        cases[0]?.[key]
      }.`,
    );
  }
  const unnamed = cases.length - found.length;
  return {
    cases: found,
    names: others.map((column) => heading[column]!),
    findings: unnamed === 0 ? [] : [{
      severity: "warning",
      code: "not-in-table",
      path,
      message: `${unnamed} of ${cases.length} scans are not in the table and are left out`,
      fix: "Add them to the table if they are wanted.",
    }],
  };
}

async function readRows(path: string): Promise<string[][]> {
  try {
    return parse(await readFile(path, "utf8"), { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${(error as Error).message}.`, { cause: error });
  }
}
