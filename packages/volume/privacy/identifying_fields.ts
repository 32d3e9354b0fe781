import { dicomPrivacy } from "../dicom/dicom_privacy.ts";
import { readDicomHeader } from "../dicom/dicom_header.ts";
import { CorruptVolumeError } from "../findings.ts";
import { type ByteSource, openByteSource } from "../formats/_byte_source.ts";
import { countMetaimageFields, countNrrdFields } from "./_text_header_fields.ts";
import { countMghFields } from "./_mgh_tags.ts";
import { countNiftiFields } from "./_nifti_fields.ts";
import { FieldTally } from "./_tally.ts";

/** Header fields of a file that can say whom a scan shows: how many are filled in, never what they say. */
export interface IdentifyingFields {
  /** What the file was taken for; `"unknown"` files were not looked into. */
  readonly format: "nifti" | "mgh" | "nrrd" | "metaimage" | "dicom" | "unknown";
  /** Number of such fields that are filled in. */
  readonly count: number;
  /**
   * Count by the standard's own name of the field, such as `PatientName` or `descrip`; `private attribute` for those of DICOM whose meaning is not
   * known. A name that the file made up stands as `other`.
   */
  readonly fields: Readonly<Record<string, number>>;
  /** Whether the file says that a patient's data are written into the picture itself; DICOM alone can say so. */
  readonly burnedInAnnotation: "yes" | "no" | "unknown";
}

/** Most bytes of a header that are looked at. */
const HEADER_BYTES = 1 << 16;

/**
 * Counts the header fields that can name a patient, without giving out what they hold.
 *
 * In NIfTI these are the free texts `descrip`, `aux_file`, `intent_name`, `db_name` and `data_type` (unless they hold no more than
 * the name and version of a known tool) and header extensions; in MGH the tags with text behind the voxels (command
 * lines, paths), for which a packed file is unpacked; in NRRD and MetaImage comments, free texts and key-value pairs; in DICOM what
 * {@linkcode dicomPrivacy} tells.
 *
 * @param source Path, or the bytes of a file. Only the header is read, and of MGH what follows the voxels.
 * @returns Counts by field.
 * @throws Error when the file cannot be opened. A header that is damaged counts as far as it can be read.
 */
export async function countIdentifyingFields(source: string | Uint8Array): Promise<IdentifyingFields> {
  const opened = await openByteSource(source, { format: "header" });
  try {
    const bytes = await readStart(opened);
    const counted = countNiftiFields(bytes) ?? countNrrdFields(bytes) ?? countMetaimageFields(bytes);
    return counted ?? await countMghFields(source, bytes) ?? await countDicomFields(source) ??
      { format: "unknown", count: 0, fields: {}, burnedInAnnotation: "unknown" };
  } finally {
    await opened.close();
  }
}

/** Counts attributes of a DICOM header; `undefined` when it is none or damaged. */
async function countDicomFields(source: string | Uint8Array): Promise<IdentifyingFields | undefined> {
  try {
    const { identifying, privateAttributes, burnedInAnnotation } = dicomPrivacy(await readDicomHeader(source));
    const tally = new FieldTally();
    for (const [name, count] of Object.entries(identifying)) tally.add(name, count);
    tally.add("private attribute", privateAttributes);
    return tally.result("dicom", burnedInAnnotation);
  } catch (error) {
    if (error instanceof CorruptVolumeError) return undefined;
    throw error;
  }
}

async function readStart(source: ByteSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(HEADER_BYTES);
  try {
    return bytes.subarray(0, await source.fill(bytes));
  } catch {
    return bytes.subarray(0, 0); // damaged gzip: whoever reads the voxels says so
  }
}
