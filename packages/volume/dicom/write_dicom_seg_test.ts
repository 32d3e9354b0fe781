import { strict as assert } from "node:assert";
import {
  createVolume,
  listDicomSeries,
  readDicom,
  readDicomHeader,
  type Volume,
  writeDicomSeg,
  type WriteDicomSegOptions,
} from "../mod.ts";
import { dicomCases, filesOf } from "./testdata/dicom_cases.ts";

const SEGMENTS = [{ label: "liver", value: 3 }, { label: "tumour", value: 7 }];

/** Hands over a folder with a made-up scan, and the scan. */
async function withScan(name: string, work: (folder: string, scan: Volume) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/scan`);
    const { files } = (await dicomCases()).find((one) => one.name.startsWith(name))!;
    for (const [file, bytes] of filesOf(files)) await Deno.writeFile(`${folder}/scan/${file}`, bytes);
    await work(folder, await readDicom(`${folder}/scan`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function labelsOn(scan: Volume, value: (i: number, slice: number) => number): Volume {
  const inSlice = scan.shape[1] * scan.shape[2];
  const data = Uint8Array.from({ length: scan.data.length }, (_, i) => value(i, Math.floor(i / inSlice)));
  return createVolume(data, scan.shape, { affine: scan.affine });
}

for (const name of ["oblique CT", "gantry tilt", "enhanced MR, frames in no order"]) {
  Deno.test(`writeDicomSeg: readDicom reads the labels back on the grid of ${name}`, async () => {
    await withScan(name, async (folder, scan) => {
      const labels = labelsOn(scan, (i) => [0, 3, 7][i % 3]!);
      await writeDicomSeg(labels, `${folder}/scan`, `${folder}/seg.dcm`, { segments: SEGMENTS });
      const read = await readDicom(`${folder}/seg.dcm`);
      assert.deepEqual(read.shape, scan.shape);
      assert.deepEqual(Array.from(read.data), Array.from(labels.data, (value) => [0, 3, 7].indexOf(value)));
      read.affine.forEach((value, i) => assert.ok(Math.abs(value - scan.affine[i]!) < 1e-6));
      assert.match(read.history.join("\n"), /each segment's number/);
    });
  });
}

Deno.test("writeDicomSeg: slices without a segment are left out, or written when asked", async () => {
  await withScan("oblique CT", async (folder, scan) => {
    const labels = labelsOn(scan, (i, slice) => slice === 1 || slice === 4 ? [0, 3][i % 2]! : 0);
    const framesWith = async (options: Partial<WriteDicomSegOptions>) => {
      await writeDicomSeg(labels, `${folder}/scan`, `${folder}/seg.dcm`, { segments: SEGMENTS, ...options });
      return (await readDicomHeader(`${folder}/seg.dcm`)).numbers("NumberOfFrames")[0];
    };
    assert.equal(await framesWith({}), 3); // two with the first segment, and an empty one for the second
    assert.equal(await framesWith({ emptySlices: "keep" }), 12);
    const read = await readDicom(`${folder}/seg.dcm`);
    assert.deepEqual(Array.from(read.data), Array.from(labels.data, (value) => value === 3 ? 1 : 0));
  });
});

Deno.test("writeDicomSeg: the patient's identity is copied when asked and not otherwise; UIDs always refer to the scan", async () => {
  await withScan("oblique CT", async (folder, scan) => {
    const labels = labelsOn(scan, (i) => [0, 3][i % 2]!);
    const [series] = await listDicomSeries(`${folder}/scan`);
    const scanHeader = await readDicomHeader(series!.paths[0]!);
    for (const copyIdentity of [false, true]) {
      await writeDicomSeg(labels, `${folder}/scan`, `${folder}/seg.dcm`, { segments: SEGMENTS, copyIdentity });
      const header = await readDicomHeader(`${folder}/seg.dcm`);
      assert.deepEqual(header.texts("PatientName"), copyIdentity ? ["Nobody^Made Up"] : []);
      assert.deepEqual(header.texts("PatientId"), copyIdentity ? ["none"] : []);
      for (const keyword of ["StudyInstanceUid", "FrameOfReferenceUid"] as const) {
        assert.deepEqual(header.texts(keyword), scanHeader.texts(keyword));
      }
      const text = new TextDecoder("latin1").decode(await Deno.readFile(`${folder}/seg.dcm`));
      assert.equal(text.includes("Nobody"), copyIdentity);
      for (const path of series!.paths) {
        assert.ok(
          text.includes((await readDicomHeader(path)).texts("SopInstanceUid")[0]!),
          "each image is referred to",
        );
      }
    }
  });
});

Deno.test("writeDicomSeg: refuses what it cannot write, and leaves nothing behind", async () => {
  await withScan("oblique CT", async (folder, scan) => {
    const good = labelsOn(scan, (i) => [0, 3][i % 2]!);
    const moved = scan.affine.slice();
    moved[3]! += 1;
    const refusals: [RegExp, Volume, Partial<WriteDicomSegOptions>][] = [
      [/another grid/, createVolume(good.data, good.shape, { affine: moved }), {}],
      [/not among the segments: got 5/, labelsOn(scan, () => 5), {}],
      [/no segments/, good, { segments: [] }],
      [/bad value of segment 2: got 3/, good, { segments: [{ label: "a", value: 3 }, { label: "b", value: 3 }] }],
      [/bad text/, good, { description: "x".repeat(65) }],
      [/bad text/, good, { segments: [{ label: "a\\b", value: 3 }] }],
    ];
    for (const [message, labels, options] of refusals) {
      await assert.rejects(
        writeDicomSeg(labels, `${folder}/scan`, `${folder}/seg.dcm`, { segments: SEGMENTS, ...options }),
        (error) => error instanceof RangeError && message.test(error.message),
        String(message),
      );
    }
    await assert.rejects(
      writeDicomSeg(good, `${folder}/scan`, `${folder}/no/seg.dcm`, { segments: SEGMENTS }),
      /Cannot write DICOM .*no\/seg.dcm/,
    );
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["scan"]);
  });
});
