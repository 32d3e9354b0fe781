import { strict as assert } from "node:assert";
import { deflateRawSync } from "node:zlib";
import { type CorruptVolumeCode, CorruptVolumeError, type Finding, readDicom } from "../mod.ts";
import { type DatasetContent, encodeDataset, joined } from "./_encode_dataset.ts";
import { dicomCases, filesOf } from "./testdata/dicom_cases.ts";

const MEMORY_BYTES = 256 * 2 ** 20;
const IMAGE: DatasetContent = {
  SeriesInstanceUid: "1.2.3",
  Modality: "MR",
  SamplesPerPixel: 1,
  PhotometricInterpretation: "MONOCHROME2",
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
};

/** A part 10 file of a data set that is written out already. */
function fileOf(dataset: Uint8Array, syntax = "1.2.840.10008.1.2.1"): Uint8Array<ArrayBuffer> {
  const meta = encodeDataset({ TransferSyntaxUid: syntax });
  return joined([new Uint8Array(128), new TextEncoder().encode("DICM"), meta, dataset]);
}

/** Voxels as an element of undefined length with one fragment. */
function packedPixels(fragment: Uint8Array): Uint8Array {
  const item = (bytes: Uint8Array) =>
    joined([Uint8Array.of(0xfe, 0xff, 0, 0xe0, ...new Uint8Array(Uint32Array.of(bytes.length).buffer)), bytes]);
  const head = Uint8Array.of(0xe0, 0x7f, 0x10, 0, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff);
  return joined([head, item(new Uint8Array(0)), item(fragment), Uint8Array.of(0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0)]);
}

async function refused(source: string | Uint8Array, code: CorruptVolumeCode): Promise<void> {
  const before = Deno.memoryUsage().rss;
  await assert.rejects(readDicom(source), (error) => {
    assert.ok(error instanceof CorruptVolumeError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
  assert.ok(Deno.memoryUsage().rss - before < MEMORY_BYTES, "little memory");
}

Deno.test("readDicom: a deflated file that has a header of 128 MiB is refused before it is unpacked", async () => {
  const huge = encodeDataset({ ...IMAGE, ContentDescription: "x" });
  const element = joined([Uint8Array.of(9, 0, 1, 16, 0x4f, 0x42, 0, 0, 0, 0, 0, 8), new Uint8Array(1 << 27)]);
  const file = fileOf(deflateRawSync(joined([huge, element])), "1.2.840.10008.1.2.1.99");
  assert.ok(file.length < 200_000);
  await refused(file, "too-large");
});

Deno.test("readDicom: a header that asks for more voxels than the file holds is refused before they are allocated", async () => {
  const dimensions = { Rows: 65535, Columns: 65535, NumberOfFrames: 2 };
  const plain = encodeDataset({ ...IMAGE, ...dimensions, PixelData: new Uint8Array(100) });
  await refused(fileOf(plain), "truncated");
  await refused(fileOf(deflateRawSync(plain), "1.2.840.10008.1.2.1.99"), "truncated");
  const packed = joined([
    encodeDataset({ ...IMAGE, ...dimensions, Rows: 60000, Columns: 30000 }),
    packedPixels(new Uint8Array(64)),
  ]);
  for (const syntax of ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70"]) {
    await refused(fileOf(packed, syntax), "too-large");
  }
});

Deno.test("readDicom: a large frame out of a few packed bytes is refused before a codec sees it", async () => {
  const siz = new DataView(new ArrayBuffer(43));
  [0xff4fff51, 0x00290000].forEach((value, i) => siz.setUint32(4 * i, value));
  [4000, 4000, 0, 0, 4000, 4000, 0, 0].forEach((value, i) => siz.setUint32(8 + 4 * i, value));
  siz.setUint16(40, 1);
  siz.setUint8(42, 15);
  const packed = packedPixels(joined([new Uint8Array(siz.buffer), new Uint8Array(57)]));
  const file = joined([encodeDataset({ ...IMAGE, Rows: 4000, Columns: 4000 }), packed]);
  await refused(fileOf(file, "1.2.840.10008.1.2.4.90"), "too-large");
});

Deno.test("readDicom: fragments under a transfer syntax that has none are refused, not read as voxels", async () => {
  const packed = joined([encodeDataset({ ...IMAGE, Rows: 4, Columns: 4 }), packedPixels(new Uint8Array(64))]);
  for (const syntax of ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]) {
    await refused(fileOf(packed, syntax), "corrupt-pixels");
  }
  const plain = encodeDataset({ ...IMAGE, Rows: 4, Columns: 4, PixelData: new Uint8Array(32) });
  await refused(fileOf(plain, "1.2.840.10008.1.2.4.70"), "corrupt-pixels");
  await refused(fileOf(plain, "1.2.840.10008.1.2.4.110"), "unsupported-syntax");
});

Deno.test("readDicom: sequences that nest too deeply, and elements without end, are refused", async () => {
  let nested = encodeDataset({ CodeValue: "x" });
  for (let depth = 0; depth < 40; depth++) {
    const item = Uint8Array.of(0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff);
    const head = Uint8Array.of(8, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xff, 0xff, 0xff, 0xff);
    const itemEnd = Uint8Array.of(0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0);
    nested = joined([head, item, nested, itemEnd, Uint8Array.of(0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0)]);
  }
  await refused(fileOf(nested), "bad-element");
  const many = joined(Array.from({ length: 70_000 }, () => encodeDataset({ SeriesNumber: "1" })));
  await refused(fileOf(many), "bad-element");
});

Deno.test("readDicom: a DICOMDIR whose file is a link out of its folder is refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/medium`);
    await Deno.writeTextFile(`${folder}/secret`, "not for you");
    await Deno.symlink(`${folder}/secret`, `${folder}/medium/I1`);
    const records = { DirectoryRecordSequence: [{ ReferencedFileId: "I1" }] };
    await Deno.writeFile(`${folder}/medium/DICOMDIR`, fileOf(encodeDataset(records)));
    await refused(`${folder}/medium/DICOMDIR`, "outside-folder");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readDicom: a damaged file in a folder is left out with an error among the findings", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { files } = (await dicomCases()).find(({ name }) => name.startsWith("oblique CT"))!;
    for (const [name, bytes] of filesOf(files)) await Deno.writeFile(`${folder}/${name}`, bytes);
    const [, bytes] = filesOf(files)[0]!;
    await Deno.writeFile(`${folder}/cut.dcm`, bytes.subarray(0, 400));
    await Deno.writeTextFile(`${folder}/notes.txt`, "six slices, I think");
    const findings: Finding[] = [];
    const volume = await readDicom(folder, { onFinding: (finding) => findings.push(finding) });
    assert.equal(volume.shape[0], 6);
    const [damaged, other] = findings;
    assert.deepEqual([damaged!.severity, damaged!.code, damaged!.path], ["error", "truncated", `${folder}/cut.dcm`]);
    assert.deepEqual([other!.severity, other!.code], ["info", "not-dicom"]);
    await assert.rejects(readDicom(folder, { series: "9.9" }), /it holds no series 9\.9, but .*6×4×5/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readDicom: a packed frame without its end mark is read and reported", async () => {
  const { files } = (await dicomCases()).find(({ name }) => name === "JPEG 2000, unsigned")!;
  const bytes = filesOf(files)[0]![1];
  for (let at = bytes.length - 2;; at--) {
    if (bytes[at] !== 0xff || bytes[at + 1] !== 0xd9) continue;
    bytes.fill(0, at, at + 2);
    break;
  }
  const findings: Finding[] = [];
  await readDicom(bytes, { onFinding: (finding) => findings.push(finding) });
  assert.deepEqual(findings.map(({ code }) => code), ["unfinished-frames"]);
});

Deno.test("readDicom: bad options and missing paths are said", async () => {
  const { files } = (await dicomCases()).find(({ name }) => name === "one slice")!;
  const bytes = filesOf(files)[0]![1];
  await assert.rejects(readDicom(bytes, { maxBytes: 0 }), RangeError);
  await assert.rejects(readDicom(bytes, { irregular: "ignore" as "report" }), RangeError);
  await assert.rejects(readDicom(bytes, { segment: 2 }), /no such segment: got 2, expected one of none/);
  await assert.rejects(readDicom("no/such/folder"), /Cannot read DICOM no\/such\/folder/);
  await refused(bytes.subarray(0, 0), "not-dicom");
  await assert.rejects(readDicom(bytes, { maxBytes: 10 }), { code: "too-large" });
  assert.equal((await readDicom(bytes)).modality, "CT");
  assert.equal((await readDicom(bytes, { modality: "MR" })).modality, "MR");
});

Deno.test("readDicom: a JPEG-LS frame without its end mark is refused before the codec, which would read on past it", async () => {
  const packed = (await dicomCases()).find(({ name }) => name === "JPEG-LS, unsigned")!;
  const [, file] = filesOf(packed.files)[0]!;
  const damaged = file.slice();
  const end = damaged.findLastIndex((byte, i) => byte === 0xff && damaged[i + 1] === 0xd9);
  damaged[end] = 0x7f;
  await assert.rejects(readDicom(damaged), /a packed frame of JPEG-LS has no end mark/);
});
