import { reasonOf } from "../formats/_byte_source.ts";
import { writeWholeFile } from "../_whole_file.ts";
import type { Volume } from "../volume.ts";
import { chooseSeries } from "./_choose_series.ts";
import type { DicomDataset } from "./_dataset.ts";
import { encodeDicomFile } from "./_encode_dataset.ts";
import { readDicomFile } from "./_open_dicom.ts";
import { scanDicom } from "./_scan.ts";
import { packSegments, segmentContent, type SegmentFrame } from "./_seg_content.ts";
import { type FrameStack, stackFrames } from "./_stack_frames.ts";
import { seriesOf } from "./list_dicom_series.ts";

/** A concept of a coding scheme such as SNOMED CT (`SCT`). */
export interface DicomCode {
  /** The concept's code, at most 16 characters. */
  readonly value: string;
  /** The coding scheme's short name. */
  readonly scheme: string;
  /** What it means, for people, at most 64 characters. */
  readonly meaning: string;
}

/** What one value of a label map stands for. */
export interface DicomSegment {
  /** Its name, at most 64 characters. */
  readonly label: string;
  /** Its value in the label map. Default: its place in the list, from 1. */
  readonly value?: number;
  /** What kind of thing it is. Default: SNOMED CT's anatomical structure. */
  readonly category?: DicomCode;
  /** What it is. Default: SNOMED CT's anatomical structure. */
  readonly type?: DicomCode;
}

/** Options of {@linkcode writeDicomSeg}. */
export interface WriteDicomSegOptions {
  /** What the label map's values stand for, in the order of the segments' numbers. Every value above 0 that occurs must be among them. */
  readonly segments: readonly DicomSegment[];
  /** Which volume of the reference was segmented, as for `readDicom`. Default: the only one. */
  readonly series?: string;
  /**
   * Whether the patient's name, identifier, birth date and sex, the study's date, time, identifier and accession number and the
   * referring physician are copied from the reference. An archive files a segmentation under its patient only then. Default:
   * false: they are left empty. The UIDs of study, series, instances and frame of reference are always copied, since a
   * segmentation must refer to what it segments.
   */
  readonly copyIdentity?: boolean;
  /** Whether slices on which a segment is nowhere are left out or written empty. Default: `"omit"`. */
  readonly emptySlices?: "omit" | "keep";
  /** What made the labels. Default: `"AUTOMATIC"`. */
  readonly algorithmType?: "AUTOMATIC" | "SEMIAUTOMATIC" | "MANUAL";
  /** Name of the program or network. Default: `"med3d"`. */
  readonly algorithmName?: string;
  /** Describes the series, at most 64 characters. Default: `"Segmentation"`. */
  readonly description?: string;
  /** Date and time of the content. Default: now. */
  readonly date?: Date;
}

/**
 * Writes a label map as a DICOM Segmentation object: binary, one frame a segment and slice, each referring to the image it shows.
 *
 * The file is explicit VR little endian (PS3.3, A.51) and appears whole or not at all. Checked by reading it with pydicom 3.0
 * and highdicom 0.28; `readDicom` reads it back as a label map of segment numbers.
 *
 * @param labels Integers on the grid of the reference's scan, as `resampleToGrid(labels, scan)` gives them; 0 is background.
 * @param reference Folder, DICOMDIR, file or list of files of the scan that was segmented. Its voxels are not read.
 * @param path Where to; an existing file is replaced.
 * @param options Segments, which series, whether the patient's identity is copied, and descriptions.
 * @throws RangeError when the grids differ, a value is no integer or not among the segments, or a text is too long.
 * @throws CorruptVolumeError as `readDicom` does for the reference.
 * @throws Error when the system refuses; nothing is left behind, and `cause` is its error.
 */
export async function writeDicomSeg(
  labels: Volume,
  reference: string | readonly string[],
  path: string,
  options: WriteDicomSegOptions,
): Promise<void> {
  const { segments, series, emptySlices = "omit" } = options;
  checkTexts(options);
  const files = await scanDicom(reference, () => {});
  const named = typeof reference === "string" ? reference : reference[0] ?? "";
  const chosen = chooseSeries(seriesOf(files), { series, path: named, report: () => {} });
  const stack = stackFrames(chosen.group.frames, { path: named, irregular: "refuse" });
  checkGrid(labels, stack);
  const numbers = numbersOf(segments);
  const frames = framesOfLabels(labels, numbers, emptySlices);
  const { dataset } = await readDicomFile(stack.slots[0]![0]!.source.source);
  const content = segmentContent({ labels, stack, frames, source: sourceOf(dataset), options });
  const bytes = encodeDicomFile({ ...content, PixelData: packSegments(labels, frames) });
  try {
    await writeWholeFile(path, [bytes]);
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new Error(`Cannot write DICOM ${path}: ${reason}. Check the folder, its permissions and the free space.`, {
      cause,
    });
  }
}

/** The header that the segmentation refers to. */
function sourceOf(dataset: DicomDataset): DicomDataset {
  for (const name of ["StudyInstanceUid", "SeriesInstanceUid", "SopInstanceUid", "FrameOfReferenceUid"] as const) {
    if (dataset.text(name) === "") {
      throw new RangeError(
        `Cannot write DICOM: the reference has no ${name}: got nothing, expected a value. Use the original files.`,
      );
    }
  }
  return dataset;
}

function checkGrid(labels: Volume, stack: FrameStack): void {
  const unplaced = stack.slots.flat().find(({ position, orientation }) => !position || !orientation);
  if (unplaced) {
    throw new RangeError(
      `Cannot write DICOM: the reference lies nowhere: got no position or orientation in ${unplaced.source.path}, expected ` +
        `both. Use a scan that has them.`,
    );
  }
  const { rows, columns } = stack.slots[0]![0]!.source.format;
  const shape = [stack.slots.length, rows, columns];
  const matches = labels.shape.every((size, i) => size === shape[i]) &&
    labels.affine.every((value, i) => Math.abs(value - stack.affine[i]!) < 1e-3);
  if (matches) return;
  throw new RangeError(
    `Cannot write DICOM: the labels lie on another grid than the reference: got [${labels.shape}] with affine ` +
      `[${labels.affine}], expected [${shape}] with [${stack.affine}]. Pass resampleToGrid(labels, await readDicom(reference)).`,
  );
}

function numbersOf(segments: readonly DicomSegment[]): Map<number, number> {
  const numbers = new Map<number, number>();
  segments.forEach(({ value = numbers.size + 1 }, i) => {
    if (!Number.isSafeInteger(value) || value <= 0 || numbers.has(value)) {
      throw new RangeError(
        `Cannot write DICOM: bad value of segment ${
          i + 1
        }: got ${value}, expected integers above 0, each once. Correct it.`,
      );
    }
    numbers.set(value, i + 1);
  });
  if (numbers.size > 0) return numbers;
  throw new RangeError(
    "Cannot write DICOM: no segments: got none, expected at least one. Say what the labels stand for.",
  );
}

/** Lists the frames to write: by segment, then by slice; one empty frame at least for every segment. */
function framesOfLabels(
  labels: Volume,
  numbers: ReadonlyMap<number, number>,
  emptySlices: "omit" | "keep",
): SegmentFrame[] {
  const [depth, height, width] = labels.shape;
  const present = new Set<number>(); // value · depth + slice
  for (let i = 0; i < labels.data.length; i++) {
    const value = labels.data[i]!;
    if (value === 0) continue;
    if (!numbers.has(value)) {
      const known = [...numbers.keys()].join(", ");
      throw new RangeError(
        `Cannot write DICOM: a label is not among the segments: got ${value}, expected 0, ${known}. Add a segment with this value.`,
      );
    }
    present.add(value * depth + Math.floor(i / (height * width)));
  }
  return [...numbers].flatMap(([value, number]) => {
    const slices = Array.from({ length: depth }, (_, slice) => slice);
    const kept = emptySlices === "keep" ? slices : slices.filter((slice) => present.has(value * depth + slice));
    return (kept.length > 0 ? kept : [0]).map((slice) => ({ value, number, slice }));
  });
}

function checkTexts({ segments, algorithmName = "", description = "" }: WriteDicomSegOptions): void {
  const texts = [
    algorithmName,
    description,
    ...segments.flatMap(({ label, category, type }) => [label, category?.meaning ?? "", type?.meaning ?? ""]),
  ];
  for (const text of texts) {
    // deno-lint-ignore no-control-regex -- DICOM's texts hold no control characters and no backslash
    if (text.length <= 64 && !/[\\\x00-\x1f]/.test(text)) continue;
    throw new RangeError(
      `Cannot write DICOM: bad text: got ${
        JSON.stringify(text)
      }, expected at most 64 characters, no backslash. Shorten it.`,
    );
  }
}
