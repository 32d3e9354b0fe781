import { type DicomHeader, dicomPrivacy, type Finding, readDicomHeader } from "@med3d/volume";

/** Kinds of object that show writing, persons or faces, by the start of their SOP class. */
const REFUSED_CLASSES: Readonly<Record<string, string>> = {
  "1.2.840.10008.5.1.4.1.1.7": "a secondary capture",
  "1.2.840.10008.5.1.4.1.1.6": "an ultrasound image",
  "1.2.840.10008.5.1.4.1.1.3": "an ultrasound image",
  "1.2.840.10008.5.1.4.1.1.104": "an encapsulated document",
  "1.2.840.10008.5.1.4.1.1.77": "a photograph",
  "1.2.840.10008.5.1.4.1.1.88": "a report",
};
const REFUSED_MODALITIES: Readonly<Record<string, string>> = {
  US: "an ultrasound image",
  IVUS: "an ultrasound image",
  OT: "an image of an unknown kind",
  SC: "a secondary capture",
  DOC: "a scanned document",
  SR: "a report",
  XC: "a photograph",
  GM: "a photograph",
  ES: "an endoscopy",
};
const CONVERSION_TYPE = 0x00080064;

/**
 * Says why the pictures of a DICOM file must not be shown to a model, judged by its header: unless it says that nothing is burned into the image,
 * and for ultrasound, secondary captures, scanned documents, photographs and screen shots, which show writing as a rule.
 *
 * A header can be wrong: no finding is no proof that the picture names nobody.
 *
 * @param header What `readDicomHeader` read.
 * @returns One finding per reason, severity `"error"`; none when the file may be shown. Nothing of what the header says of a person is quoted.
 * @throws CorruptVolumeError when a sequence of the header is damaged.
 */
export function dicomSendingFaults(header: DicomHeader): Finding[] {
  const faults: [code: string, message: string][] = [];
  const { burnedInAnnotation } = dicomPrivacy(header);
  if (burnedInAnnotation !== "no") {
    const says = burnedInAnnotation === "yes" ? "YES" : "nothing";
    faults.push(["burned-in-annotation", `BurnedInAnnotation must be NO, it says ${says}`]);
  }
  const classes = [...header.texts("SopClassUid"), ...header.texts("MediaStorageSopClassUid")];
  const modality = header.texts("Modality")[0]?.toUpperCase() ?? "";
  const kinds = new Set([
    ...Object.entries(REFUSED_CLASSES).filter(([uid]) =>
      classes.some((own) => own === uid || own.startsWith(`${uid}.`))
    )
      .map(([, kind]) => kind),
    ...(REFUSED_MODALITIES[modality] ? [REFUSED_MODALITIES[modality]] : []),
    ...(header.tags.includes(CONVERSION_TYPE) ? ["a secondary capture"] : []),
    ...(header.texts("ImageType").some((value) => /^SCREEN|SCREENSHOT|SCREEN SAVE$/i.test(value))
      ? ["a screen shot"]
      : []),
  ]);
  for (const kind of kinds) faults.push(["not-a-slice", `it is ${kind}, which shows writing as a rule`]);
  return faults.map(([code, message]) => ({
    severity: "error",
    code,
    path: header.path,
    message,
    fix: "Leave the file out, or have someone look at it and write it anew as a slice with BurnedInAnnotation NO.",
  }));
}

/** Reads a DICOM header and says why its pictures must not be shown to a model, as {@linkcode dicomSendingFaults} does. */
export async function inspectDicomForSending(source: string | Uint8Array): Promise<Finding[]> {
  return dicomSendingFaults(await readDicomHeader(source));
}
