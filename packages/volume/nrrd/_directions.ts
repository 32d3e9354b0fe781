import type { HeaderReport } from "../formats/_header_report.ts";
import { numbersOf } from "../formats/_text_header.ts";
import { LPS_SIGNS, type WorldSigns } from "../formats/_world.ts";

/** Worlds by name and abbreviation: signs to RAS+; those that no patient's axes are known of have none. */
const SPACES: Readonly<Record<string, WorldSigns | "unknown">> = {
  "right-anterior-superior": [1, 1, 1],
  "ras": [1, 1, 1],
  "left-anterior-superior": [-1, 1, 1],
  "las": [-1, 1, 1],
  "left-posterior-superior": LPS_SIGNS,
  "lps": LPS_SIGNS,
  "scanner-xyz": "unknown",
  "3d-right-handed": "unknown",
  "3d-left-handed": "unknown",
};
/** The world that directions are given in. */
export interface World {
  /** Components of a direction; 4 with time. */
  readonly dimension: number;
  readonly signs: WorldSigns | "unknown";
  readonly name: string;
}

/** Reads which world a header speaks of; `undefined` for none. */
export function worldOf(fields: ReadonlyMap<string, string>, report: HeaderReport): World | undefined {
  const space = fields.get("space");
  if (space === undefined) {
    if (!fields.has("space dimension")) return undefined;
    const dimension = requiredNumber(fields, "space dimension", report);
    if (dimension !== 3 && dimension !== 4) { // 4 as ITK writes series: the last is time
      throw report.refuse("not-3d", `its space has ${dimension} dimensions, expected 3, or 4 with time`);
    }
    return { dimension, signs: "unknown", name: "space dimension" };
  }
  const name = space.toLowerCase();
  const spatial = name.replace(/-time$/, "");
  const abbreviated = /^(ras|las|lps)t$/.exec(name)?.[1];
  const signs = SPACES[abbreviated ?? spatial];
  if (signs === undefined) {
    const expected = "one of the format's worlds, such as left-posterior-superior";
    throw report.refuse("bad-affine", `space is ${JSON.stringify(space.slice(0, 40))}, expected ${expected}`);
  }
  return { dimension: abbreviated !== undefined || spatial !== name ? 4 : 3, signs, name: space };
}

/** Step of each axis in space; none for those that have none or lead through time alone. */
export function directionsOf(
  fields: ReadonlyMap<string, string>,
  { dimension, world, report }: {
    readonly dimension: number;
    readonly world: World | undefined;
    readonly report: HeaderReport;
  },
): (readonly number[] | undefined)[] | undefined {
  const text = fields.get("space directions");
  if (text === undefined) return undefined;
  if (world === undefined) {
    throw report.refuse("bad-affine", "it has space directions but no space", "Write its space into the header.");
  }
  const words = text.match(/\([^)]*\)|[^\s()]+/g) ?? [];
  if (words.length !== dimension) {
    throw report.refuse(
      "bad-affine",
      `it has ${words.length} space directions, expected ${dimension}: one for each axis`,
    );
  }
  return words.map((word) => {
    if (/^none$/i.test(word)) return undefined;
    const vector = vectorOf(word, { name: "space directions", count: world.dimension, report });
    return vector.slice(0, 3).every((value) => value === 0 || Number.isNaN(value)) ? undefined : vector;
  });
}

/** Reads a vector such as `(1,0,0)`. */
export function vectorOf(
  text: string,
  options: { readonly name: string; readonly count: number; readonly report: HeaderReport },
): number[] {
  const inner = /^\(([^()]*)\)$/.exec(text.trim())?.[1];
  if (inner === undefined) {
    const problem = `${options.name} has ${JSON.stringify(text.slice(0, 40))}, expected a vector such as (1,0,0)`;
    throw options.report.refuse("bad-affine", problem);
  }
  return numbersOf(inner.replaceAll(",", " "), options);
}

/** Reads a number that a header must have. */
export function requiredNumber(fields: ReadonlyMap<string, string>, name: string, report: HeaderReport): number {
  const text = fields.get(name);
  if (text === undefined) throw report.refuse("bad-header", `the field "${name}" is missing`);
  return numbersOf(text, { name, count: 1, report })[0]!;
}
