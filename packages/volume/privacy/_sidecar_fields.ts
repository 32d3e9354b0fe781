import { readFile, stat } from "node:fs/promises";
import { stripExtension } from "../dataset/subject_of.ts";

/** Keys of BIDS sidecars, named as in DICOM, that can tell whom, where or when. */
const IDENTIFYING = new RegExp(
  "^(Patient(Name|ID|BirthDate|BirthTime|Address|TelephoneNumbers|Comments|MotherBirthName)|OtherPatient(IDs|Names)|" +
    "Institution(Name|Address|alDepartmentName)|StationName|DeviceSerialNumber|AccessionNumber|StudyID|" +
    "(Referring|Performing|Requesting)Physician(Name)?|PhysiciansOfRecord|NameOfPhysiciansReadingStudy|OperatorsName|" +
    "(Study|Series|Acquisition|Content)Date(Time)?|AcquisitionDateTime|ImageComments)$",
);
const LARGEST_BYTES = 1 << 20;

/** Finds the keys of a scan's sidecar that can name a patient and have values; none where there is no sidecar. */
export async function findSidecarFields(scan: string): Promise<{ sidecar: string; names: string[] }> {
  const sidecar = `${stripExtension(scan)}.json`;
  try {
    if (sidecar === scan || (await stat(sidecar)).size > LARGEST_BYTES) return { sidecar, names: [] };
    const json: unknown = JSON.parse((await readFile(sidecar, "utf8")).replace(/^\uFEFF/, ""));
    if (typeof json !== "object" || json === null) return { sidecar, names: [] };
    const filled = Object.entries(json).filter(([key, value]) =>
      IDENTIFYING.test(key) && value !== null && value !== "" && value !== "anonymous"
    );
    return { sidecar, names: filled.map(([key]) => key) };
  } catch {
    return { sidecar, names: [] }; // none, or no JSON: nothing that is read here
  }
}
