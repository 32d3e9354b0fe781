import { UNDEFINED_LENGTH } from "./_elements.ts";
import { dicomFault } from "./_fault.ts";
import { type Mosaic, mosaicOf } from "./_mosaic.ts";
import type { DicomFile, PixelElement } from "./_open_dicom.ts";
import type { TagName } from "./_tags.ts";
import type { TransferSyntax } from "./transfer_syntax.ts";

/** How one voxel is stored. */
export interface PixelFormat {
  /** Voxels of a frame: rows. */
  readonly rows: number;
  /** Voxels of a frame: columns. */
  readonly columns: number;
  /** Bits that a voxel takes in the file: 1, 8, 16 or 32, or 64 for floating point. */
  readonly bitsAllocated: number;
  /** Bits of them that count. */
  readonly bitsStored: number;
  /** The highest of these, from 0. */
  readonly highBit: number;
  /** Whether integers are in two's complement. */
  readonly signed: boolean;
  /** Whether voxels are floating point numbers. */
  readonly float: boolean;
}

/** Where a file's frames are and how to decode them; holds nothing of the header. */
export interface FrameSource {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** What to open. */
  readonly source: string | Uint8Array;
  /** How the voxels are packed. */
  readonly syntax: TransferSyntax;
  /** How a voxel is stored, and the size of a slice. */
  readonly format: PixelFormat;
  /** Number of slices. */
  readonly frames: number;
  /** The same of what the file calls a frame, which holds many slices in a mosaic. */
  readonly stored: { readonly format: PixelFormat; readonly frames: number };
  /** How slices lie in a frame, if they do. */
  readonly mosaic: Mosaic | undefined;
  /** Where the voxels' element lies. */
  readonly pixels: PixelElement;
  /** Bytes that the packed or unpacked voxels take in the file, as far as the header tells: an upper bound. */
  readonly storedBytes: number;
  /** Extended offset table and lengths, empty where there are none. */
  readonly extendedOffsets: readonly (readonly number[])[];
}

/** The one transfer syntax in which fragments hold voxels as they are. */
const ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98";
const INTEGER_BITS = [1, 8, 16, 32];

/** Reads from a header how voxels are stored, or refuses what is no stack of grey images. */
export function frameSourceOf(file: DicomFile): FrameSource {
  const { dataset, path, pixels, syntax } = file;
  if (!pixels) {
    const what = dataset.text("Modality").slice(0, 16) || "an unknown modality";
    throw dicomFault("missing-image", path, `it holds no voxels (an object of ${what})`, "Give a file of images.");
  }
  if (syntax.compression === "unsupported") {
    throw dicomFault("unsupported-syntax", path, `its voxels are packed by ${syntax.name}`, "Transcode the file.");
  }
  const [samples, photometric] = [
    dataset.number("SamplesPerPixel") ?? 1,
    dataset.text("PhotometricInterpretation").slice(0, 16),
  ];
  if (samples !== 1 || !["", "MONOCHROME1", "MONOCHROME2"].includes(photometric)) {
    const problem = `its voxels are colours (${samples} samples, ${photometric}), expected one grey value each`;
    throw dicomFault("unsupported-datatype", path, problem, "Convert it to grey values, or leave it out.");
  }
  const format = pixelFormatOf(file, pixels);
  const frames = dataset.has("NumberOfFrames") ? dataset.number("NumberOfFrames") : 1;
  if (frames === undefined || !(Number.isSafeInteger(frames) && frames > 0)) {
    const problem = `NumberOfFrames is ${
      JSON.stringify(dataset.text("NumberOfFrames").slice(0, 40))
    }, expected an integer above 0`;
    throw dicomFault("bad-dimensions", path, problem);
  }
  const storedBytes = checkLength(file, pixels, { format, frames });
  const extendedOffsets = [dataset.numbers("ExtendedOffsetTable"), dataset.numbers("ExtendedOffsetTableLengths")];
  const stored = { format, frames };
  return { ...unfolded(file, stored), path, source: file.source, syntax, stored, pixels, storedBytes, extendedOffsets };
}

/** Counts a mosaic's slices one by one. */
function unfolded(
  file: DicomFile,
  stored: FrameSource["stored"],
): Pick<FrameSource, "format" | "frames" | "mosaic"> {
  if (!file.dataset.texts("ImageType").includes("MOSAIC")) return { ...stored, mosaic: undefined };
  const mosaic = mosaicOf(file.dataset);
  const { rows, columns } = stored.format;
  if (!mosaic || stored.frames > 1 || rows % mosaic.across !== 0 || columns % mosaic.across !== 0) {
    const problem = "it is a mosaic of slices side by side, and its private header does not tell where they lie " +
      `(${mosaic?.slices ?? "an unknown number of"} slices in ${rows} × ${columns} voxels)`;
    throw dicomFault("not-3d", file.path, problem, "Convert it by dcm2niix, or export it as enhanced MR.");
  }
  const size = { rows: rows / mosaic.across, columns: columns / mosaic.across };
  return { format: { ...stored.format, ...size }, frames: mosaic.slices, mosaic };
}

function pixelFormatOf(file: DicomFile, pixels: PixelElement): PixelFormat {
  const { dataset, path } = file;
  const need = (name: TagName, allowed: (value: number) => boolean, expected: string): number => {
    const value = dataset.number(name);
    if (value !== undefined && Number.isInteger(value) && allowed(value)) return value;
    throw dicomFault("bad-dimensions", path, `${name} is ${value ?? "missing"}, expected ${expected}`);
  };
  const rows = need("Rows", (n) => n > 0, "above 0");
  const columns = need("Columns", (n) => n > 0, "above 0");
  if (pixels.name !== "PixelData") {
    const bits = pixels.name === "FloatPixelData" ? 32 : 64;
    return { rows, columns, bitsAllocated: bits, bitsStored: bits, highBit: bits - 1, signed: true, float: true };
  }
  const bitsAllocated = dataset.number("BitsAllocated");
  if (bitsAllocated === undefined || !INTEGER_BITS.includes(bitsAllocated)) {
    const problem = `BitsAllocated is ${bitsAllocated ?? "missing"}, expected ${INTEGER_BITS.join(", ")}`;
    throw dicomFault("unsupported-datatype", path, problem, "Convert the file.");
  }
  const bitsStored = dataset.has("BitsStored")
    ? need("BitsStored", (n) => n > 0 && n <= bitsAllocated, `1 to ${bitsAllocated}`)
    : bitsAllocated;
  const highBit = dataset.has("HighBit")
    ? need("HighBit", (n) => n >= bitsStored - 1 && n < bitsAllocated, `${bitsStored - 1} to ${bitsAllocated - 1}`)
    : bitsStored - 1;
  const signed = dataset.has("PixelRepresentation") && need("PixelRepresentation", (n) => n < 2, "0 or 1") === 1;
  return { rows, columns, bitsAllocated, bitsStored, highBit, signed, float: false };
}

/** Compares what the header promises with what the file can hold, before anything is made for it; returns the latter. */
function checkLength(
  file: DicomFile,
  pixels: PixelElement,
  promised: { readonly format: PixelFormat; readonly frames: number },
): number {
  const { path, size } = file;
  const { format, frames } = promised;
  const held = pixels.length === UNDEFINED_LENGTH ? size - pixels.start : Math.min(pixels.length, size - pixels.start);
  const encapsulated = pixels.length === UNDEFINED_LENGTH;
  if (encapsulated && file.syntax.compression === "none" && file.syntax.uid !== ENCAPSULATED_UNCOMPRESSED) {
    const problem = `its voxels are split into fragments, which ${file.syntax.name} does not allow`;
    throw dicomFault("corrupt-pixels", path, problem, "Correct its transfer syntax.");
  }
  if (!encapsulated && file.syntax.compression !== "none") {
    const problem = `its voxels are packed by ${file.syntax.name}, yet not split into fragments`;
    throw dicomFault("corrupt-pixels", path, problem);
  }
  // Every fragment has a head of 8 bytes.
  const needed = encapsulated ? frames * 8 : frames * bitsOfFrame(format) / 8;
  if (needed <= held) return held;
  const { rows, columns, bitsAllocated } = format;
  const problem = `the header promises ${frames} × ${rows} × ${columns} voxels of ${bitsAllocated} bits, ` +
    `the file holds ${held} bytes of them`;
  throw dicomFault("truncated", path, problem);
}

/** Bits that a frame takes when it is not packed. */
export function bitsOfFrame({ rows, columns, bitsAllocated }: PixelFormat): number {
  return rows * columns * bitsAllocated;
}
