import { expandPattern, requireFew } from "../formats/_data_files.ts";
import type { HeaderReport } from "../formats/_header_report.ts";
import type { VoxelEncoding } from "../formats/_open_voxels.ts";
import { numbersOf, sizesOf } from "../formats/_text_header.ts";
import { LPS_SIGNS, millimetresPer, worldAffine } from "../formats/_world.ts";
import type { NiftiDatatype } from "../nifti/datatypes.ts";
import type { MetaimageFields } from "./_fields.ts";

/** The format's names of scalars; its long takes four bytes on every machine. */
const TYPES: Readonly<Record<string, NiftiDatatype>> = {
  MET_CHAR: "int8",
  MET_UCHAR: "uint8",
  MET_SHORT: "int16",
  MET_USHORT: "uint16",
  MET_INT: "int32",
  MET_UINT: "uint32",
  MET_LONG: "int32",
  MET_ULONG: "uint32",
  MET_LONG_LONG: "int64",
  MET_ULONG_LONG: "uint64",
  MET_FLOAT: "float32",
  MET_DOUBLE: "float64",
};

/** What a header says, checked. */
export interface MetaimageHeader {
  readonly datatype: NiftiDatatype;
  readonly littleEndian: boolean;
  readonly encoding: VoxelEncoding;
  /** `[depth, height, width]`. */
  readonly shape: [number, number, number];
  readonly frames: number;
  /** To RAS+ millimetres. */
  readonly affine: Float64Array;
  readonly affineOrigin: string;
  readonly lineSkip: number;
  readonly byteSkip: number;
  /** Names of the files that hold the voxels; none: they follow the header. */
  readonly files: readonly string[];
}

/** Checks a header's values. */
export function metaimageHeaderOf({ fields, listed }: MetaimageFields, report: HeaderReport): MetaimageHeader {
  const objectType = fields.get("objecttype") ?? "Image";
  if (objectType.toLowerCase() !== "image") {
    const problem = `it is a ${objectType.slice(0, 20)}, expected an Image`;
    throw report.refuse("not-3d", problem, "Give a file whose ObjectType is Image.");
  }
  const dimension = numberOf(fields, "ndims", report);
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > 10) {
    throw report.refuse("bad-dimensions", `NDims is ${dimension}, expected 1 to 10`);
  }
  const sizes = sizesOf(fields.get("dimsize") ?? "", { name: "DimSize", count: dimension, report });
  if (dimension < 3) {
    throw report.refuse("not-3d", `it has ${dimension} dimensions, expected 3`, "Leave it out, or stack it.");
  }
  const [width, height, depth, ...more] = sizes as [number, number, number, ...number[]];
  noteIgnoredScaling(fields, report);
  const datatype = datatypeOf(fields, report);
  const isBinary = flagOf(fields, "binarydata", { fallback: true, report });
  const isCompressed = flagOf(fields, "compresseddata", { fallback: false, report });
  if (!isBinary && isCompressed) {
    throw report.refuse("unsupported-encoding", "its voxels are text and compressed", "Write it as binary data.");
  }
  const byteSkip = fields.has("headersize") ? numberOf(fields, "headersize", report) : 0;
  if (!Number.isSafeInteger(byteSkip) || byteSkip < -1) {
    throw report.refuse("bad-offset", `HeaderSize is ${byteSkip}, expected an integer of at least -1`);
  }
  return {
    datatype,
    littleEndian: !isBinary || !flagOf(fields, "binarydatabyteordermsb", { fallback: false, report }),
    encoding: isBinary ? isCompressed ? "zlib" : "raw" : "ascii",
    shape: [depth, height, width],
    frames: more.reduce((product, size) => product * size, 1),
    ...placeOf(fields, dimension, report),
    lineSkip: 0,
    byteSkip,
    files: filesOf(fields.get("elementdatafile")!, listed, report),
  };
}

function datatypeOf(fields: ReadonlyMap<string, string>, report: HeaderReport): NiftiDatatype {
  const channels = fields.has("elementnumberofchannels") ? numberOf(fields, "elementnumberofchannels", report) : 1;
  const name = fields.get("elementtype")?.toUpperCase() ?? "missing";
  const datatype = TYPES[name.replace(/_ARRAY$/, "")];
  if (datatype === undefined) {
    const problem = `ElementType is ${JSON.stringify(name.slice(0, 40))}, which is not a supported scalar`;
    throw report.refuse(
      "unsupported-datatype",
      problem,
      `Convert the scan to one of ${Object.keys(TYPES).join(", ")}.`,
    );
  }
  if (channels !== 1) {
    const problem = `its voxels are no single numbers: ElementNumberOfChannels is ${channels}`;
    throw report.refuse("unsupported-datatype", problem, "Write each channel to a file of its own.");
  }
  return datatype;
}

/** ITK and with it every reader in use leaves this scaling out; so do we, but not silently. */
function noteIgnoredScaling(fields: ReadonlyMap<string, string>, report: HeaderReport): void {
  const slope = fields.get("elementtointensityfunctionslope") ?? "1";
  const offset = fields.get("elementtointensityfunctionoffset") ?? "0";
  if (Number(slope) === 1 && Number(offset) === 0) return;
  report.warn(
    "scaling-ignored",
    `the header's ElementToIntensityFunction, slope ${slope.slice(0, 20)} and offset ${
      offset.slice(0, 20)
    }, is not applied, as ITK does not either`,
    "Apply it yourself if it was meant, or remove it from the header.",
  );
}

/** Axes, spacing and origin of the first three dimensions, to RAS+. */
function placeOf(
  fields: ReadonlyMap<string, string>,
  dimension: number,
  report: HeaderReport,
): { affine: Float64Array; affineOrigin: string } {
  const numbers = (key: string, count: number) => {
    const text = fields.get(key);
    return text === undefined ? undefined : numbersOf(text, { name: key, count, report });
  };
  const fix = "Set TransformMatrix, Offset and ElementSpacing.";
  let spacing = numbers("elementspacing", dimension);
  if (spacing === undefined && fields.has("elementsize")) {
    spacing = numbers("elementsize", dimension);
    report.warn("no-spacing", "the header has no ElementSpacing; ElementSize is taken in its place", fix);
  } else if (spacing === undefined) {
    report.warn("no-spacing", "the header has no ElementSpacing; taken as 1 mm", fix);
  }
  const matrix = numbers("transformmatrix", dimension * dimension);
  if (matrix === undefined) {
    const message =
      "the header has no TransformMatrix; left and right are a guess: the axes are taken as LPS, as ITK does";
    report.warn("no-orientation", message, fix);
  }
  const offset = numbers("offset", dimension);
  if (offset === undefined) {
    report.warn("no-origin", "the header has no Offset; the first voxel is placed at the world's origin", fix);
  }
  const columns = [0, 1, 2].map((axis) =>
    [0, 1, 2].map((row) => (matrix?.[axis * dimension + row] ?? (row === axis ? 1 : 0)) * (spacing?.[axis] ?? 1))
  );
  const affine = worldAffine(columns, offset ?? [0, 0, 0], {
    signs: LPS_SIGNS,
    unitMm: millimetresPer(fields.get("distanceunits")?.replace(/^\?$/, "") ?? "", report),
    report,
    fields: "its TransformMatrix, ElementSpacing and Offset",
  });
  return { affine, affineOrigin: matrix === undefined ? "ElementSpacing" : "TransformMatrix" };
}

/** `LOCAL`, `LIST`, a pattern with first, last and step, or a name. */
function filesOf(text: string, listed: readonly string[], report: HeaderReport): readonly string[] {
  if (/^LOCAL$/i.test(text)) return [];
  if (/^LIST\b/i.test(text)) {
    requireFew(listed.length, report);
    if (listed.length > 0) return listed;
    throw report.refuse("missing-image", "its list of data files is empty");
  }
  const pattern = /^(.*%\S*)\s+(-?\d+)\s+(-?\d+)(?:\s+(-?\d+))?$/.exec(text);
  if (pattern !== null) {
    const [, name, first, last, step = "1"] = pattern as unknown as [string, string, string, string, string?];
    return expandPattern(name, { first: Number(first), last: Number(last), step: Number(step) }, report);
  }
  if (text !== "") return [text];
  throw report.refuse("missing-image", "ElementDataFile names no file");
}

function flagOf(
  fields: ReadonlyMap<string, string>,
  key: string,
  { fallback, report }: { readonly fallback: boolean; readonly report: HeaderReport },
): boolean {
  const text = fields.get(key);
  if (text === undefined) return fallback;
  if (/^(true|1|t|yes)$/i.test(text)) return true;
  if (/^(false|0|f|no)$/i.test(text)) return false;
  throw report.refuse("bad-header", `${key} is ${JSON.stringify(text.slice(0, 20))}, expected True or False`);
}

function numberOf(fields: ReadonlyMap<string, string>, key: string, report: HeaderReport): number {
  const text = fields.get(key);
  if (text === undefined) throw report.refuse("bad-header", `the key "${key}" is missing`);
  return numbersOf(text, { name: key, count: 1, report })[0]!;
}
