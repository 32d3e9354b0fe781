import { stat } from "node:fs/promises";
import { CorruptVolumeError } from "../findings.ts";
import { type ByteSource, isGzip, openByteSource } from "./_byte_source.ts";

/** Formats that {@linkcode readVolume} reads. */
export type ScanFormat = "nifti" | "mgh" | "nrrd" | "metaimage" | "numpy" | "dicom";

/** What a file was taken for. */
export interface RecognisedFormat {
  /** The format. */
  readonly format: ScanFormat;
  /** Whether its first bytes said so, or only its name. */
  readonly by: "content" | "name";
  /** In words, such as `"NIfTI, gzip"`. */
  readonly description: string;
}

/** The usual names of the formats. */
export const FORMAT_NAMES: Readonly<Record<ScanFormat, string>> = {
  nifti: "NIfTI",
  mgh: "MGH",
  nrrd: "NRRD",
  metaimage: "MetaImage",
  numpy: "NumPy",
  dicom: "DICOM",
};

const HEAD_BYTES = 352;
const ENDINGS: readonly (readonly [RegExp, ScanFormat])[] = [
  [/\.(nii|hdr|img)(\.gz)?$/i, "nifti"],
  [/\.(mgh|mgz)(\.gz)?$/i, "mgh"],
  [/\.(nrrd|nhdr)$/i, "nrrd"],
  [/\.(mha|mhd)$/i, "metaimage"],
  [/\.(npy|npz)$/i, "numpy"],
  [/(\.(dcm|dicom|ima)|(^|[/\\])dicomdir)$/i, "dicom"],
];
/** Formats that are told by name, so that the refusal can say what the file is. */
const NOT_READ: readonly (readonly [start: string, what: string])[] = [
  ["CDF\x01", "NetCDF, as MINC 1 is"],
  ["CDF\x02", "NetCDF, as MINC 1 is"],
  ["\x89HDF\r\n", "HDF5, as MINC 2 is"],
  ["\x89PNG", "a PNG picture"],
  ["\xff\xd8\xff", "a JPEG picture"],
  ["II*\0", "a TIFF picture"],
  ["MM\0*", "a TIFF picture"],
  ["%PDF", "a PDF document"],
  ["BZh", "packed by bzip2"],
  ["7z\xbc\xaf", "a 7-Zip archive"],
  ["\xfd7zXZ", "packed by xz"],
  ["\x28\xb5\x2f\xfd", "packed by Zstandard"],
];
/** How DICOM without a preamble begins: group 2 or 8, in either byte order. */
const DICOM_STARTS = ["\x02\0", "\x08\0", "\0\x02", "\0\x08"];
const LARGEST_FIRST_ELEMENT = 0x70;

/**
 * Says what a file is: by its first bytes, and by its name where they leave it open.
 *
 * @param source Path of a file or folder, or the bytes of a file. A folder counts as DICOM. At most a few hundred bytes are read.
 * @returns The format.
 * @throws CorruptVolumeError with code `unknown-format` when it is none that can be read; the message names well-known others.
 * @throws Error when the path cannot be opened; `cause` is the system's error.
 */
export async function recogniseFormat(source: string | Uint8Array): Promise<RecognisedFormat> {
  if (typeof source === "string" && await stat(source).then((status) => status.isDirectory(), () => false)) {
    return { format: "dicom", by: "name", description: "a folder of DICOM files" };
  }
  const { head, compressed } = await headOf(source);
  const found = formatOfHead(head);
  if (found !== undefined) return recognised(found, "content", compressed);
  const named = typeof source === "string" ? formatOfName(source) : undefined;
  const other = NOT_READ.find(([start]) => bytesAsText(head).startsWith(start))?.[1];
  if (named !== undefined && other === undefined) return recognised(named, "name", compressed);
  const expected = Object.values(FORMAT_NAMES).join(", ");
  throw new CorruptVolumeError("unknown-format", {
    action: "read volume",
    path: typeof source === "string" ? source : "",
    problem: other === undefined
      ? `neither its content nor its name says what it is: expected one of ${expected}`
      : `its content is ${other}, expected one of ${expected}`,
    fix: "Convert it to one of these formats.",
  });
}

/** The format that a name's ending stands for. */
export function formatOfName(path: string): ScanFormat | undefined {
  return ENDINGS.find(([ending]) => ending.test(path))?.[1];
}

function recognised(format: ScanFormat, by: "content" | "name", compressed: boolean): RecognisedFormat {
  return { format, by, description: `${FORMAT_NAMES[format]}${compressed ? ", gzip" : ""}` };
}

async function headOf(source: string | Uint8Array): Promise<{ head: Uint8Array; compressed: boolean }> {
  const raw = await firstBytes(source, false);
  if (!isGzip(raw)) return { head: raw, compressed: false };
  return { head: await firstBytes(source, true), compressed: true };
}

async function firstBytes(source: string | Uint8Array, gunzip: boolean): Promise<Uint8Array> {
  const opened: ByteSource = await openByteSource(source, { format: "volume", gunzip });
  const bytes = new Uint8Array(HEAD_BYTES);
  try {
    return bytes.subarray(0, await opened.fill(bytes));
  } catch (error) {
    if (error instanceof CorruptVolumeError) return bytes.subarray(0, 0); // the reader that its name asks for says more
    throw error;
  } finally {
    await opened.close();
  }
}

function formatOfHead(head: Uint8Array): ScanFormat | undefined {
  const text = bytesAsText(head);
  if (/^NRRD\d{4}/.test(text)) return "nrrd";
  if (/^\s*(ObjectType|NDims|ObjectSubType|Comment)\s*=/i.test(text)) return "metaimage";
  if (["\x93NUMPY", "PK\x03\x04", "PK\x05\x06"].some((start) => text.startsWith(start))) return "numpy";
  if (text.startsWith("DICM", 128)) return "dicom";
  if (head.length < 24) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if ([true, false].some((little) => [348, 540].includes(view.getInt32(0, little)))) return "nifti";
  const dimensions = [4, 8, 12, 16].map((at) => view.getInt32(at));
  const type = view.getInt32(20);
  if (view.getInt32(0) === 1 && dimensions.every((size) => size > 0) && type >= 0 && type <= 10) return "mgh";
  const littleEndian = head[0] !== 0;
  const isElement = DICOM_STARTS.includes(text.slice(0, 2)) && view.getUint16(2, littleEndian) <= LARGEST_FIRST_ELEMENT;
  return isElement ? "dicom" : undefined;
}

/** One character for each byte. */
function bytesAsText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
