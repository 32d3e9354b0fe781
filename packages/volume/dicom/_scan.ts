import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { CorruptVolumeError, type Finding, findingOf } from "../findings.ts";
import { reasonOf } from "../formats/_byte_source.ts";
import type { DicomDataset } from "./_dataset.ts";
import { dicomFault } from "./_fault.ts";
import { frameSourceOf } from "./_frame_source.ts";
import { type Frame, framesOf } from "./_frames.ts";
import { readDicomFile } from "./_open_dicom.ts";
import { TAGS } from "./_tags.ts";

const FILES_AT_ONCE = 8;

/** What one file tells of the series that it belongs to. */
export interface ScannedFile {
  /** The file's path, or an empty string for bytes in memory. */
  readonly path: string;
  /** Its frames; their headers are not kept. */
  readonly frames: readonly Frame[];
  /** SeriesInstanceUID. */
  readonly series: string;
  /** SeriesNumber, if it has one. */
  readonly seriesNumber: number | undefined;
  /** SeriesDescription. */
  readonly description: string;
  /** Modality. */
  readonly modality: string;
  /** Oddities of the file, without its path. */
  readonly oddities: readonly Omit<Finding, "path">[];
}

/** Reads the headers of a file, of bytes, of a list of files, of all files below a folder, or of those a DICOMDIR names. */
export async function scanDicom(
  source: string | Uint8Array | readonly string[],
  onFinding: (finding: Finding) => void,
): Promise<ScannedFile[]> {
  if (typeof source === "string") {
    const { files, directory } = await listFiles(source, onFinding);
    return directory === undefined ? [await scanFile(source)] : await scanAll(files, source, onFinding);
  }
  if (source instanceof Uint8Array) return [await scanFile(source)];
  return await fewAtOnce(source, scanFile);
}

/** Lists what a path stands for: a file, all files below a folder, or a DICOMDIR and all that it names. */
export async function dicomFilesOf(path: string, onFinding: (finding: Finding) => void): Promise<string[]> {
  const { files, directory } = await listFiles(path, onFinding);
  return directory === "file" ? [path, ...files] : files;
}

/** Lists files, and by what they were found; nothing when the path is that of one image. */
async function listFiles(
  path: string,
  onFinding: (finding: Finding) => void,
): Promise<{ readonly files: string[]; readonly directory: "folder" | "file" | undefined }> {
  if (await isFolder(path)) return { files: await filesBelow(path), directory: "folder" };
  const { dataset } = await readDicomFile(path);
  if (!dataset.elements.has(TAGS.DirectoryRecordSequence[0])) return { files: [path], directory: undefined };
  return { files: await filesOfDirectory(dataset, path, onFinding), directory: "file" };
}

async function scanFile(source: string | Uint8Array): Promise<ScannedFile> {
  const file = await readDicomFile(source);
  const { dataset } = file;
  return {
    path: file.path,
    frames: framesOf(file, frameSourceOf(file)),
    series: dataset.text("SeriesInstanceUid"),
    seriesNumber: dataset.number("SeriesNumber"),
    description: dataset.text("SeriesDescription"),
    modality: dataset.text("Modality"),
    oddities: odditiesOf(dataset),
  };
}

function odditiesOf(dataset: DicomDataset): Omit<Finding, "path">[] {
  const oddities: Omit<Finding, "path">[] = [];
  const note = (code: string, message: string, fix: string, severity: Finding["severity"] = "warning") =>
    void oddities.push({ severity, code, message, fix });
  if (dataset.text("PhotometricInterpretation") === "MONOCHROME1") {
    note(
      "monochrome1",
      "low values are meant to be shown bright (MONOCHROME1); the values were kept",
      "Invert them to view.",
    );
  }
  if (dataset.has("ModalityLutSequence")) {
    note(
      "modality-lut",
      "a table turns stored values into intensities; it was not applied",
      "Do not use its intensities.",
    );
  }
  if (dataset.has("DoseGridScaling")) {
    note(
      "dose-scaling",
      "its values are to be multiplied by DoseGridScaling to be doses; they were not",
      "Multiply them.",
    );
  }
  if (dataset.text("LossyImageCompression") === "01") {
    note("lossy", "its voxels were compressed with loss", "Get the original, if there is one.", "info");
  }
  if (dataset.text("BurnedInAnnotation") === "YES") {
    note(
      "burned-in-annotation",
      "its header says that text is burned into the image",
      "Look for names in the picture.",
    );
  }
  return oddities;
}

/** Scans files that nobody named: what is no image is left out and said. */
async function scanAll(
  paths: readonly string[],
  folder: string,
  onFinding: (finding: Finding) => void,
): Promise<ScannedFile[]> {
  const others = { "not-dicom": 0, "missing-image": 0 };
  const scanned = await fewAtOnce(paths, (path) =>
    scanFile(path).catch((error) => {
      if (error instanceof CorruptVolumeError) return error;
      throw error;
    }));
  for (const error of scanned.filter((one) => one instanceof CorruptVolumeError)) {
    if (error.code === "not-dicom" || error.code === "missing-image") others[error.code]++;
    else onFinding({ ...findingOf(error), severity: SEVERITY[error.code] ?? "error" });
  }
  for (const [code, what] of [["not-dicom", "are not DICOM"], ["missing-image", "hold no voxels"]] as const) {
    if (others[code] === 0) continue;
    const message = `${others[code]} of ${paths.length} files ${what} and were left out`;
    onFinding({ severity: "info", code, path: folder, message, fix: "Nothing needs to be done." });
  }
  return scanned.filter((file): file is ScannedFile => !(file instanceof CorruptVolumeError));
}

/** Pictures in colour are mostly screenshots. */
const SEVERITY: Readonly<Partial<Record<string, Finding["severity"]>>> = {
  "unsupported-datatype": "warning",
  "unsupported-syntax": "warning",
  "not-3d": "warning",
};

/** Works on a few items at a time, until one fails; results are in the items' order. */
async function fewAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  const queue = items.entries(); // shared: each worker takes the next
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, async () => {
    try {
      for (const [i, item] of queue) results[i] = await work(item);
    } catch (error) {
      for (const _ of queue); // nothing is left to take
      throw error;
    }
  }));
  return results;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new Error(`Cannot read DICOM ${path}: ${reasonOf(cause)}. Check the path and its permissions.`, { cause });
  }
}

/** All files below a folder, sorted; links to folders are not followed, since they may lead round in a circle. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const entry of entries.filter((entry) => entry.isSymbolicLink())) {
    const path = join(entry.parentPath, entry.name);
    if ((await stat(path).catch(() => undefined))?.isFile()) paths.push(path);
  }
  return paths.sort();
}

/** Files that a DICOMDIR names (PS3.3, annex F), all below its own folder. */
async function filesOfDirectory(
  dataset: DicomDataset,
  path: string,
  onFinding: (finding: Finding) => void,
): Promise<string[]> {
  const folder = await realpath(dirname(path));
  const paths = new Set<string>();
  for (const record of dataset.items("DirectoryRecordSequence")) {
    const parts = record.texts("ReferencedFileId");
    if (parts.length === 0) continue;
    const named = join(folder, ...parts);
    if (parts.some((part) => ["", ".", ".."].includes(part) || /[/\\\0:]/.test(part))) throw leaving(path, parts);
    const actual = await realpath(named).catch(() => undefined);
    if (actual === undefined) {
      const message = `the DICOMDIR names ${parts.join("/")}, which is not there`;
      onFinding({ severity: "error", code: "missing-image", path, message, fix: "Copy the whole medium again." });
    } else if (actual.startsWith(folder + sep)) paths.add(actual);
    else throw leaving(path, parts);
  }
  return [...paths].sort();
}

function leaving(path: string, parts: readonly string[]): Error {
  const problem = `it names ${JSON.stringify(parts.join("/").slice(0, 200))}, which leads out of its folder`;
  return dicomFault("outside-folder", path, problem, "Do not use this DICOMDIR; read the folder.");
}
