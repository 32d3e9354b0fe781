import type { HeaderReport } from "../formats/_header_report.ts";
import { readTextHeader, requireShort } from "../formats/_text_header.ts";
import type { ByteSource } from "../formats/_byte_source.ts";

const MAGIC = /^NRRD000([1-6])$/;
/** Names that fields have beside their usual ones. */
const ALIASES: Readonly<Record<string, string>> = {
  "datafile": "data file",
  "lineskip": "line skip",
  "byteskip": "byte skip",
  "blocksize": "block size",
  "oldmin": "old min",
  "oldmax": "old max",
  "sampleunits": "sample units",
  "axismins": "axis mins",
  "axismaxs": "axis maxs",
  "centerings": "centers",
};

/** A header's fields by name, and the files that a list in it names. */
export interface NrrdFields {
  /** Descriptions by the field's name in lower case; key/value pairs and comments are left out. */
  readonly fields: ReadonlyMap<string, string>;
  /** Names behind `data file: LIST`. */
  readonly listed: readonly string[];
}

/** Reads a header up to the empty line that ends it; a list of files goes on to the end of the file. */
export async function readNrrdFields(source: ByteSource, report: HeaderReport): Promise<NrrdFields> {
  let hasList = false;
  const { lines } = await readTextHeader(source, report, (line, index) => {
    if (index === 0 && !MAGIC.test(line)) {
      throw report.refuse("bad-header", "it does not begin with NRRD0001 to NRRD0006", "Give a NRRD file.");
    }
    hasList ||= /^data ?file: *LIST\b/i.test(line);
    return line === "" && !hasList;
  });
  const fields = new Map<string, string>();
  const listAt = lines.findIndex((line) => /^data ?file: *LIST\b/i.test(line));
  for (const line of listAt < 0 ? lines.slice(1) : lines.slice(1, listAt + 1)) {
    const at = line.indexOf(":");
    if (line === "" || line.startsWith("#") || (at > 0 && line[at + 1] === "=")) continue;
    if (at < 1 || (line.length > at + 1 && line[at + 1] !== " ")) {
      // Not the line itself: it may be a patient's name.
      throw report.refuse("bad-header", `line ${lines.indexOf(line) + 1} is no field, pair or comment`);
    }
    const name = line.slice(0, at).trim().toLowerCase();
    const value = line.slice(at + 1).trim();
    requireShort(value, lines.indexOf(line) + 1, report);
    const known = ALIASES[name] ?? name;
    if (fields.has(known)) throw report.refuse("bad-header", `line ${lines.indexOf(line) + 1} gives a field again`);
    fields.set(known, value);
  }
  if (lines.length === 0) throw report.refuse("truncated", "it is empty", "Copy or download the file again.");
  const listed = listAt < 0 ? [] : lines.slice(listAt + 1).filter((line) => line.trim() !== "");
  return { fields, listed };
}
