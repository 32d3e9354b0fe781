import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  CorruptVolumeError,
  countIdentifyingFields,
  createVolume,
  encodeNifti,
  hashCase,
  indexDataset,
  inspectDataset,
  inspectScan,
  readCase,
  readVolume,
  writeDicomSeg,
} from "../mod.ts";
import { inFolder, SCAN } from "./testdata/in_folder.ts";
import { drawsOf } from "../formats/testdata/draws.ts";
import { makeDicom } from "./testdata/make_dicom.ts";
import { makeNpz } from "./testdata/make_npz.ts";

const NRRD = new TextEncoder().encode(
  "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: ascii\nspace: RAS\n" +
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n1 2 3 4 5 6 7 8\n",
);

/** A series of slices 3 mm apart, files named against their order. */
function series(
  folder: string,
  more: Partial<Parameters<typeof makeDicom>[0]> = {},
  heights = [0, 3, 6, 9],
): Record<string, Uint8Array> {
  return Object.fromEntries(heights.map((heightMm, index) => [
    `${folder}/IM${heights.length - index}`,
    makeDicom({ heightMm, ...more }),
  ]));
}

Deno.test("indexDataset: a flat folder of every format, DICOM series among them, persons numbered and not named", () =>
  inFolder({
    "a1.nii": SCAN,
    "b2.nrrd": NRRD,
    "b2_seg.nrrd": NRRD,
    "dicom/one": makeDicom({ heightMm: 0, series: "1.9", patientId: "DOE-1" }),
    ...series("dicom/first", { series: "1.1", patientId: "DOE-1" }),
    ...series("dicom/second", { series: "1.2", patientId: "DOE-2", modality: "MR" }),
    ...series("dicom/scout", { series: "1.3", patientId: "DOE-2", imageType: "ORIGINAL\\PRIMARY\\LOCALIZER" }),
    "readme": "no scan",
    "c3.hdr": "an ENVI header, without image",
  }, async (folder) => {
    const index = await indexDataset(folder);
    assert.equal(
      index.description,
      "folder of 3 DICOM series and 2 NRRD files and 1 NIfTI files: 5 scans of 4 subjects",
    );
    const within = (path: string): string => path.slice(folder.length + 1);
    assert.deepEqual(
      index.cases.map((
        { id, subject, imagePath, files, modality },
      ) => [id, subject, within(imagePath), files?.length, modality]),
      [
        ["a1", "a1", "a1.nii", undefined, "unknown"],
        ["b2", "b2", "b2.nrrd", undefined, "unknown"],
        ["first", "patient-1", "dicom/first", 4, "CT"],
        ["one", "patient-1", "dicom/one", 1, "CT"],
        ["second", "patient-2", "dicom/second", 4, "MR"],
      ],
    );
    assert.equal(within(index.cases[1]!.labelPath!), "b2_seg.nrrd");
    assert.deepEqual(index.findings.map(({ code }) => code), ["labels-left-out", "localisers-left-out"]);
    assert.doesNotMatch(JSON.stringify(index), /DOE/);
    const shapes = await Promise.all(index.cases.map(async (entry) => (await readCase(entry)).shape.join()));
    assert.deepEqual(shapes, ["2,2,2", "2,2,2", "4,8,8", "1,8,8", "4,8,8"]);
    assert.deepEqual((await readCase(index.cases[2]!)).modality, "CT");
  }));

Deno.test("inspectDataset: a DICOM series with a gap, a name in its header and text in its picture, whose values stay untold", () =>
  inFolder(
    series("s", { patientName: "DOE^JANE", patientId: "19550312", burnedIn: true }, [0, 3, 6, 12]),
    async (folder) => {
      const result = await inspectDataset(folder);
      const [only] = result.cases;
      assert.deepEqual([only!.id, only!.subject, only!.shape, only!.orientation], ["s", "patient-1", [4, 8, 8], "LPS"]);
      const codes = result.findings.map(({ code }) => code);
      assert.ok(codes.includes("missing-slices") || codes.includes("uneven-slices"), codes.join());
      assert.equal(codes.filter((code) => code === "burned-in-annotation").length, 1);
      const header = result.findings.find(({ code }) => code === "identifying-header")!;
      assert.match(header.message, /PatientName.*PatientID|PatientID.*PatientName/);
      assert.ok(only!.identifyingFields! >= 2);
      const scan = await inspectScan(join(folder, "s"));
      assert.ok(scan.identifying!.fields["PatientName"] === 1 && scan.identifying!.burnedInAnnotation === "yes");
      const { canonical: _, ...told } = scan;
      for (const output of [JSON.stringify(result), JSON.stringify(told)]) assert.doesNotMatch(output, /DOE|JANE|1955/);
    },
  ));

const slice = (heightMm: number, asideMm = 0): Uint8Array => makeDicom({ heightMm, asideMm });
for (
  const [what, code, slices] of [
    ["a gap", "missing-slices", [0, 3, 6, 12].map((height) => slice(height))],
    ["uneven slices", "uneven-slices", [0, 3, 6.5, 9.5].map((height) => slice(height))],
    ["two images at one place", "duplicate-slices", [0, 3, 3, 6].map((height) => slice(height))],
    ["a slice beside the others", "uneven-slices", [slice(0), slice(3, 2), slice(6), slice(9)]],
  ] as const
) {
  Deno.test(`inspectScan, inspectDataset: ${what} in a DICOM series, which readDicom refuses, is an error of the doctor`, () =>
    inFolder(Object.fromEntries(slices.map((bytes, index) => [`s/${index}`, bytes])), async (folder) => {
      await assert.rejects(readVolume(join(folder, "s")), { code });
      const found = [(await inspectScan(join(folder, "s"))).findings, (await inspectDataset(folder)).findings];
      for (const findings of found) {
        assert.deepEqual(findings.filter((one) => one.code === code).map(({ severity }) => severity), ["error"]);
      }
    }));
}

Deno.test("countIdentifyingFields: DICOM attributes by the standard's names", async () => {
  const counted = await countIdentifyingFields(makeDicom({ heightMm: 0, patientName: "DOE^JANE" }));
  assert.equal(counted.format, "dicom");
  assert.deepEqual([counted.fields["PatientName"], counted.fields["PatientID"]], [1, 1]);
  assert.doesNotMatch(JSON.stringify(counted), /DOE/);
});

Deno.test("indexDataset: a DICOM segmentation is the label map of the series that it refers to", () =>
  inFolder(
    { ...series("ct", { patientId: "DOE-1" }), ...series("other", { series: "1.8", frame: "1.7" }) },
    async (folder) => {
      const scan = await readCase((await indexDataset(folder)).cases[0]!);
      const data = Uint8Array.from(scan.data, (value, i) => i >= 64 && i < 192 && value > 100 ? 1 : 0);
      const labels = { ...scan, data };
      await writeDicomSeg(labels, join(folder, "ct"), join(folder, "seg.dcm"), { segments: [{ label: "thing" }] });
      const { cases, orphanLabels } = await indexDataset(folder);
      assert.deepEqual(cases.map(({ id, labelPath }) => [id, labelPath]), [["ct", join(folder, "seg.dcm")], [
        "other",
        undefined,
      ]]);
      assert.deepEqual(orphanLabels, []);
      const { cases: [first], findings } = await inspectDataset(folder);
      assert.deepEqual(first!.label!.values!.map(({ value }) => value), [0, 1]);
      assert.deepEqual([first!.shape, first!.label!.shape], [[4, 8, 8], [2, 8, 8]]);
      assert.ok(findings.some(({ code }) => code === "label-covers-part"));
      assert.ok(!findings.some(({ code }) => code === "grid-mismatch"));
    },
  ));

Deno.test("indexDataset: volumes that lie in the same files of a series are read one by one; those of one UID in files of their own too", () =>
  inFolder({
    ...series("s", { series: "1.1" }),
    ...series("t", { series: "1.1", orientation: "0\\1\\0\\0\\0\\1" }),
  }, async (folder) => {
    const { cases } = await indexDataset(folder);
    assert.equal(cases.length, 2);
    for (const entry of cases) assert.deepEqual([(await readCase(entry)).data.length, entry.files!.length], [256, 4]);
  }));

const ITEMS = Uint8Array.from({ length: 4 * 2 * 3 * 2 }, (_, i) => i);
const MEDMNIST = makeNpz({
  train_images: { shape: [3, 2, 3, 2], data: ITEMS.subarray(0, 36) },
  train_labels: { shape: [3, 1], data: Uint8Array.of(1, 0, 1) },
  val_images: { shape: [1, 2, 3, 2], data: ITEMS.subarray(36) },
  val_labels: { shape: [1, 1], data: Uint8Array.of(0) },
  test_images: { shape: [1, 2, 3, 2], data: ITEMS.subarray(36) },
});

Deno.test("indexDataset: a MedMNIST archive: items with their classes and its own split", () =>
  inFolder({ "adrenalmnist3d.npz": MEDMNIST }, async (folder) => {
    const index = await indexDataset(folder);
    assert.equal(index.description, "MedMNIST archive: 4 scans, 1 of them for validation by its own split");
    assert.deepEqual(index.cases.map(({ id, split, classLabels, item }) => [id, split, classLabels, item!.index]), [
      ["train/0", "train", [1], 0],
      ["train/1", "train", [0], 1],
      ["train/2", "train", [1], 2],
      ["val/0", "validation", [0], 0],
    ]);
    assert.deepEqual(index.findings.map(({ code }) => code), ["test-left-out", "no-geometry"]);
    const volume = await readCase(index.cases[1]!);
    assert.deepEqual([volume.shape, Array.from(volume.data)], [[2, 3, 2], Array.from(ITEMS.subarray(12, 24))]);
    assert.match(volume.history[0]!, /item 1 of train_images/);
    const named = await indexDataset(join(folder, "adrenalmnist3d.npz"), { includeTest: true });
    assert.deepEqual(named.cases.map(({ id, classLabels }) => [id, classLabels]).at(-1), ["test/0", undefined]);
    assert.deepEqual(Array.from((await readCase(named.cases[4]!)).data), Array.from(ITEMS.subarray(36)));
    assert.deepEqual((await inspectDataset(folder)).findings.map(({ code }) => code), ["test-left-out", "no-geometry"]);
  }));

Deno.test("indexDataset: archives that are no MedMNIST, or whose classes do not fit, are told", async () => {
  const flat = makeNpz({ train_images: { shape: [2, 2, 3], data: new Uint8Array(12) } });
  await inFolder(
    { "x.npz": flat },
    (folder) => assert.rejects(indexDataset(folder), /shape \(2, 2, 3\), expected \(items/),
  );
  const other = makeNpz({ volume: { shape: [2, 2, 2], data: new Uint8Array(8) } });
  await inFolder(
    { "x.npz": other },
    (folder) => assert.rejects(indexDataset(folder), /holds no train_images.* but volume/),
  );
  const short = makeNpz({
    train_images: { shape: [2, 2, 2, 2], data: new Uint8Array(16) },
    train_labels: { shape: [1, 1], data: new Uint8Array(1) },
  });
  await inFolder({ "x.npz": short }, async (folder) => {
    const { cases, findings } = await indexDataset(folder);
    assert.deepEqual([cases.map(({ classLabels }) => classLabels), findings[0]!.code], [
      [undefined, undefined],
      "bad-classes",
    ]);
  });
  await inFolder(
    { "x.npz": MEDMNIST.subarray(0, 200) },
    (folder) => assert.rejects(indexDataset(folder), { name: "CorruptVolumeError" }),
  );
});

Deno.test("indexDataset: 400 seeded mutations of an archive each give cases that can be read or a CorruptVolumeError", () =>
  inFolder({ "x.npz": MEDMNIST }, async (folder) => {
    const random = drawsOf("npz-fuzz");
    const path = join(folder, "x.npz");
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 400; round++) {
      let bytes = Uint8Array.from(MEDMNIST);
      for (let n = random.int(1, 4); n > 0; n--) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      if (round % 8 === 7) bytes = bytes.slice(0, random.int(0, bytes.length));
      await writeFile(path, bytes);
      let outcome = "read";
      try {
        const { cases } = await indexDataset(path);
        for (const entry of cases.slice(0, 8)) await readCase(entry);
      } catch (error) {
        outcome = error instanceof CorruptVolumeError ? "refused" : `${error}`;
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    assert.deepEqual([...outcomes.keys()].toSorted(), ["read", "refused"]);
    assert.ok([...outcomes.values()].every((count) => count > 20), JSON.stringify([...outcomes]));
  }));

Deno.test("hashCase: changes with every file, item and series", () =>
  inFolder({ "a.nrrd": NRRD, "x.npz": MEDMNIST, ...series("s") }, async (folder) => {
    const image = (name: string) => ({ imagePath: join(folder, name) });
    const hashes = [
      await hashCase(image("a.nrrd")),
      ...await Promise.all(
        [0, 1].map((index) => hashCase({ ...image("x.npz"), item: { array: "train_images", index } })),
      ),
      await hashCase({ ...image("s"), files: [join(folder, "s/IM1"), join(folder, "s/IM2")], series: "1" }),
      await hashCase({ ...image("s"), files: [join(folder, "s/IM1"), join(folder, "s/IM3")], series: "1" }),
      await hashCase({ ...image("s"), files: [join(folder, "s/IM1"), join(folder, "s/IM3")], series: "2" }),
      await hashCase(image("s")),
      await hashCase({ ...image("s"), series: "1.2.3" }),
    ];
    assert.equal(new Set(hashes).size, hashes.length);
  }));

const DETACHED_NRRD = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n";
const DETACHED_META = "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n";

/** A NIfTI pair of 8 voxels. */
async function pair(): Promise<Record<string, Uint8Array>> {
  const header = (await encodeNifti(createVolume(new Uint8Array(8), [2, 2, 2]))).slice(0, 348);
  header.set(new TextEncoder().encode("ni1"), 344);
  new DataView(header.buffer).setFloat32(108, 0, true);
  return { "p.hdr": header, "p.img": new Uint8Array(8) };
}

Deno.test("hashCase: every file behind a header, a pair's name or a folder counts", async () => {
  const files = {
    "a.nhdr": `${DETACHED_NRRD}data file: a.raw\n`,
    "a.raw": new Uint8Array(8),
    "b.nhdr": `${DETACHED_NRRD}data file: b%d.raw 1 2 1 2\n`,
    "b1.raw": new Uint8Array(4),
    "b2.raw": new Uint8Array(4),
    "c.mhd": `${DETACHED_META}ElementDataFile = c.raw\n`,
    "c.raw": new Uint8Array(8),
    "d.mhd": `${DETACHED_META}ElementDataFile = LIST\nd1.raw\nd2.raw\n`,
    "d1.raw": new Uint8Array(4),
    "d2.raw": new Uint8Array(4),
    ...await pair(),
    ...series("s/within"),
  };
  const parts = {
    "a.nhdr": ["a.nhdr", "a.raw"],
    "b.nhdr": ["b.nhdr", "b1.raw", "b2.raw"],
    "c.mhd": ["c.mhd", "c.raw"],
    "d.mhd": ["d.mhd", "d1.raw", "d2.raw"],
    "p.hdr": ["p.hdr", "p.img"],
    "p.img": ["p.hdr", "p.img"],
    "s": ["s/within/IM1", "s/within/IM4"],
  };
  await inFolder(files, async (folder) => {
    for (const [name, members] of Object.entries(parts)) {
      const imagePath = join(folder, name);
      const seen = [await hashCase({ imagePath })];
      assert.equal(await hashCase({ imagePath }), seen[0], `${name}: it is the same when nothing changed`);
      for (const member of members) {
        const path = join(folder, member);
        const before = await Deno.readFile(path);
        await Deno.writeFile(
          path,
          [...before, 10].reduce((bytes, byte, i) => (bytes[i] = byte, bytes), new Uint8Array(before.length + 1)),
        );
        seen.push(await hashCase({ imagePath }));
        await Deno.writeFile(path, before);
      }
      assert.equal(new Set(seen).size, members.length + 1, `${name}: each of ${members}`);
    }
    await Deno.remove(join(folder, "a.raw"));
    assert.match(await hashCase({ imagePath: join(folder, "a.nhdr") }), /^[0-9a-f]{64}$/, "what its reader refuses");
  });
});

Deno.test("indexDataset: pairs whose headers are equal are no duplicates, those whose voxels are too are", async () => {
  const { "p.hdr": header, "p.img": image } = await pair();
  const files = {
    "a.hdr": header!,
    "a.img": image!,
    "b.hdr": header!,
    "b.img": image!.map((_, i) => i),
    "c.hdr": header!,
    "c.img": image!,
  };
  await inFolder(files, async (folder) => {
    const { findings } = await indexDataset(folder, { hashContents: true });
    const doubled = findings.filter(({ code }) => code === "duplicate");
    assert.deepEqual(doubled.map(({ path }) => path), [join(folder, "c.hdr")]);
  });
});

Deno.test("indexDataset: a manifest may name scans of any format and folders of DICOM files", () =>
  inFolder(
    { "manifest.csv": "image,subject\nb2.nrrd,p1\ns,p2\n", "b2.nrrd": NRRD, ...series("s") },
    async (folder) => {
      const { cases } = await indexDataset(folder);
      assert.deepEqual(cases.map(({ subject }) => subject), ["p1", "p2"]);
      assert.deepEqual((await readCase(cases[1]!)).shape, [4, 8, 8]);
    },
  ));

const DATA = process.env["MED3D_DATA"] ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const ADRENAL = join(DATA, "adrenalmnist3d");
if (!existsSync(ADRENAL)) console.warn(`no real data at ${ADRENAL}: its test is skipped`);

Deno.test({
  name: "indexDataset: AdrenalMNIST3D has 1188 items to train on, 98 to validate, 929 and 259 of its classes",
  ignore: !existsSync(ADRENAL),
  fn: async () => {
    const { cases } = await indexDataset(ADRENAL);
    assert.deepEqual(["train", "validation"].map((side) => cases.filter(({ split }) => split === side).length), [
      1188,
      98,
    ]);
    const training = cases.filter(({ split }) => split === "train").map(({ classLabels }) => classLabels![0]);
    assert.deepEqual([training.filter((label) => label === 0).length, training.filter((label) => label === 1).length], [
      929,
      259,
    ]);
    const volume = await readCase(cases[1000]!);
    assert.deepEqual([volume.shape, new Set(volume.data).size], [[28, 28, 28], 2]);
  },
});
