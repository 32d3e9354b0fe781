import { open } from "node:fs/promises";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { readDicomHeader } from "../dicom/dicom_header.ts";
import { type DicomSeries, listDicomSeries } from "../dicom/list_dicom_series.ts";
import type { Finding } from "../findings.ts";
import type { DataFolder } from "./_data_folder.ts";
import { countOf, type ListedCase } from "./_recognised.ts";

/** Files without a telling name that are looked into before a folder counts as free of DICOM. */
const LOOKED_INTO = 32;

/** DICOM images of a folder. */
interface DicomScans {
  readonly cases: readonly ListedCase[];
  /** Segmentations of none or of several of the images. */
  readonly orphanLabels: readonly string[];
  readonly findings: readonly Finding[];
}

/** A series and what its first header tells of whom it shows and where that lay. */
interface PlacedSeries {
  readonly series: DicomSeries;
  readonly patient: string;
  readonly frameOfReference: string;
}

/**
 * Finds the series of a folder's DICOM files. Persons are numbered by their patient ID, which is not kept. A segmentation is the label map of the
 * one series in its frame of reference, of its person where it names one.
 */
export async function findDicomScans(folder: DataFolder): Promise<DicomScans> {
  if (!await holdsDicom(folder)) return { cases: [], orphanLabels: [], findings: [] };
  const findings: Finding[] = [];
  const found = await listDicomSeries(folder.path, {
    onFinding: (finding) => void (finding.code === "not-dicom" || findings.push(finding)),
  });
  findings.sort((a, b) => (a.path < b.path ? -1 : 1)); // headers are read several at a time
  const localisers = found.filter(({ localiser }) => localiser);
  if (localisers.length > 0) {
    const fix = "Name one in a manifest if it is wanted.";
    const message = `${countOf(localisers.length, "localiser series")} (overviews for planning) left out`;
    findings.push({ severity: "info", code: "localisers-left-out", path: folder.path, message, fix });
  }
  const placed = await Promise.all(found.filter(({ localiser }) => !localiser).map(place));
  const [labels, images] = [placed.filter(isSegmentation), placed.filter((series) => !isSegmentation(series))];
  const patients = [...new Set(placed.map(({ patient }) => patient))];
  const within = (path: string): string => relative(folder.path, path).split(sep).join("/") || ".";
  const inFolder = Map.groupBy(images, ({ series }) => folderOf(series.paths));
  const labelled = new Map<DicomSeries, string>();
  const orphanLabels: string[] = [];
  for (const label of labels) {
    const own = images.filter((image) =>
      (label.patient === "" || image.patient === label.patient) && label.frameOfReference !== "" &&
      image.frameOfReference === label.frameOfReference
    );
    const file = within(label.series.paths[0]!);
    if (own.length === 1 && !labelled.has(own[0]!.series)) labelled.set(own[0]!.series, file);
    else orphanLabels.push(file);
  }
  const cases = images.map(({ series, patient }): ListedCase => {
    const own = folderOf(series.paths);
    const beside = inFolder.get(own)!;
    const isAlone = beside.length === 1;
    const label = labelled.get(series);
    const { modality } = series;
    return {
      image: isAlone && series.paths.length > 1 ? within(own) : within(series.paths[0]!),
      name: nameOf(folder, series, isAlone ? undefined : beside.findIndex((one) => one.series === series) + 1),
      ...filesOf(series, found, within),
      ...(label !== undefined && { label }),
      ...(patient !== "" && { subject: `patient-${patients.indexOf(patient) + 1}` }),
      modality: modality === "CT" || modality === "MR" ? modality : "unknown",
    };
  });
  return { cases, orphanLabels, findings };
}

/**
 * The files to read a series from. Where it is one of several volumes in the same files, those of all of them and which it is: the names that
 * `listDicomSeries` gives depend on what it is shown.
 */
function filesOf(
  series: DicomSeries,
  all: readonly DicomSeries[],
  within: (path: string) => string,
): Pick<ListedCase, "files" | "series"> {
  const alike = all.filter(({ seriesInstanceUid }) => seriesInstanceUid === series.seriesInstanceUid);
  const own = new Set(series.paths);
  const isShared = alike.some((other) => other !== series && other.paths.some((path) => own.has(path)));
  if (!isShared) return { files: series.paths.map(within) };
  const files = new Set(alike.flatMap(({ paths }) => paths.map(within)));
  return { files: [...files].sort(), series: series.id };
}

function isSegmentation({ series }: PlacedSeries): boolean {
  return series.modality === "SEG";
}

async function place(series: DicomSeries): Promise<PlacedSeries> {
  const header = await readDicomHeader(series.paths[0]!);
  const text = (keyword: "PatientId" | "FrameOfReferenceUid"): string => header.texts(keyword)[0] ?? "";
  return { series, patient: text("PatientId"), frameOfReference: text("FrameOfReferenceUid") };
}

/** The nearest folder that all files lie in. */
function folderOf(paths: readonly string[]): string {
  let folder = dirname(paths[0]!);
  while (!paths.every((path) => path.startsWith(folder + sep)) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** A single file's name, else that of the folder, with the series' number where it lies beside others. */
function nameOf(folder: DataFolder, { paths, id }: DicomSeries, number: number | undefined): string {
  if (paths.length === 1 && !id.includes("#")) return basename(paths[0]!).replace(/\.(dcm|dicom|ima)$/i, "");
  const name = basename(resolve(folderOf(paths) || folder.path));
  return number === undefined ? name : `${name}#${number}`;
}

/** Whether a file is called `.dcm` or the like, or one of those without a telling name has DICOM's mark. */
async function holdsDicom(folder: DataFolder): Promise<boolean> {
  if (folder.dicomLike.some((file) => /\.(dcm|dicom|ima)$/i.test(file))) return true;
  const step = Math.max(1, Math.ceil(folder.dicomLike.length / LOOKED_INTO));
  for (let index = 0; index < folder.dicomLike.length; index += step) {
    if (await hasMark(folder.pathOf(folder.dicomLike[index]!))) return true;
  }
  return false;
}

async function hasMark(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(4), 0, 4, 128);
      return bytesRead === 4 && new TextDecoder("latin1").decode(buffer) === "DICM";
    } finally {
      await file.close();
    }
  } catch {
    return false; // not to be read: not ours to complain of
  }
}
