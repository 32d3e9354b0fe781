import type { DicomHeader } from "./dicom_header.ts";

/** What a header gives away of persons, by names of attributes alone: values are never told. */
export interface DicomPrivacy {
  /** How often each identifying attribute has a value, by its name as the standard spells it, at any depth of sequences. */
  readonly identifying: Readonly<Record<string, number>>;
  /** Number of private attributes with a value, whose meaning is not known. */
  readonly privateAttributes: number;
  /** Whether text is burned into the image, as far as the header says. */
  readonly burnedInAnnotation: "yes" | "no" | "unknown";
  /** Whether the header claims that the person's identity was removed. */
  readonly identityRemoved: "yes" | "no" | "unknown";
}

/** Attributes that PS3.15, table E.1-1, removes or replaces and that name a person, a place or a case. */
const IDENTIFYING: Readonly<Record<number, string>> = {
  0x00080020: "StudyDate",
  0x00080021: "SeriesDate",
  0x00080022: "AcquisitionDate",
  0x00080023: "ContentDate",
  0x0008002a: "AcquisitionDateTime",
  0x00080050: "AccessionNumber",
  0x00080080: "InstitutionName",
  0x00080081: "InstitutionAddress",
  0x00080082: "InstitutionCodeSequence",
  0x00080090: "ReferringPhysicianName",
  0x00080092: "ReferringPhysicianAddress",
  0x00080094: "ReferringPhysicianTelephoneNumbers",
  0x00080096: "ReferringPhysicianIdentificationSequence",
  0x0008009c: "ConsultingPhysicianName",
  0x00081010: "StationName",
  0x00081040: "InstitutionalDepartmentName",
  0x00081048: "PhysiciansOfRecord",
  0x00081049: "PhysiciansOfRecordIdentificationSequence",
  0x00081050: "PerformingPhysicianName",
  0x00081052: "PerformingPhysicianIdentificationSequence",
  0x00081060: "NameOfPhysiciansReadingStudy",
  0x00081070: "OperatorsName",
  0x00081072: "OperatorIdentificationSequence",
  0x00100010: "PatientName",
  0x00100020: "PatientID",
  0x00100021: "IssuerOfPatientID",
  0x00100030: "PatientBirthDate",
  0x00100032: "PatientBirthTime",
  0x00100050: "PatientInsurancePlanCodeSequence",
  0x00101000: "OtherPatientIDs",
  0x00101001: "OtherPatientNames",
  0x00101002: "OtherPatientIDsSequence",
  0x00101005: "PatientBirthName",
  0x00101040: "PatientAddress",
  0x00101060: "PatientMotherBirthName",
  0x00101080: "MilitaryRank",
  0x00101081: "BranchOfService",
  0x00101090: "MedicalRecordLocator",
  0x00102150: "CountryOfResidence",
  0x00102152: "RegionOfResidence",
  0x00102154: "PatientTelephoneNumbers",
  0x00102155: "PatientTelecomInformation",
  0x00102160: "EthnicGroup",
  0x00102180: "Occupation",
  0x001021b0: "AdditionalPatientHistory",
  0x001021f0: "PatientReligiousPreference",
  0x00102297: "ResponsiblePerson",
  0x00102299: "ResponsibleOrganization",
  0x00104000: "PatientComments",
  0x00181000: "DeviceSerialNumber",
  0x00200010: "StudyID",
  0x00204000: "ImageComments",
  0x00321032: "RequestingPhysician",
  0x00321033: "RequestingService",
  0x00324000: "StudyComments",
  0x00380010: "AdmissionID",
  0x00380020: "AdmittingDate",
  0x00380021: "AdmittingTime",
  0x00380300: "CurrentPatientLocation",
  0x00380400: "PatientInstitutionResidence",
  0x00384000: "VisitComments",
  0x00400006: "ScheduledPerformingPhysicianName",
  0x00400243: "PerformedLocation",
  0x00400275: "RequestAttributesSequence",
  0x00401001: "RequestedProcedureID",
  0x00402016: "PlacerOrderNumberImagingServiceRequest",
  0x00402017: "FillerOrderNumberImagingServiceRequest",
  0x00404037: "HumanPerformerName",
  0x0040a075: "VerifyingObserverName",
  0x0040a123: "PersonName",
  0x00700084: "ContentCreatorName",
};

/**
 * Tells which identifying attributes a header has, without telling what they say.
 *
 * Attributes that name persons, places or cases, dates and comments are counted; descriptions of study and series are not. A
 * picture can show a name whatever the header says: an empty list is no proof that a file is anonymous.
 *
 * @param header What `readDicomHeader` read.
 * @returns Counts by name of attribute, the number of private ones, and what the header claims.
 * @throws CorruptVolumeError when a sequence of the header is damaged.
 */
export function dicomPrivacy(header: DicomHeader): DicomPrivacy {
  const counts = [...header.countValues()];
  // A private group is odd; its elements below 1000 only reserve blocks.
  const own = counts.filter(([tag]) => (tag >>> 16) % 2 === 1 && (tag & 0xffff) >= 0x1000);
  return {
    identifying: Object.fromEntries(
      counts.filter(([tag]) => tag in IDENTIFYING).map(([tag, count]) => [IDENTIFYING[tag]!, count]),
    ),
    privateAttributes: own.reduce((sum, [, count]) => sum + count, 0),
    burnedInAnnotation: claim(header.texts("BurnedInAnnotation")[0]),
    identityRemoved: claim(header.texts("PatientIdentityRemoved")[0]),
  };
}

function claim(value: string | undefined): "yes" | "no" | "unknown" {
  return value === "YES" ? "yes" : value === "NO" ? "no" : "unknown";
}
