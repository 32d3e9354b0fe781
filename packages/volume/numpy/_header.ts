import type { HeaderReport } from "../formats/_header_report.ts";
import type { ByteSource } from "../formats/_byte_source.ts";
import type { NiftiDatatype } from "../nifti/datatypes.ts";
import { type Literal, LiteralError, parseDictLiteral } from "./_dict_literal.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const LONGEST_HEADER = 1 << 16;
const TYPES: Readonly<Record<string, NumpyHeader["datatype"]>> = {
  b1: "uint8",
  u1: "uint8",
  i1: "int8",
  u2: "uint16",
  i2: "int16",
  u4: "uint32",
  i4: "int32",
  u8: "uint64",
  i8: "int64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};

/** What heads an array. */
export interface NumpyHeader {
  readonly datatype: NiftiDatatype | "float16";
  readonly littleEndian: boolean;
  /** Sizes as NumPy indexes them. */
  readonly shape: readonly number[];
  /** Whether the first index runs fastest. */
  readonly fortranOrder: boolean;
}

/** Reads and checks the header of a `.npy` file or member; the source then stands at the first value. */
export async function readNumpyHeader(source: ByteSource, report: HeaderReport): Promise<NumpyHeader> {
  const start = await take(source, 8, report);
  if (!MAGIC.every((byte, i) => start[i] === byte)) {
    throw report.refuse("bad-header", "it does not begin with NumPy's mark", "Give a .npy or .npz file.");
  }
  const major = start[6]!;
  if (major < 1 || major > 3) throw report.refuse("bad-header", `its version is ${major}, expected 1 to 3`);
  const size = new DataView((await take(source, major === 1 ? 2 : 4, report)).buffer);
  const length = major === 1 ? size.getUint16(0, true) : size.getUint32(0, true);
  if (length > LONGEST_HEADER) {
    throw report.refuse("bad-header", `its header has ${length} bytes, expected at most ${LONGEST_HEADER}`);
  }
  const text = new TextDecoder().decode(await take(source, length, report));
  let entries: Map<string, Literal>;
  try {
    entries = parseDictLiteral(text.trim());
  } catch (cause) {
    if (!(cause instanceof LiteralError)) throw cause;
    throw report.refuse("bad-header", `its header is no dictionary of NumPy's (${cause.message})`, undefined, cause);
  }
  return headerOf(entries, report);
}

function headerOf(entries: ReadonlyMap<string, Literal>, report: HeaderReport): NumpyHeader {
  const [descr, fortranOrder, shape] = ["descr", "fortran_order", "shape"].map((key) => entries.get(key));
  const isShape = Array.isArray(shape) && shape.every((size) => typeof size === "number");
  if (typeof fortranOrder !== "boolean" || !isShape) {
    throw report.refuse("bad-header", "its header lacks fortran_order (True or False) or shape (a tuple of integers)");
  }
  const [, order, code] = (typeof descr === "string" ? /^([<>|=]?)([a-zA-Z]\d*)$/.exec(descr) : null) ?? [];
  const datatype = TYPES[code ?? ""];
  if (datatype === undefined) {
    const isObject = code?.startsWith("O");
    throw report.refuse(
      "unsupported-datatype",
      `its values are of type ${JSON.stringify(descr ?? null).slice(0, 60)}, ` +
        (isObject ? "Python objects, which are programs to run and never read" : "which is no supported scalar"),
      "Save it as an array of integers or floating point numbers.",
    );
  }
  return { datatype, littleEndian: order !== ">", shape: shape as number[], fortranOrder };
}

async function take(source: ByteSource, length: number, report: HeaderReport): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  if (await source.fill(bytes) === length) return bytes;
  throw report.refuse("truncated", "it ends within its header", "Copy or download the file again.");
}
