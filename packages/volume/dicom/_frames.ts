import type { Triple } from "../geometry/affine.ts";
import type { DicomDataset } from "./_dataset.ts";
import { UNDEFINED_LENGTH } from "./_elements.ts";
import { dicomFault } from "./_fault.ts";
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
  /** How a voxel is stored. */
  readonly format: PixelFormat;
  /** Number of frames. */
  readonly frames: number;
  /** Where the voxels' element lies. */
  readonly pixels: PixelElement;
  /** Bytes that the packed or unpacked voxels take in the file, as far as the header tells: an upper bound. */
  readonly storedBytes: number;
  /** Extended offset table and lengths, empty where there are none. */
  readonly extendedOffsets: readonly (readonly number[])[];
}

/** One frame: what places it and what its values mean. */
export interface Frame {
  /** Its file's voxels. */
  readonly source: FrameSource;
  /** Number in the file, from 0. */
  readonly index: number;
  /** SOP instance of the file. */
  readonly instance: string;
  /** SOP class of the file. */
  readonly sopClass: string;
  /** Centre of the first voxel, LPS+ millimetres. */
  readonly position: Triple | undefined;
  /** Direction of growing column index, then of growing row index, LPS+. */
  readonly orientation: readonly number[] | undefined;
  /** Millimetres between rows and between columns. */
  readonly pixelSpacing: readonly [number, number] | undefined;
  /** Distance between slices as the header tells it, used for a slice that has no neighbour. */
  readonly nominalSpacing: number | undefined;
  /** Factor from stored value to intensity. */
  readonly slope: number;
  /** Summand after the factor. */
  readonly intercept: number;
  /** What tells frames at one place apart, in the order of trust. */
  readonly marks: ReadonlyMap<string, string>;
  /** Whether it is an overview for planning. */
  readonly localiser: boolean;
  /** Whether frames that would be empty may have been left out, as in segmentations. */
  readonly sparse: boolean;
  /** Number of the segment that a frame of a binary segmentation shows. */
  readonly segment: number | undefined;
}

const INTEGER_BITS = [1, 8, 16, 32];

/** Reads from a header how voxels are stored, or refuses what is no stack of grey images. */
export function frameSourceOf(file: DicomFile): FrameSource {
  const { dataset, path, pixels, syntax } = file;
  if (!pixels) {
    const what = dataset.text("Modality") || "an unknown modality";
    throw dicomFault("missing-image", path, `it holds no voxels (an object of ${what})`, "Give a file of images.");
  }
  if (syntax.compression === "unsupported") {
    throw dicomFault("unsupported-syntax", path, `its voxels are packed by ${syntax.name}`, "Transcode the file.");
  }
  const [samples, photometric] = [dataset.number("SamplesPerPixel") ?? 1, dataset.text("PhotometricInterpretation")];
  if (samples !== 1 || !["", "MONOCHROME1", "MONOCHROME2"].includes(photometric)) {
    const problem = `its voxels are colours (${samples} samples, ${photometric}), expected one grey value each`;
    throw dicomFault("unsupported-datatype", path, problem, "Convert it to grey values, or leave it out.");
  }
  if (dataset.texts("ImageType").includes("MOSAIC")) {
    const problem = "it is a mosaic: many slices side by side in one image, whose places are in a private header";
    throw dicomFault("not-3d", path, problem, "Convert it by dcm2niix, or export it as enhanced MR.");
  }
  const format = pixelFormatOf(file, pixels);
  const frames = dataset.has("NumberOfFrames") ? dataset.number("NumberOfFrames") : 1;
  if (frames === undefined || !(Number.isSafeInteger(frames) && frames > 0)) {
    const problem = `NumberOfFrames is ${JSON.stringify(dataset.text("NumberOfFrames"))}, expected an integer above 0`;
    throw dicomFault("bad-dimensions", path, problem);
  }
  const storedBytes = checkLength(file, pixels, { format, frames });
  const extendedOffsets = [dataset.numbers("ExtendedOffsetTable"), dataset.numbers("ExtendedOffsetTableLengths")];
  return { path, source: file.source, syntax, format, frames, pixels, storedBytes, extendedOffsets };
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

/** Lists a file's frames with their places, by the functional groups where the file has them. */
export function framesOf(file: DicomFile, source: FrameSource): Frame[] {
  const { dataset } = file;
  const shared = dataset.items("SharedFunctionalGroupsSequence")[0];
  const perFrame = dataset.items("PerFrameFunctionalGroupsSequence");
  if (perFrame.length > 0 && perFrame.length < source.frames) {
    const problem = `it has ${source.frames} frames and functional groups for ${perFrame.length}`;
    throw dicomFault("bad-dimensions", file.path, problem);
  }
  const detector = dataset.items("DetectorInformationSequence")[0];
  const offsets = offsetsOf(dataset, source.frames);
  const common = commonOf(dataset, [shared, detector]);
  const pointers = dataset.items("DimensionIndexSequence").map((item) => item.number("DimensionIndexPointer"));
  return Array.from({ length: source.frames }, (_, index) => {
    const own = perFrame[index];
    const frame = own ? commonOf(dataset, [own, shared, detector]) : common;
    const marks = own ? marksOf(dataset, [own, shared], pointers) : marksOf(dataset, [shared], []);
    const offset = offsets[index];
    const position = own || source.frames === 1 ? frame.position : offset === undefined
      ? undefined // one place for many frames: none of them is known
      : alongNormal(frame.position, frame.orientation, offset - offsets[0]!);
    return { source, index, ...frame, position, marks };
  });
}

/** Distances of a file's frames along their normal, where one place and a rule stand for all (PS3.3, C.8.8.3.2 and C.8.4.15). */
function offsetsOf(dataset: DicomDataset, frames: number): number[] {
  const dose = dataset.numbers("GridFrameOffsetVector");
  if (dose.length === frames) return dose;
  const spacing = dataset.number("SpacingBetweenSlices");
  if (dataset.text("Modality") !== "NM" || !spacing || !dataset.texts("ImageType").includes("RECON TOMO")) return [];
  return Array.from({ length: frames }, (_, index) => index * spacing); // a negative spacing stacks them to the front
}

type Placed = Omit<Frame, "source" | "index" | "marks">;

function commonOf(dataset: DicomDataset, groups: readonly (DicomDataset | undefined)[]): Placed {
  const pick = (sequence: TagName | undefined, name: TagName, count: number): number[] | undefined => {
    const places = sequence === undefined ? groups : groups.map((group) => group?.items(sequence)[0]);
    return [...places, dataset].map((place) => place?.numbers(name) ?? []).find((numbers) => numbers.length >= count);
  };
  const [x, y, z] = pick("PlanePositionSequence", "ImagePositionPatient", 3) ??
    pick(undefined, "ImagePositionPatient", 3) ?? [];
  const orientation = pick("PlaneOrientationSequence", "ImageOrientationPatient", 6) ??
    pick(undefined, "ImageOrientationPatient", 6);
  const spacing = pick("PixelMeasuresSequence", "PixelSpacing", 2) ?? pick(undefined, "ImagerPixelSpacing", 2) ??
    pick(undefined, "NominalScannedPixelSpacing", 2);
  const nominal = pick("PixelMeasuresSequence", "SpacingBetweenSlices", 1)?.[0] ||
    pick("PixelMeasuresSequence", "SliceThickness", 1)?.[0];
  const types = [dataset.texts("ImageType"), ...groups.flatMap((group) => frameTypes(group))];
  const slope = pick("PixelValueTransformationSequence", "RescaleSlope", 1)?.[0] ?? 1;
  return {
    instance: dataset.text("SopInstanceUid"),
    sopClass: dataset.text("SopClassUid"),
    position: z === undefined ? undefined : [x!, y!, z],
    orientation: orientation?.slice(0, 6),
    pixelSpacing: spacing && spacing[0]! > 0 && spacing[1]! > 0 ? [spacing[0]!, spacing[1]!] : undefined,
    nominalSpacing: nominal === undefined ? undefined : Math.abs(nominal) || undefined,
    slope: slope === 0 ? 1 : slope,
    intercept: pick("PixelValueTransformationSequence", "RescaleIntercept", 1)?.[0] ?? 0,
    localiser: types.some((type) => type.includes("LOCALIZER")),
    sparse: dataset.has("SegmentationType"),
    segment: dataset.text("SegmentationType") === "BINARY"
      ? pick("SegmentIdentificationSequence", "ReferencedSegmentNumber", 1)?.[0]
      : undefined,
  };
}

function frameTypes(group: DicomDataset | undefined): string[][] {
  if (!group) return [];
  const sequences = ["MrImageFrameTypeSequence", "CtImageFrameTypeSequence"] as const;
  return sequences.flatMap((name) => group.items(name)).map((item) => item.texts("FrameType"));
}

/** Collects what may tell frames at one place apart; what varies without need is ignored later. */
function marksOf(
  dataset: DicomDataset,
  groups: readonly (DicomDataset | undefined)[],
  pointers: readonly (number | undefined)[],
): Map<string, string> {
  const within = (sequence: TagName, name: TagName) =>
    groups.flatMap((group) => group?.items(sequence) ?? []).map((item) => item.texts(name).join("\\"))
      .find((text) => text !== "") ?? "";
  const numberWithin = (sequence: TagName, name: TagName) =>
    groups.flatMap((group) => group?.items(sequence) ?? []).map((item) => item.numbers(name).join("\\"))
      .find((text) => text !== "") ?? "";
  const plain = (name: TagName) => dataset.texts(name).join("\\");
  const direction = groups.flatMap((group) => group?.items("MrDiffusionSequence") ?? [])
    .flatMap((item) => item.items("DiffusionGradientDirectionSequence"))
    .map((item) => item.numbers("DiffusionGradientOrientation").join("\\"));
  const type = groups.flatMap((group) => frameTypes(group))[0]?.join("\\") ?? plain("ImageType");
  const entries: [string, string][] = [
    [
      "temporal position",
      numberWithin("FrameContentSequence", "TemporalPositionIndex") || plain("TemporalPositionIdentifier"),
    ],
    ["echo time", numberWithin("MrEchoSequence", "EffectiveEchoTime") || plain("EchoTime")],
    ["echo number", plain("EchoNumbers")],
    [
      "b-value",
      numberWithin("MrDiffusionSequence", "DiffusionBValue") || dataset.numbers("DiffusionBValue").join() ||
      plain("SiemensBValue"),
    ],
    ["gradient direction", direction.join() || dataset.numbers("DiffusionGradientOrientation").join("\\")],
    ["image type", type],
    ["stack", within("FrameContentSequence", "StackId")],
    ["segment", numberWithin("SegmentIdentificationSequence", "ReferencedSegmentNumber")],
    ["trigger time", plain("TriggerTime")],
    ["acquisition", plain("AcquisitionNumber")],
    ["content time", plain("ContentTime")],
  ];
  const indices = groups.flatMap((group) => group?.items("FrameContentSequence") ?? [])
    .map((item) => item.numbers("DimensionIndexValues")).find((numbers) => numbers.length > 0) ?? [];
  pointers.forEach((_, i) => entries.push([`dimension ${i + 1}`, String(indices[i] ?? "")]));
  return new Map(entries.filter(([, value]) => value !== ""));
}

function alongNormal(
  position: Triple | undefined,
  orientation: readonly number[] | undefined,
  offset: number,
): Triple | undefined {
  if (!position || !orientation) return undefined;
  const normal = normalOf(orientation);
  return [0, 1, 2].map((i) => position[i]! + offset * normal[i]!) as unknown as Triple;
}

/** The direction in which slices are counted: across the rows' and columns' directions, right-handed, of unit length. */
export function normalOf(orientation: readonly number[]): [number, number, number] {
  const [a, b, c, d, e, f] = orientation as [number, number, number, number, number, number];
  const cross: [number, number, number] = [b * f - c * e, c * d - a * f, a * e - b * d];
  const norm = Math.hypot(...cross);
  return [cross[0] / norm, cross[1] / norm, cross[2] / norm];
}
