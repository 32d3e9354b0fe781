import type { Finding } from "../findings.ts";
import { type FrameGroup, groupFrames } from "./_group_frames.ts";
import { scanDicom, type ScannedFile } from "./_scan.ts";

/** Images that make up one volume, as {@linkcode listDicomSeries} found them. */
export interface DicomSeries {
  /** What `readDicom` takes as `series`: the SeriesInstanceUID, and a number where the series holds several volumes. */
  readonly id: string;
  /** The series' UID. */
  readonly seriesInstanceUid: string;
  /** The series' number, if it has one. */
  readonly seriesNumber: number | undefined;
  /** The series' description as the header has it: free text, which may name a person. */
  readonly description: string;
  /** What tells it from the other volumes of its series, such as `echo time 4.6`; empty where there are none. */
  readonly distinction: string;
  /** Modality as DICOM abbreviates it, such as `CT`, `MR` or `PT`. */
  readonly modality: string;
  /** Number of images, duplicates included, rows and columns. */
  readonly shape: readonly [number, number, number];
  /** Whether these are overviews for planning (scouts). */
  readonly localiser: boolean;
  /** Its files, sorted. */
  readonly paths: readonly string[];
}

/** Options of {@linkcode listDicomSeries}. */
export interface ListDicomOptions {
  /** Called with each file that was left out and why. Default: they are dropped. */
  readonly onFinding?: (finding: Finding) => void;
}

/** A series and what is needed to read it. */
export interface SeriesGroup {
  readonly series: DicomSeries;
  readonly group: FrameGroup;
  readonly oddities: readonly Finding[];
}

/**
 * Lists the volumes of a folder of DICOM files, at any depth, by their headers alone: voxels are not read.
 *
 * Images belong together when series, orientation, matrix and spacing of pixels are equal; where several lie at one place,
 * they are told apart by temporal position, echo, b-value, image type, stack, trigger time, acquisition or dimension index,
 * whichever leaves one image a place. File names and instance numbers play no part.
 *
 * @param source A folder, a DICOMDIR (whose files must lie below its folder), one file, or a list of files.
 * @param options Where findings go.
 * @returns The volumes, by path of their first file, localisers included.
 * @throws CorruptVolumeError when a file that was named itself is damaged or holds no grey image, or a DICOMDIR names a file out of its folder.
 * @throws Error when the path cannot be opened; `cause` is the system's error.
 */
export async function listDicomSeries(
  source: string | readonly string[],
  options: ListDicomOptions = {},
): Promise<DicomSeries[]> {
  const { onFinding = () => {} } = options;
  return seriesOf(await scanDicom(source, onFinding)).map(({ series }) => series);
}

/** Parts scanned files into volumes. */
export function seriesOf(files: readonly ScannedFile[]): SeriesGroup[] {
  const result: SeriesGroup[] = [];
  for (const [uid, members] of Map.groupBy(files, (file) => file.series)) {
    const fileOf = new Map(members.flatMap((file) => file.frames.map((frame) => [frame.source, file])));
    const groups = groupFrames(members.flatMap((file) => file.frames));
    groups.forEach((group, index) => {
      const own = new Set(group.frames.map((frame) => fileOf.get(frame.source)!));
      const first = [...own][0]!;
      const { rows, columns } = group.frames[0]!.source.format;
      result.push({
        series: {
          id: groups.length > 1 ? `${uid}#${index + 1}` : uid,
          seriesInstanceUid: uid,
          seriesNumber: first.seriesNumber,
          description: first.description,
          distinction: group.distinction,
          modality: first.modality,
          shape: [group.frames.length, rows, columns],
          localiser: group.frames[0]!.localiser,
          paths: [...own].map(({ path }) => path),
        },
        group,
        oddities: odditiesOf([...own]),
      });
    });
  }
  return result;
}

/** One finding for each kind of oddity, with the number of files that have it. */
function odditiesOf(files: readonly ScannedFile[]): Finding[] {
  const all = files.flatMap(({ oddities, path }) => oddities.map((oddity) => ({ ...oddity, path })));
  return [...Map.groupBy(all, ({ code }) => code).values()].map((alike) => ({
    ...alike[0]!,
    message: files.length > 1 ? `${alike.length} of ${files.length} files: ${alike[0]!.message}` : alike[0]!.message,
  }));
}
