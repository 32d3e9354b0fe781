import { LAYOUTS } from "../nifti/_header_fields.ts";
import { FieldTally } from "./_tally.ts";
import type { IdentifyingFields } from "./identifying_fields.ts";

/** Where the free texts of a header lie: first byte and length. */
const TEXTS = {
  1: { data_type: [4, 10], db_name: [14, 18], descrip: [148, 80], aux_file: [228, 24], intent_name: [328, 16] },
  2: { descrip: [240, 80], aux_file: [320, 24], intent_name: [508, 16] },
} as const;

/** Texts that say nothing, or no more than which tool wrote the file. A bare number is none: it may be a date of birth. */
const TOOL_ONLY =
  /^(none|n\/a|null|unknown|med3d|(fsl|spm|itk|ants|afni|nibabel|freesurfer|simpleitk|niftyreg)[ _-]?(v?\d{1,2}(\.\d{1,5})*)?|[56]\.0(\.\d{1,2})?(:[0-9a-f]{8})?)$/i;

/** Whether a text of a header says no more than which tool wrote it. */
export function namesToolOnly(text: string): boolean {
  return TOOL_ONLY.test(text.trim());
}

/** Counts the free texts and extensions of a NIfTI header; `undefined` when the bytes begin no NIfTI file. */
export function countNiftiFields(bytes: Uint8Array): IdentifyingFields | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LAYOUTS[1].headerBytes) return undefined;
  const version = ([1, 2] as const).find((candidate) =>
    [true, false].some((little) => view.getInt32(0, little) === LAYOUTS[candidate].headerBytes)
  );
  if (version === undefined || bytes.length < LAYOUTS[version].headerBytes) return undefined;
  const littleEndian = view.getInt32(0, true) === LAYOUTS[version].headerBytes;
  const tally = new FieldTally();
  for (const [name, [at, length]] of Object.entries(TEXTS[version])) {
    const text = textOf(bytes.subarray(at, at + length));
    if (text !== "" && !namesToolOnly(text)) tally.add(name);
  }
  tally.add("extension", countExtensions(view, LAYOUTS[version].headerBytes, littleEndian));
  return tally.result("nifti");
}

function textOf(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? field : field.subarray(0, end)).trim();
}

/** Walks the extensions behind a header: size (a multiple of 16), code, content. */
function countExtensions(view: DataView, headerBytes: number, littleEndian: boolean): number {
  if (view.byteLength < headerBytes + 4 || view.getUint8(headerBytes) === 0) return 0;
  let count = 0;
  for (let at = headerBytes + 4; at + 8 <= view.byteLength;) {
    const size = view.getInt32(at, littleEndian);
    if (size < 16 || size % 16 !== 0) break;
    count++;
    at += size;
  }
  return count;
}
