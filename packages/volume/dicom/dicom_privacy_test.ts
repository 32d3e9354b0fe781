import { strict as assert } from "node:assert";
import { dicomPrivacy, readDicomHeader } from "../mod.ts";
import { dicomCases, filesOf } from "./testdata/dicom_cases.ts";

async function headerOf(name: string) {
  const found = (await dicomCases()).find((one) => one.name.startsWith(name))!;
  return await readDicomHeader(filesOf(found.files)[0]![1]);
}

Deno.test("dicomPrivacy: names what is filled in and never its value", async () => {
  const header = await headerOf("low values bright");
  const privacy = dicomPrivacy(header);
  assert.deepEqual(privacy, {
    identifying: { PatientName: 1, PatientID: 1 },
    privateAttributes: 0,
    burnedInAnnotation: "yes",
    identityRemoved: "unknown",
  });
  assert.doesNotMatch(JSON.stringify(privacy), /Nobody|none/);
});

Deno.test("dicomPrivacy: counts private attributes, their sequences among them", async () => {
  const privacy = dicomPrivacy(await headerOf("nested and private sequences"));
  assert.equal(privacy.privateAttributes, 2);
  assert.equal(privacy.burnedInAnnotation, "unknown");
});

Deno.test("readDicomHeader: tells the transfer syntax, texts and numbers, without the voxels", async () => {
  const header = await headerOf("oblique CT");
  assert.equal(header.transferSyntax.name, "implicit VR little endian");
  assert.ok(header.hasVoxels);
  assert.deepEqual(header.texts("Modality"), ["CT"]);
  assert.deepEqual(header.numbers("PixelSpacing"), [0.7, 0.5]);
  assert.deepEqual([header.numbers("EchoTime"), header.texts("AccessionNumber")], [[], []]);
});
