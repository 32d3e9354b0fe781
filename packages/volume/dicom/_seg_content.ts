import type { Volume } from "../volume.ts";
import type { DicomDataset } from "./_dataset.ts";
import type { DatasetContent } from "./_encode_dataset.ts";
import { normalOf } from "./_frames.ts";
import type { FrameStack } from "./_stack_frames.ts";
import { type TagName, TAGS } from "./_tags.ts";
import type { DicomCode, WriteDicomSegOptions } from "./write_dicom_seg.ts";

const SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4";
const ANATOMICAL_STRUCTURE: DicomCode = { value: "123037004", scheme: "SCT", meaning: "Anatomical Structure" };
/** Attributes of the patient and study that may be copied, and are empty otherwise. */
const IDENTITY = [
  ...["PatientName", "PatientId", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyId"],
  ...["AccessionNumber", "ReferringPhysicianName"],
] as readonly TagName[];

/** One frame to be written: where a value occurs on a slice. */
export interface SegmentFrame {
  readonly value: number;
  /** The segment's number. */
  readonly number: number;
  /** The slice's index in the volume. */
  readonly slice: number;
}

/** Packs frames of one bit a voxel, the lowest bit first, with no gap between them. */
export function packSegments(labels: Volume, frames: readonly SegmentFrame[]): Uint8Array {
  const voxels = labels.shape[1] * labels.shape[2];
  const bytes = new Uint8Array(Math.ceil(frames.length * voxels / 8));
  frames.forEach(({ value, slice }, frame) => {
    for (let i = 0; i < voxels; i++) {
      if (labels.data[slice * voxels + i] !== value) continue;
      const bit = frame * voxels + i;
      bytes[Math.floor(bit / 8)]! |= 1 << (bit % 8);
    }
  });
  return bytes;
}

/** Makes all attributes of a segmentation but its voxels. */
export function segmentContent(given: {
  readonly labels: Volume;
  readonly stack: FrameStack;
  readonly frames: readonly SegmentFrame[];
  readonly source: DicomDataset;
  readonly options: WriteDicomSegOptions;
}): DatasetContent {
  const { labels, frames, source, options } = given;
  const { copyIdentity = false, description = "Segmentation", date = new Date() } = options;
  const [day, time] = date.toISOString().replace(/[-:]/g, "").split("T") as [string, string];
  const organisation = newUid();
  const identity = Object.fromEntries(IDENTITY.map((name) => [name, copyIdentity ? source.texts(name) : ""]));
  return {
    SpecificCharacterSet: "ISO_IR 192",
    ImageType: ["DERIVED", "PRIMARY"],
    SopClassUid: SEGMENTATION_STORAGE,
    SopInstanceUid: newUid(),
    ...identity,
    ContentDate: day,
    ContentTime: time.slice(0, 6),
    SeriesDate: day,
    SeriesTime: time.slice(0, 6),
    Modality: "SEG",
    Manufacturer: "med3d",
    ManufacturerModelName: "med3d",
    DeviceSerialNumber: "none",
    SoftwareVersions: "0.1.0",
    SeriesDescription: description,
    ReferencedSeriesSequence: [{
      SeriesInstanceUid: source.text("SeriesInstanceUid"),
      ReferencedInstanceSequence: instancesOf(given.stack),
    }],
    StudyInstanceUid: source.text("StudyInstanceUid"),
    SeriesInstanceUid: newUid(),
    SeriesNumber: 1,
    InstanceNumber: 1,
    FrameOfReferenceUid: source.text("FrameOfReferenceUid"),
    PositionReferenceIndicator: "",
    DimensionOrganizationSequence: [{ DimensionOrganizationUid: organisation }],
    DimensionIndexSequence: [
      dimension(organisation, "ReferencedSegmentNumber", "SegmentIdentificationSequence"),
      dimension(organisation, "ImagePositionPatient", "PlanePositionSequence"),
    ],
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    NumberOfFrames: frames.length,
    Rows: labels.shape[1],
    Columns: labels.shape[2],
    BitsAllocated: 1,
    BitsStored: 1,
    HighBit: 0,
    PixelRepresentation: 0,
    LossyImageCompression: "00",
    SegmentationType: "BINARY",
    SegmentsOverlap: "NO",
    SegmentSequence: segmentItems(options),
    ContentLabel: "SEGMENTATION",
    ContentDescription: description,
    ContentCreatorName: "",
    SharedFunctionalGroupsSequence: [sharedGroups(labels, given.stack.slots[0]![0]!.orientation!)],
    PerFrameFunctionalGroupsSequence: frames.map((frame) => frameGroups(frame, given.stack)),
  };
}

function instancesOf(stack: FrameStack): DatasetContent[] {
  const instances = new Map(stack.slots.flat().map(({ instance, sopClass }) => [instance, sopClass]));
  return [...instances].map(([instance, sopClass]) => ({
    ReferencedSopClassUid: sopClass,
    ReferencedSopInstanceUid: instance,
  }));
}

function dimension(organisation: string, pointer: TagName, group: TagName): DatasetContent {
  return {
    DimensionOrganizationUid: organisation,
    DimensionIndexPointer: TAGS[pointer][0],
    FunctionalGroupPointer: TAGS[group][0],
    DimensionDescriptionLabel: pointer,
  };
}

function segmentItems(options: WriteDicomSegOptions): DatasetContent[] {
  const { segments, algorithmType = "AUTOMATIC", algorithmName = "med3d" } = options;
  return segments.map(({ label, category, type }, i) => ({
    SegmentNumber: i + 1,
    SegmentLabel: label,
    SegmentAlgorithmType: algorithmType,
    ...(algorithmType !== "MANUAL" && { SegmentAlgorithmName: algorithmName }),
    SegmentedPropertyCategoryCodeSequence: [code(category ?? ANATOMICAL_STRUCTURE)],
    SegmentedPropertyTypeCodeSequence: [code(type ?? ANATOMICAL_STRUCTURE)],
  }));
}

function code({ value, scheme, meaning }: DicomCode): DatasetContent {
  return { CodeValue: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning };
}

function sharedGroups({ affine, spacingMm }: Volume, orientation: readonly number[]): DatasetContent {
  const normal = normalOf(orientation);
  const step = [-affine[2]!, -affine[6]!, affine[10]!];
  const spacing = Math.abs(step.reduce((sum, value, i) => sum + value * normal[i]!, 0));
  return {
    PixelMeasuresSequence: [{
      PixelSpacing: [spacingMm[1], spacingMm[2]],
      SliceThickness: spacing,
      SpacingBetweenSlices: spacing,
    }],
    PlaneOrientationSequence: [{ ImageOrientationPatient: orientation }],
  };
}

function frameGroups({ number, slice }: SegmentFrame, stack: FrameStack): DatasetContent {
  const image = stack.slots[slice]![0]!;
  const purpose = { value: "121322", scheme: "DCM", meaning: "Source image for image processing operation" };
  return {
    DerivationImageSequence: [{
      DerivationCodeSequence: [code({ value: "113076", scheme: "DCM", meaning: "Segmentation" })],
      SourceImageSequence: [{
        ReferencedSopClassUid: image.sopClass,
        ReferencedSopInstanceUid: image.instance,
        ...(image.source.frames > 1 && { ReferencedFrameNumber: image.index + 1 }),
        SpatialLocationsPreserved: "YES",
        PurposeOfReferenceCodeSequence: [code(purpose)],
      }],
    }],
    FrameContentSequence: [{ DimensionIndexValues: [number, slice + 1] }],
    PlanePositionSequence: [{ ImagePositionPatient: image.position! }],
    SegmentIdentificationSequence: [{ ReferencedSegmentNumber: number }],
  };
}

/** A new UID from a random UUID (PS3.5, B.2). */
function newUid(): string {
  return `2.25.${BigInt(`0x${crypto.randomUUID().replaceAll("-", "")}`)}`;
}
