import type { HeaderReport } from "../formats/_header_report.ts";
import { readTextHeader, requireShort } from "../formats/_text_header.ts";
import type { ByteSource } from "../formats/_byte_source.ts";

const LAST = /^\s*ElementDataFile\s*=/i;
/** Names that keys have beside their usual ones. */
const ALIASES: Readonly<Record<string, string>> = {
  elementbyteordermsb: "binarydatabyteordermsb",
  position: "offset",
  origin: "offset",
  rotation: "transformmatrix",
  orientation: "transformmatrix",
};

/** A header's values by key. */
export interface MetaimageFields {
  /** By the key in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  /** Lines behind `ElementDataFile = LIST`. */
  readonly listed: readonly string[];
}

/** Reads a header up to `ElementDataFile`; a list of files goes on to the end of the file. */
export async function readMetaimageFields(source: ByteSource, report: HeaderReport): Promise<MetaimageFields> {
  let listAt = -1;
  const { lines } = await readTextHeader(source, report, (line, index) => {
    if (index === 0 && !/^\s*(ObjectType|NDims|Comment|ObjectSubType)\s*[=:]/i.test(line)) {
      throw report.refuse("bad-header", "it does not begin with ObjectType or NDims", "Give a .mha or .mhd file.");
    }
    if (listAt < 0 && LAST.test(line) && /=\s*LIST\b/i.test(line)) listAt = index;
    return listAt < 0 && LAST.test(line);
  });
  const fields = new Map<string, string>();
  for (const line of listAt < 0 ? lines : lines.slice(0, listAt + 1)) {
    if (line.trim() === "") continue;
    const at = line.search(/[=:]/);
    const name = line.slice(0, Math.max(0, at)).trim();
    if (!/^\w{1,80}$/.test(name)) {
      // Not the line itself: it may be a patient's name.
      throw report.refuse("bad-header", `line ${lines.indexOf(line) + 1} is no "Key = value"`);
    }
    const value = line.slice(at + 1).trim();
    requireShort(value, lines.indexOf(line) + 1, report);
    const key = name.toLowerCase();
    fields.set(ALIASES[key] ?? key, value);
  }
  if (!fields.has("elementdatafile")) {
    const problem = "it ends before ElementDataFile, the last key of every header";
    throw report.refuse("truncated", problem, "Copy or download the file again.");
  }
  return { fields, listed: listAt < 0 ? [] : lines.slice(listAt + 1).filter((line) => line.trim() !== "") };
}
