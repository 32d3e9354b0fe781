import { isAbsolute } from "node:path";
import type { Finding } from "../findings.ts";
import type { Modality } from "../volume.ts";
import type { DataFolder } from "./_data_folder.ts";
import { parseDelimited } from "./_delimited.ts";
import { countOf, isObject, type ListedCase, type PickOptions, type Recognised, someOf } from "./_recognised.ts";

const NAMES = ["manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.ndjson"] as const;
const COLUMNS = ["image", "label", "subject", "session", "split", "modality"] as const;
const SPLITS: Readonly<Record<string, "train" | "validation" | "test" | undefined>> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
};
const MODALITIES: Readonly<Record<string, Modality | undefined>> = {
  ct: "CT",
  mr: "MR",
  mri: "MR",
  unknown: "unknown",
};

type Column = (typeof COLUMNS)[number];
type Row = { readonly line: number } & Partial<Record<Column, string>>;

/** The manifest of a folder, by its name. */
export async function findManifest(folder: DataFolder): Promise<string | undefined> {
  for (const name of NAMES) if (await folder.readText(name) !== undefined) return name;
  return undefined;
}

/**
 * Reads a manifest: a table with a heading (`.csv`, `.tsv`) or an object a line (`.jsonl`), with `image` and, where they are known,
 * `label`, `subject`, `session`, `split` and `modality`. Paths are relative to the manifest's folder.
 */
export async function recogniseManifest(folder: DataFolder, name: string, options: PickOptions): Promise<Recognised> {
  const path = folder.pathOf(name);
  const { rows, unknown } = parseManifest(await folder.readText(name) ?? "", path);
  const findings: Finding[] = [];
  const note = (severity: Finding["severity"], code: string, message: string, fix: string): void =>
    void findings.push({ severity, code, path, message, fix });
  if (unknown.length > 0) {
    note(
      "info",
      "unknown-column",
      `columns that say nothing here are passed over: ${someOf(unknown)}`,
      `Known are ${COLUMNS.join(", ")}.`,
    );
  }
  const cases: ListedCase[] = [];
  const test: ListedCase[] = [];
  for (const { line, image, label, subject, session, split, modality } of rows) {
    if (!image) {
      note("error", "bad-entry", `line ${line} names no image`, "Give the path of the scan in the column image.");
      continue;
    }
    const side = split ? SPLITS[split.toLowerCase()] : undefined;
    if (split && !side) {
      note("warning", "bad-entry", `line ${line} has the split "${split}"`, "Write train, validation or test.");
    }
    const made = modality ? MODALITIES[modality.toLowerCase()] : undefined;
    if (modality && !made) {
      note("warning", "bad-entry", `line ${line} has the modality "${modality}"`, "Write CT or MR.");
    }
    const entry: ListedCase = {
      image: resolve(folder, image, { name, options }),
      ...(label && { label: resolve(folder, label, { name, options }) }),
      ...(subject && { subject }),
      ...(session && { session }),
      ...((side === "train" || side === "validation") && { split: side }),
      ...(made && { modality: made }),
    };
    (side === "test" ? test : cases).push(entry);
  }
  if (test.length > 0 && !options.includeTest) {
    const fix = "Set includeTest to use them too; then no figure on them is a test any more.";
    note("info", "test-left-out", `${countOf(test.length, "test scan")} left out`, fix);
  }
  return {
    kind: "manifest",
    title: `manifest ${name}`,
    modality: "unknown",
    cases: options.includeTest ? [...cases, ...test] : cases,
    others: test.flatMap(({ image, label }) => [image, label ?? image]),
    findings,
  };
}

function resolve(
  folder: DataFolder,
  listed: string,
  { name, options }: { readonly name: string; readonly options: PickOptions },
): string {
  return options.allowAbsolutePaths && isAbsolute(listed) ? listed : folder.resolve(listed, name);
}

/** Splits a manifest into rows, whatever its form. */
function parseManifest(text: string, path: string): { rows: Row[]; unknown: string[] } {
  const broken = (problem: string, cause?: unknown): SyntaxError =>
    new SyntaxError(
      `Cannot index data set: ${path} is no manifest: ${problem}. Write a heading with the column image, or an object a line.`,
      { cause },
    );
  if (/\.(jsonl|ndjson)$/i.test(path)) return parseLines(text, broken);
  try {
    const heading = text.split("\n", 1)[0]!;
    const delimiter = /\.tsv$/i.test(path) ? "\t" : heading.includes(",") || !heading.includes(";") ? "," : ";";
    const [first, ...rest] = parseDelimited(text, delimiter);
    const names = first?.cells.map((cell) => cell.toLowerCase()) ?? [];
    if (!names.includes("image")) throw new SyntaxError(`its heading has no column "image"`);
    const rows = rest.map(({ line, cells }): Row => ({
      line,
      ...Object.fromEntries(COLUMNS.flatMap((column) => {
        const cell = cells[names.indexOf(column)];
        return cell ? [[column, cell]] : [];
      })),
    }));
    return { rows, unknown: names.filter((name) => !isColumn(name)) };
  } catch (cause) {
    throw broken((cause as Error).message, cause);
  }
}

function parseLines(
  text: string,
  broken: (problem: string, cause?: unknown) => SyntaxError,
): ReturnType<typeof parseManifest> {
  const unknown = new Set<string>();
  const rows = text.split(/\r?\n/).flatMap((content, index): Row[] => {
    if (content.trim() === "") return [];
    let entry: unknown;
    try {
      entry = JSON.parse(content);
    } catch (cause) {
      throw broken(`line ${index + 1} is no JSON: ${(cause as Error).message}`, cause);
    }
    if (!isObject(entry)) throw broken(`line ${index + 1} is no object`);
    for (const key of Object.keys(entry)) if (!isColumn(key)) unknown.add(key);
    const values = COLUMNS.flatMap((column) => typeof entry[column] === "string" ? [[column, entry[column]]] : []);
    return [{ line: index + 1, ...Object.fromEntries(values) }];
  });
  return { rows, unknown: [...unknown] };
}

function isColumn(name: string): name is Column {
  return (COLUMNS as readonly string[]).includes(name);
}
