import type { Finding } from "../findings.ts";
import { createVolume, type Modality, type Volume } from "../volume.ts";
import { buildVoxels } from "./_build_voxels.ts";
import { chooseSeries } from "./_choose_series.ts";
import { scanDicom } from "./_scan.ts";
import type { Frame } from "./_frames.ts";
import { type FrameStack, stackFrames } from "./_stack_frames.ts";
import { type SeriesGroup, seriesOf } from "./list_dicom_series.ts";

const DEFAULT_MAX_BYTES = 2 ** 32;

/** Options of {@linkcode readDicom}. */
export interface ReadDicomOptions {
  /** Which volume to read: the `id` or `seriesInstanceUid` that `listDicomSeries` tells. Default: the only one. */
  readonly series?: string;
  /** Which segment of a binary segmentation to read. Default: all, as one label map. */
  readonly segment?: number;
  /**
   * What happens when slices are missing, unevenly spaced or double. `"refuse"` throws; `"report"` reads what is there at its
   * mean spacing (the first of several images at a place) and says so in a finding. Default: `"refuse"`.
   */
  readonly irregular?: "refuse" | "report";
  /** Most bytes that the voxels may take. Default: 4 GiB. */
  readonly maxBytes?: number;
  /** What made the scan. Default: what the header says. */
  readonly modality?: Modality;
  /** Called with each oddity that did not stop the reading. Default: they are dropped, but for their line in the history. */
  readonly onFinding?: (finding: Finding) => void;
}

/**
 * Reads a DICOM series, or one file, single- or multi-frame, into a volume.
 *
 * Slices are ordered by position along the normal of their plane; spacing between them is that of their positions, and
 * `SliceThickness` serves only a single slice. Width is the rows' direction, height the columns', depth the normal's; the
 * affine is exact, sheared where the gantry was tilted. Each slice's slope and intercept is applied once: integers stay
 * integers (of a wider type where they need it) when every slope is 1, all else becomes float32, or float64 where float32
 * would merge neighbouring values. Bits outside BitsStored are dropped. Binary segmentations become label maps. Localisers
 * are left out when there is anything else. Siemens mosaics are cut into their slices by the private header.
 *
 * All native encodings and RLE are read by own code; JPEG (baseline, extended, lossless), JPEG-LS, JPEG 2000 and HTJ2K by
 * the npm package `dcmjs-codecs`, which is loaded when the first such file is met. Checked against pydicom 3.0 and nibabel 5.4.
 *
 * @param source A folder (at any depth), a DICOMDIR, a file, a list of files, or the bytes of one file.
 * @param options Which series, what to do about irregular slices, memory limit, modality and where findings go.
 * @returns The volume, its affine in RAS+ millimetres and its history begun. No header is kept.
 * @throws CorruptVolumeError when there is nothing to read, more than one series and none chosen, or what is there is
 * damaged, irregular, in colour or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the path cannot be opened; `cause` is the system's error.
 */
export async function readDicom(
  source: string | Uint8Array | readonly string[],
  options: ReadDicomOptions = {},
): Promise<Volume> {
  const { series, irregular = "refuse", maxBytes = DEFAULT_MAX_BYTES, onFinding = () => {} } = options;
  if (!(maxBytes > 0)) {
    throw new RangeError(`Cannot read DICOM: bad maxBytes: got ${maxBytes}, expected above 0. Give a number of bytes.`);
  }
  if (irregular !== "refuse" && irregular !== "report") {
    throw new RangeError(
      `Cannot read DICOM: bad irregular: got ${irregular}, expected "refuse" or "report". Choose one.`,
    );
  }
  const path = typeof source === "string" ? source : typeof source[0] === "string" ? source[0] : "";
  const findings: Finding[] = [];
  const report = (finding: Finding) => {
    findings.push(finding);
    onFinding(finding);
  };
  const files = await scanDicom(source, report);
  const chosen = chooseSeries(seriesOf(files), { series, path, report });
  const stack = stackFrames(ofSegment(chosen.group.frames, options.segment), { path, irregular });
  [...chosen.oddities, ...stack.findings].forEach(report);
  const voxels = await buildVoxels(stack, { path, maxBytes });
  if (voxels.overlaps > 0) {
    const message = `${voxels.overlaps} voxels belong to more than one segment; the one stored last was kept`;
    report({ severity: "warning", code: "overlapping-segments", path, message, fix: "Name one by `segment`." });
  }
  if (voxels.unfinished > 0) {
    const message = `${voxels.unfinished} packed frames have no end mark and may have been cut off`;
    report({
      severity: "warning",
      code: "unfinished-frames",
      path,
      message,
      fix: "Look at these slices, or copy the files again.",
    });
  }
  const { rows, columns } = chosen.group.frames[0]!.source.format;
  const { modality } = chosen.series;
  return createVolume(voxels.data, [stack.slots.length, rows, columns], {
    affine: stack.affine,
    modality: options.modality ?? (modality === "CT" || modality === "MR" ? modality : "unknown"),
    history: [
      readLine(chosen, path, stack),
      voxels.line,
      ...findings.filter(({ code }) => code !== "not-dicom").map(({ message }) => message),
    ],
  });
}

function ofSegment(frames: readonly Frame[], segment: number | undefined): readonly Frame[] {
  const own = segment === undefined ? frames : frames.filter((frame) => frame.segment === segment);
  if (own.length > 0) return own;
  const known = [...new Set(frames.map((frame) => frame.segment))].filter((number) => number !== undefined);
  throw new RangeError(
    `Cannot read DICOM: no such segment: got ${segment}, expected one of ${
      known.join(", ") || "none"
    }. Leave it out to read all.`,
  );
}

function readLine({ series, group }: SeriesGroup, path: string, stack: FrameStack): string {
  const depth = stack.slots.length;
  const { syntax, format } = group.frames[0]!.source;
  const kind = `${format.bitsStored} of ${format.bitsAllocated} bits, ${format.signed ? "signed" : "unsigned"}`;
  const mosaic = group.frames[0]!.source.mosaic ? ", cut out of a mosaic" : "";
  const order = stack.placed ? "their positions" : "the file";
  const places = depth > 1 ? `${mosaic}, slices in the order of ${order}` : "";
  const from = path === "" ? "bytes in memory" : path;
  return `read DICOM ${series.modality}, ${syntax.name}, ${kind}, ${format.columns}×${format.rows}×${depth} voxels from ` +
    `${series.paths.length} files${places}, from ${from}`;
}
