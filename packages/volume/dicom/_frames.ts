import type { Triple } from "../geometry/affine.ts";
import type { DicomDataset } from "./_dataset.ts";
import { dicomFault } from "./_fault.ts";
import { frameTypes, marksOf } from "./_frame_marks.ts";
import type { FrameSource } from "./_frame_source.ts";
import type { DicomFile } from "./_open_dicom.ts";
import type { TagName } from "./_tags.ts";

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
  /** FrameOfReferenceUID: positions are comparable only within one. */
  readonly frameOfReference: string;
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
    const position = source.mosaic
      ? tilePosition(frame, source, source.mosaic.normal, index)
      : own || source.frames === 1
      ? frame.position
      : offset === undefined
      ? undefined // one place for many frames: none of them is known
      : alongNormal(frame.position, frame.orientation, offset - offsets[0]!);
    return { source, index, ...frame, position, marks };
  });
}

/**
 * Finds a slice's place in a mosaic: the scanner states the corner that an image of the mosaic's size would have around the
 * same centre.
 */
function tilePosition(frame: Placed, source: FrameSource, normal: Triple, index: number): Triple | undefined {
  const { position, orientation, pixelSpacing, nominalSpacing } = frame;
  if (!position || !orientation || !pixelSpacing || nominalSpacing === undefined) return undefined;
  const right = (source.stored.format.columns - source.format.columns) / 2 * pixelSpacing[1];
  const down = (source.stored.format.rows - source.format.rows) / 2 * pixelSpacing[0];
  return [0, 1, 2].map((i) =>
    position[i]! + right * orientation[i]! + down * orientation[i + 3]! + index * nominalSpacing * normal[i]!
  ) as unknown as Triple;
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
    frameOfReference: dataset.text("FrameOfReferenceUid"),
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
