import { expandPattern, requireFew } from "../formats/_data_files.ts";
import type { HeaderReport } from "../formats/_header_report.ts";
import type { VoxelEncoding } from "../formats/_open_voxels.ts";
import { numbersOf } from "../formats/_text_header.ts";
import { DATATYPES, type NiftiDatatype } from "../nifti/datatypes.ts";
import type { NrrdFields } from "./_fields.ts";

/** Every name of the format for a scalar's type. */
const TYPE_NAMES: Readonly<Record<NiftiDatatype, readonly string[]>> = {
  int8: ["signed char", "int8", "int8_t"],
  uint8: ["uchar", "unsigned char", "uint8", "uint8_t"],
  int16: ["short", "short int", "signed short", "signed short int", "int16", "int16_t"],
  uint16: ["ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"],
  int32: ["int", "signed int", "int32", "int32_t"],
  uint32: ["uint", "unsigned int", "uint32", "uint32_t"],
  int64: ["longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"],
  uint64: ["ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"],
  float32: ["float"],
  float64: ["double"],
};
const ENCODINGS: Readonly<Record<string, VoxelEncoding>> = {
  raw: "raw",
  txt: "ascii",
  text: "ascii",
  ascii: "ascii",
  hex: "hex",
  gz: "gzip",
  gzip: "gzip",
  bz2: "bzip2",
  bzip2: "bzip2",
};

/** How a NRRD file's voxels are written down. */
export interface NrrdStream {
  readonly datatype: NiftiDatatype;
  readonly littleEndian: boolean;
  readonly encoding: VoxelEncoding;
  readonly lineSkip: number;
  readonly byteSkip: number;
  /** Names of the files that hold the voxels; none: they follow the header. */
  readonly files: readonly string[];
}

/** Reads type, encoding, byte order, skips and files from a header. */
export function nrrdStreamOf({ fields, listed }: NrrdFields, report: HeaderReport): NrrdStream {
  const datatype = datatypeOf(required(fields, "type", report), report);
  const encoding = ENCODINGS[required(fields, "encoding", report).toLowerCase()];
  if (encoding === undefined) {
    const expected = Object.keys(ENCODINGS).join(", ");
    throw report.refuse(
      "unsupported-encoding",
      `encoding is ${shown(fields.get("encoding")!)}, expected one of ${expected}`,
    );
  }
  const whole = (name: string, least: number) => {
    const text = fields.get(name) ?? "0";
    const value = numbersOf(text, { name, count: 1, report })[0]!;
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw report.refuse("bad-offset", `${name} is ${shown(text)}, expected an integer of at least ${least}`);
  };
  return {
    datatype,
    encoding,
    littleEndian: encoding === "ascii" || isLittleEndian(fields, datatype, report),
    lineSkip: whole("line skip", 0),
    byteSkip: whole("byte skip", -(2 ** 40)),
    files: filesOf(fields.get("data file"), listed, report),
  };
}

function datatypeOf(text: string, report: HeaderReport): NiftiDatatype {
  const name = text.toLowerCase().replace(/\s+/g, " ");
  const found = (Object.keys(TYPE_NAMES) as NiftiDatatype[]).find((type) => TYPE_NAMES[type].includes(name));
  if (found !== undefined) return found;
  const problem = `type is ${shown(text)}, which is not a supported scalar`;
  throw report.refuse(
    "unsupported-datatype",
    problem,
    `Convert the scan to one of ${Object.keys(DATATYPES).join(", ")}.`,
  );
}

function isLittleEndian(fields: ReadonlyMap<string, string>, datatype: NiftiDatatype, report: HeaderReport): boolean {
  const endian = fields.get("endian")?.toLowerCase();
  if (endian === "little" || endian === "big") return endian === "little";
  if (DATATYPES[datatype].bytes === 1) return true;
  throw report.refuse("bad-header", `endian is ${shown(endian ?? "missing")}, expected little or big`);
}

/** `LIST`, a pattern with first, last and step, or a name. */
function filesOf(text: string | undefined, listed: readonly string[], report: HeaderReport): readonly string[] {
  if (text === undefined) return [];
  if (/^LIST\b/i.test(text)) {
    requireFew(listed.length, report);
    if (listed.length > 0) return listed;
    throw report.refuse("missing-image", "its list of data files is empty");
  }
  const pattern = /^(.*%.*?)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)(\s+\d+)?$/.exec(text);
  if (pattern === null) return [text];
  const [first, last, step] = pattern.slice(2, 5).map(Number) as [number, number, number];
  return expandPattern(pattern[1]!, { first, last, step }, report);
}

function required(fields: ReadonlyMap<string, string>, name: string, report: HeaderReport): string {
  const text = fields.get(name);
  if (text !== undefined) return text;
  throw report.refuse("bad-header", `the field "${name}" is missing`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
