import type { DicomHeader, DicomKeyword } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { dicomSendingFaults } from "./dicom_sending_faults.ts";

/** A header with these texts; the reader itself is tested in the volume package. */
function headerOf(texts: Partial<Record<DicomKeyword, string[]>>, tags: readonly number[] = []): DicomHeader {
  return {
    path: "slice.dcm",
    transferSyntax: {} as DicomHeader["transferSyntax"],
    hasVoxels: true,
    tags,
    texts: (keyword) => texts[keyword] ?? [],
    numbers: () => [],
    countValues: () => new Map(),
  };
}

const CT = { SopClassUid: ["1.2.840.10008.5.1.4.1.1.2"], Modality: ["CT"], BurnedInAnnotation: ["NO"] };

Deno.test("dicomSendingFaults: a CT or MR that says nothing is burned in may be shown", () => {
  assert.deepEqual(dicomSendingFaults(headerOf(CT)), []);
  assert.deepEqual(dicomSendingFaults(headerOf({ ...CT, ImageType: ["ORIGINAL", "PRIMARY", "AXIAL"] })), []);
  const enhancedMr = { ...CT, SopClassUid: ["1.2.840.10008.5.1.4.1.1.4.1"], Modality: ["MR"] };
  assert.deepEqual(dicomSendingFaults(headerOf(enhancedMr)), []);
});

Deno.test("dicomSendingFaults: burned-in text, or no word of it, ultrasound, captures, documents and photographs are refused", () => {
  const cases: [object, RegExp][] = [
    [{ BurnedInAnnotation: ["YES"] }, /must be NO, it says YES/],
    [{ BurnedInAnnotation: [] }, /must be NO, it says nothing/],
    [{ BurnedInAnnotation: ["MAYBE"] }, /must be NO, it says nothing/],
    [{ Modality: ["US"] }, /it is an ultrasound image/],
    [{ SopClassUid: ["1.2.840.10008.5.1.4.1.1.6.1"] }, /it is an ultrasound image/],
    [{ SopClassUid: ["1.2.840.10008.5.1.4.1.1.7"] }, /it is a secondary capture/],
    [{ SopClassUid: ["1.2.840.10008.5.1.4.1.1.7.4"] }, /it is a secondary capture/],
    [{ MediaStorageSopClassUid: ["1.2.840.10008.5.1.4.1.1.104.1"] }, /it is an encapsulated document/],
    [{ Modality: ["DOC"] }, /it is a scanned document/],
    [{ SopClassUid: ["1.2.840.10008.5.1.4.1.1.77.1.4"] }, /it is a photograph/],
    [{ ImageType: ["DERIVED", "SECONDARY", "SCREEN SAVE"] }, /it is a screen shot/],
  ];
  for (const [change, message] of cases) {
    const faults = dicomSendingFaults(headerOf({ ...CT, ...change }));
    assert.equal(faults.length, 1, JSON.stringify(change));
    assert.match(faults[0]!.message, message);
    assert.deepEqual([faults[0]!.severity, faults[0]!.path], ["error", "slice.dcm"]);
  }
  assert.match(dicomSendingFaults(headerOf(CT, [0x00080064]))[0]!.message, /it is a secondary capture/);
});
