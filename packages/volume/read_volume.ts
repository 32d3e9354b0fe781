import { readDicom, type ReadDicomOptions } from "./dicom/read_dicom.ts";
import { FORMAT_NAMES, formatOfName, type RecognisedFormat, recogniseFormat } from "./formats/recognise_format.ts";
import { readMetaimage } from "./metaimage/read_metaimage.ts";
import { readMgh } from "./mgh/read_mgh.ts";
import { readNifti } from "./nifti/read_nifti.ts";
import { readNrrd } from "./nrrd/read_nrrd.ts";
import { readNumpy, type ReadNumpyOptions } from "./numpy/read_numpy.ts";
import { createVolume, type Volume } from "./volume.ts";

/** Options of {@linkcode readVolume}: those that a format does not have are left aside. */
export interface ReadVolumeOptions
  extends ReadNumpyOptions, Pick<ReadDicomOptions, "series" | "segment" | "irregular"> {}

/**
 * Reads a scan of any format: NIfTI, MGH, NRRD, MetaImage, NumPy or DICOM, recognised by its content first and by its name second.
 *
 * What was recognised is the first line of the history. Each format's own reader does the rest, and tells what it holds to.
 *
 * @param source Path of a file, of a folder of DICOM files or of a DICOMDIR; or the bytes of one file, which are not kept.
 * @param options What the formats' readers take.
 * @returns The volume in file order, its affine in RAS+ millimetres and its history begun.
 * @throws CorruptVolumeError when it is no format that can be read, or damaged, not one 3D scan, or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the path cannot be opened; `cause` is the system's error.
 */
export async function readVolume(source: string | Uint8Array, options: ReadVolumeOptions = {}): Promise<Volume> {
  const recognised = await recogniseFormat(source);
  const { format, by, description } = recognised;
  const path = typeof source === "string" ? source : "";
  const named = formatOfName(path);
  if (by === "content" && named !== undefined && named !== format) {
    const message = `its name stands for ${FORMAT_NAMES[named]}, its content is ${description}`;
    options.onFinding?.({ severity: "info", code: "name-differs", path, message, fix: "Rename it." });
  }
  const volume = await readRecognised(source, recognised, options);
  return createVolume(volume.data, volume.shape, {
    affine: volume.affine,
    modality: volume.modality,
    history: [`recognised as ${description} by its ${by}`, ...volume.history],
  });
}

async function readRecognised(
  source: string | Uint8Array,
  { format }: RecognisedFormat,
  options: ReadVolumeOptions,
): Promise<Volume> {
  switch (format) {
    case "nifti":
      return await readNifti(source, options);
    case "mgh":
      return await readMgh(source, options);
    case "nrrd":
      return await readNrrd(source, options);
    case "metaimage":
      return await readMetaimage(source, options);
    case "numpy":
      return await readNumpy(source, options);
    case "dicom":
      if (options.frame === undefined) return await readDicom(source, options);
      throw new RangeError(
        `Cannot read DICOM: it has no frames to choose from: got frame ${options.frame}. Choose by \`series\`.`,
      );
  }
}
