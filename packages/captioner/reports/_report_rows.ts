import { type Finding, PLANES } from "@med3d/volume";
import { parse } from "csv-parse/sync";
import { z } from "zod";

/** One entry: sentences about slices of a range, or about a whole volume. */
export interface ReportRow {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly volume: string;
  readonly text: string;
  readonly plane?: (typeof PLANES)[number];
  readonly first?: number;
  readonly last?: number;
}

const WHOLE_NUMBER = z.union([z.number(), z.string().regex(/^\d{1,9}$/).transform(Number)]).pipe(z.int().min(0));
const optional = <Schema extends z.ZodType>(schema: Schema) =>
  z.union([z.literal("").transform(() => undefined), z.null().transform(() => undefined), schema]).optional();

const ROW = z.object({
  volume: z.string().trim().min(1).max(1000),
  text: z.string().trim().min(1).max(1_000_000),
  plane: optional(z.enum(PLANES)),
  first: optional(WHOLE_NUMBER),
  last: optional(WHOLE_NUMBER),
}).refine(({ plane, first, last }) => plane !== undefined || (first === undefined && last === undefined), {
  message: "a range needs a plane",
}).refine(({ first = 0, last = Infinity }) => first <= last, { message: "first lies behind last" });

/**
 * Reads entries from CSV (with a heading) or JSONL (an object a line). Entries that are malformed become findings, which name line and field and quote
 * nothing: reports hold names.
 *
 * @throws SyntaxError when the whole cannot be read as CSV with the columns `volume` and `text`.
 */
export function parseReportRows(content: string, path: string): { rows: ReportRow[]; findings: Finding[] } {
  const [rows, findings]: [ReportRow[], Finding[]] = [[], []];
  for (const { line, value } of /\.(jsonl|ndjson)$/i.test(path) ? jsonLines(content) : csvLines(content, path)) {
    const { success, data, error } = ROW.safeParse(value);
    if (success) {
      const { plane, first, last } = data;
      rows.push({
        ...{ line, volume: data.volume, text: data.text },
        ...(plane !== undefined && { plane }),
        ...(first !== undefined && { first }),
        ...(last !== undefined && { last }),
      });
      continue;
    }
    const { path: place, message } = error.issues[0]!;
    const where = place.length > 0 ? place.join(".") : "entry";
    findings.push({
      severity: "error",
      code: "bad-entry",
      path,
      message: `line ${line} is passed over: ${where}: ${
        where === "entry" && value !== undefined ? message : "malformed"
      }`,
      fix: "Give volume and text, and plane, first and last where they are known; a range needs a plane.",
    });
  }
  return { rows, findings };
}

function jsonLines(content: string): { line: number; value: unknown }[] {
  return content.split("\n").flatMap((text, index) => {
    if (text.trim() === "") return [];
    try {
      return [{ line: index + 1, value: JSON.parse(text) }];
    } catch {
      return [{ line: index + 1, value: undefined }];
    }
  });
}

function csvLines(content: string, path: string): { line: number; value: unknown }[] {
  let records: { record: Record<string, string>; info: { lines: number } }[];
  try {
    records = parse(content, {
      columns: (names: string[]) => names.map((name) => name.trim().toLowerCase()),
      bom: true,
      info: true,
      skip_empty_lines: true,
      delimiter: /\.tsv$/i.test(path) ? "\t" : ",",
    }) as unknown as typeof records;
  } catch (error) {
    const { code } = error as { code?: string };
    throw new SyntaxError(
      `Cannot read reports from ${path}: it is no table: got ${code ?? "a fault"}, expected CSV with a heading. ` +
        `Quote texts that hold commas or line breaks.`,
    );
  }
  const columns = Object.keys(records[0]?.record ?? {});
  if (records.length > 0 && !(columns.includes("volume") && columns.includes("text"))) {
    throw new SyntaxError(
      `Cannot read reports from ${path}: columns are missing: got ${columns.length} columns, expected volume and text among ` +
        `them. Name the columns in the first line.`,
    );
  }
  return records.map(({ record, info }) => ({ line: info.lines, value: record }));
}
