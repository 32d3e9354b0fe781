import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { chmod, symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { indexDataset, readNifti, splitBySubject } from "../mod.ts";
import { inFolder, OTHER, SCAN } from "./testdata/in_folder.ts";

const codes = (index: { findings: readonly { code: string }[] }): string[] => index.findings.map(({ code }) => code);

Deno.test("indexDataset: a flat folder, any depth, sorted, hidden and other files passed over", () =>
  inFolder({
    "b.nii": true,
    "a/z.nii.gz": true,
    "a/._z.nii.gz": true,
    ".hidden/x.nii": true,
    "notes.txt": "x",
    "c.NII": true,
  }, async (folder) => {
    const index = await indexDataset(folder);
    assert.equal(index.kind, "flat");
    assert.equal(index.description, "folder of NIfTI files: 3 scans");
    assert.deepEqual(index.cases.map(({ id }) => id), ["z", "b", "c"]);
    assert.equal(index.cases[0]!.imagePath, join(folder, "a/z.nii.gz"));
    assert.equal((await readNifti(index.cases[0]!.imagePath)).data.length, 8);
    assert.ok(index.cases.every(({ split, labelPath, modality }) => !split && !labelPath && modality === "unknown"));
    assert.deepEqual(codes(index), ["subjects-assumed"]);
  }));

Deno.test("indexDataset: ids stay different where names are equal", () =>
  inFolder({ "p1/T1.nii": true, "p2/T1.nii": true, "p2/T1.nii.gz": true }, async (folder) => {
    assert.deepEqual((await indexDataset(folder)).cases.map(({ id }) => id), [
      "p1/T1.nii",
      "p2/T1.nii",
      "p2/T1.nii.gz",
    ]);
  }));

Deno.test("indexDataset: label maps of a flat folder are left out, paired and said", () =>
  inFolder({
    "images/a1.nii": true,
    "images/a2_0000.nii": true,
    "labels/a1.nii": true,
    "labels/a2.nii": true,
    "a3.nii": true,
    "a3_seg.nii": true,
  }, async (folder) => {
    const index = await indexDataset(folder);
    assert.deepEqual(
      index.cases.map(({ imagePath, labelPath }) => [imagePath, labelPath]),
      [["a3.nii", "a3_seg.nii"], ["images/a1.nii", "labels/a1.nii"], ["images/a2_0000.nii", "labels/a2.nii"]]
        .map((pair) => pair.map((name) => join(folder, name))),
    );
    assert.match(index.findings[0]!.message, /^3 files taken for label maps by their names/);
  }));

Deno.test("indexDataset: subjects by rule or by the caller's own", () =>
  inFolder({ "sub-01/a.nii": true, "sub-01/b.nii": true, "sub-02/a.nii": true }, async (folder) => {
    const index = await indexDataset(folder);
    assert.deepEqual(index.cases.map(({ subject }) => subject), ["sub-01", "sub-01", "sub-02"]);
    assert.equal(index.description, "folder of NIfTI files: 3 scans of 2 subjects");
    const own = await indexDataset(folder, { subjectOf: (path) => path.slice(-5) });
    assert.deepEqual(own.cases.map(({ subject }) => subject), ["a.nii", "b.nii", "a.nii"]);
    assert.deepEqual(own.findings, []);
  }));

Deno.test("indexDataset: scans in persons' folders stay together; one folder around all of them names nobody", async () => {
  const subjects = async (folder: string): Promise<string[]> =>
    (await indexDataset(folder)).cases.map(({ subject }) => subject);
  await inFolder({ "p1/scan1.nii": true, "p1/scan2.nii": true, "p2/scan1.nii": true }, async (folder) => {
    assert.deepEqual(await subjects(folder), ["p1", "p1", "p2"]);
    const { training, heldOut } = splitBySubject((await indexDataset(folder)).cases);
    assert.deepEqual([training.length, heldOut.length].toSorted(), [1, 2]);
  });
  await inFolder({ "export12/case1.nii": true, "export12/case2.nii": true }, async (folder) => {
    assert.deepEqual(await subjects(folder), ["case1", "case2"]);
  });
});

const DECATHLON = {
  name: "Liver",
  modality: { "0": "CT" },
  numTraining: 3,
  training: [
    { image: "./imagesTr/l_1.nii.gz", label: "./labelsTr/l_1.nii.gz" },
    { image: "./imagesTr/l_2.nii.gz", label: "./labelsTr/l_2.nii.gz" },
    { image: "./imagesTr/l_1.nii.gz", label: "./labelsTr/l_1.nii.gz" },
    { image: "./imagesTr/gone.nii.gz" },
    { label: "./labelsTr/l_2.nii.gz" },
  ],
  test: ["./imagesTs/l_9.nii.gz"],
};

Deno.test("indexDataset: a Decathlon data set, its faults as findings, its test scans only when asked for", () =>
  inFolder(
    {
      "dataset.json": DECATHLON,
      "imagesTr/l_1.nii.gz": true,
      "imagesTr/l_2.nii.gz": true,
      "imagesTr/l_3.nii.gz": true,
      "labelsTr/l_1.nii.gz": "never opened",
      "imagesTs/l_9.nii.gz": true,
    },
    async (folder) => {
      const index = await indexDataset(folder);
      assert.equal(index.kind, "decathlon");
      assert.equal(index.description, 'Medical Segmentation Decathlon data set "Liver": 2 CT scans');
      assert.deepEqual(index.cases, [
        {
          id: "l_1",
          subject: "l_1",
          imagePath: join(folder, "imagesTr/l_1.nii.gz"),
          labelPath: join(folder, "labelsTr/l_1.nii.gz"),
          modality: "CT",
        },
        { id: "l_2", subject: "l_2", imagePath: join(folder, "imagesTr/l_2.nii.gz"), modality: "CT" },
      ]);
      assert.deepEqual(codes(index).sort(), [
        ...[
          "bad-entry",
          "count-mismatch",
          "listed-twice",
          "missing-image",
          "missing-label",
          "not-listed",
          "subjects-assumed",
          "test-left-out",
        ],
      ]);
      const finding = index.findings.find(({ code }) => code === "missing-image")!;
      assert.deepEqual([finding.severity, finding.path], ["error", join(folder, "imagesTr/gone.nii.gz")]);
      assert.ok(index.findings.every(({ message, fix }) => message !== "" && fix !== ""));
      const withTest = await indexDataset(join(folder, "dataset.json"), { includeTest: true });
      assert.deepEqual(withTest.cases.map(({ id }) => id), ["l_1", "l_2", "l_9"]);
      assert.ok(!codes(withTest).includes("test-left-out"));
    },
  ));

Deno.test("indexDataset: a Decathlon list in nnU-Net's first form names files without their channel", () =>
  inFolder({
    "dataset.json": { training: [{ image: "./imagesTr/c1.nii.gz" }] },
    "imagesTr/c1_0000.nii.gz": true,
    "imagesTr/c1_0001.nii.gz": true,
  }, async (folder) => {
    const index = await indexDataset(folder);
    assert.deepEqual(index.cases.map(({ imagePath, subject }) => [imagePath, subject]), [[
      join(folder, "imagesTr/c1_0000.nii.gz"),
      "c1",
    ]]);
    assert.deepEqual(codes(index), []);
    assert.match((await indexDataset(folder, { channel: 1 })).cases[0]!.imagePath, /c1_0001/);
  }));

Deno.test("indexDataset: a Decathlon's validation list is its split", () =>
  inFolder(
    { "dataset.json": { training: ["a1.nii"], validation: ["a2.nii"] }, "a1.nii": true, "a2.nii": true },
    async (folder) => {
      const index = await indexDataset(folder);
      assert.deepEqual(index.cases.map(({ id, split }) => [id, split]), [["a1", "train"], ["a2", "validation"]]);
      assert.match(index.description, /2 scans, 1 of them for validation by its own split/);
    },
  ));

const NNUNET = {
  channel_names: { "0": "T1", "1": "FLAIR" },
  labels: { background: 0 },
  numTraining: 2,
  file_ending: ".nii.gz",
};

Deno.test("indexDataset: an nnU-Net data set, one channel of each case", () =>
  inFolder(
    {
      "dataset.json": NNUNET,
      ...Object.fromEntries(
        ["Tr/b_1_0000", "Tr/b_1_0001", "Tr/b_2_0000", "Tr/b_2_0001", "Tr/odd", "Ts/b_3_0000"].map((
          name,
        ) => [`images${name}.nii.gz`, true as const]),
      ),
      "labelsTr/b_1.nii.gz": true,
    },
    async (folder) => {
      const index = await indexDataset(folder);
      assert.equal(index.kind, "nnunet");
      assert.equal(index.description, "nnU-Net data set, channel 0: 2 MR scans");
      assert.deepEqual(index.cases.map(({ subject, imagePath, labelPath }) => [subject, imagePath, labelPath]), [
        ["b_1", join(folder, "imagesTr/b_1_0000.nii.gz"), join(folder, "labelsTr/b_1.nii.gz")],
        ["b_2", join(folder, "imagesTr/b_2_0000.nii.gz"), undefined],
      ]);
      assert.deepEqual(codes(index), ["no-channel-suffix", "test-left-out", "missing-label", "subjects-assumed"]);
      const flair = await indexDataset(folder, { channel: 1, includeTest: true });
      assert.deepEqual(flair.cases.map(({ id }) => id), ["b_1_0001", "b_2_0001"]);
      await assert.rejects(indexDataset(folder, { channel: 7 }), /holds no scans/);
    },
  ));

Deno.test("indexDataset: an nnU-Net data set that lists its images itself", () =>
  inFolder(
    {
      "dataset.json": {
        ...NNUNET,
        dataset: {
          one: { images: ["raw/x_0000.nii.gz", "raw/x_0001.nii.gz"], label: "seg/x.nii.gz" },
          two: {},
          three: { images: ["raw/y.nii.gz"] },
        },
      },
      "raw/x_0000.nii.gz": true,
      "raw/x_0001.nii.gz": true,
      "raw/y.nii.gz": true,
      "seg/x.nii.gz": true,
    },
    async (folder) => {
      const index = await indexDataset(folder);
      assert.deepEqual(index.cases.map(({ id, labelPath }) => [id, labelPath]), [[
        "x_0000",
        join(folder, "seg/x.nii.gz"),
      ], ["y", undefined]]);
      assert.deepEqual(codes(index), ["bad-entry", "subjects-assumed"]);
    },
  ));

Deno.test("indexDataset: a split file beside the scans is taken, nnU-Net's first fold too; dataset.json goes first", async () => {
  const scans = { "a1.nii": true, "a2.nii": true, "a3.nii": true } as const;
  await inFolder({ ...scans, "split.json": { train: ["a1.nii", "x"], val: ["a2"] } }, async (folder) => {
    const index = await indexDataset(folder);
    assert.deepEqual(index.cases.map(({ split }) => split), ["train", "validation", undefined]);
    assert.deepEqual(codes(index), ["split-unknown", "subjects-assumed"]);
  });
  await inFolder(
    { ...scans, "splits_final.json": [{ train: ["a1"], val: ["a2", "a3"] }, { train: [], val: [] }] },
    async (folder) => {
      assert.deepEqual((await indexDataset(folder)).cases.map(({ split }) => split), [
        "train",
        "validation",
        "validation",
      ]);
    },
  );
  const lists = { training: ["a1.nii", "a2.nii"], validation: ["a3.nii"] };
  await inFolder(
    { ...scans, "dataset.json": lists, "split_dev.json": { train: ["a1", "a3"], val: ["a2"] } },
    async (folder) => {
      const index = await indexDataset(folder);
      assert.deepEqual(index.cases.map(({ split }) => split), ["train", "train", "validation"]);
      assert.match(
        index.findings.find(({ code }) => code === "split-conflict")!.message,
        /^2 scans on another side than in dataset.json/,
      );
    },
  );
  await inFolder({ ...scans, "split.json": { folds: 5 } }, async (folder) => {
    const index = await indexDataset(folder);
    assert.ok(index.cases.every(({ split }) => split === undefined));
    assert.ok(codes(index).includes("bad-split-file"));
  });
});

Deno.test("indexDataset: equal contents are found when asked for, packed or not, and stay on one side of a split", () =>
  inFolder({
    "a1.nii": SCAN,
    "a2.nii.gz": gzipSync(SCAN),
    "a3.nii": OTHER,
    "a4.nii.gz": gzipSync(OTHER).subarray(0, 40),
  }, async (folder) => {
    const { cases, findings } = await indexDataset(folder, { hashContents: true });
    const [a1, a2, a3, a4] = cases.map(({ contentHash }) => contentHash);
    assert.match(a1!, /^[0-9a-f]{64}$/);
    assert.ok(a1 === a2 && a1 !== a3 && a4 === undefined);
    assert.deepEqual(findings.map(({ code }) => code), ["subjects-assumed", "duplicate", "unreadable"]);
    for (let seed = 0; seed < 8; seed++) {
      const { training } = splitBySubject(cases, { heldOutFraction: 0.3, seed: String(seed) });
      const ids = training.map(({ id }) => id);
      assert.equal(ids.includes("a1"), ids.includes("a2"));
    }
  }));

Deno.test("indexDataset: links are followed, a loop is entered once", () =>
  inFolder({ "real/a1.nii": true, "other/b1.nii": true }, async (folder) => {
    await symlink(folder, join(folder, "real", "loop"));
    await symlink(join(folder, "other", "b1.nii"), join(folder, "real", "link.nii"));
    await symlink(join(folder, "nowhere.nii"), join(folder, "real", "dangling.nii"));
    const index = await indexDataset(folder);
    assert.deepEqual(index.cases.map(({ id }) => id), ["b1", "a1", "link"]);
    assert.deepEqual(index.findings.map(({ code, path }) => [code, path]), [
      ["dangling-link", join(folder, "real", "dangling.nii")],
      ["subjects-assumed", folder],
    ]);
  }));

Deno.test({
  name:
    "indexDataset: a folder that cannot be read, a folder and a pipe named like scans are told; the good scans count",
  ignore: process.platform === "win32",
  fn: () =>
    inFolder({ "a1.nii": true, "closed/b1.nii": true, "odd.nii/c1.nii.gz": true }, async (folder) => {
      const made = await new Deno.Command("mkfifo", { args: [join(folder, "pipe.nii")] }).output();
      assert.ok(made.success);
      await chmod(join(folder, "closed"), 0);
      const isRoot = process.getuid?.() === 0; // who may read everything
      try {
        const index = await indexDataset(folder, { subjectOf: (path) => path });
        assert.deepEqual(index.cases.map(({ id }) => id), ["a1", ...(isRoot ? ["b1"] : []), "c1"]);
        assert.deepEqual(codes(index), [...(isRoot ? [] : ["unreadable-folder"]), "not-a-file"]);
      } finally {
        await chmod(join(folder, "closed"), 0o755);
      }
    }),
});

Deno.test("indexDataset: an unknown dataset.json is said and passed over", () =>
  inFolder({ "dataset.json": { Name: "BIDS" }, "a1.nii": true }, async (folder) => {
    const index = await indexDataset(folder);
    assert.equal(index.kind, "flat");
    assert.deepEqual(codes(index), ["unknown-dataset-json"]);
  }));

Deno.test("indexDataset: what cannot be indexed is refused with value and remedy", async () => {
  const refused = (files: Parameters<typeof inFolder>[0], message: RegExp, path = ""): Promise<void> =>
    inFolder(files, (folder) => assert.rejects(indexDataset(join(folder, path)), message));
  await refused(
    {},
    /nothing to read at .*missing: got ENOENT, expected a folder of scans/,
    "missing",
  );
  await refused({ "a.nii": true }, /Error: Cannot index data set: it is no folder: got the file .*a\.nii/, "a.nii");
  await refused(
    { "readme.txt": "x" },
    /holds no scans: got a folder of scans with no file that is one at any depth/,
  );
  await refused({ "labels/a.nii": true }, /holds no scans: .*1 file of which none.*All look like label maps/);
  await refused(
    { "dataset.json": "{ nope", "a.nii": true },
    /SyntaxError: Cannot index data set: .*dataset\.json is no valid JSON/,
  );
  await refused({ "split.json": "[", "a.nii": true }, /SyntaxError.*split\.json is no valid JSON/);
  await refused({ "dataset.json": { training: 3 } }, /SyntaxError.*"training" in .* is no list: got number/);
  await refused({ "dataset.json": { training: [{ image: "./x.nii" }] } }, /holds no scans/);
  await refused(
    { "dataset.json": { ...NNUNET, file_ending: ".png" } },
    /got file_ending "\.png", expected one such as "\.nii\.gz"/,
  );
  for (
    const image of ["../secret.nii", "a/../../secret.nii", "/etc/secret.nii", "..", "C:\\scan.nii", "..\\scan.nii"]
  ) {
    const files = { "dataset.json": { training: [{ image }] }, "a.nii": true } as const;
    await refused(files, /RangeError: Cannot index data set: a path in .*dataset\.json leads out of the folder: got "/);
  }
  await refused(
    { "dataset.json": { training: [{ image: "a.nii", label: "../l.nii" }] }, "a.nii": true },
    /leads out of the folder: got "\.\.\/l\.nii"/,
  );
  await refused({ "dataset.json": { ...NNUNET, dataset: { a: { images: ["../a.nii"] } } } }, /leads out of the folder/);
  await assert.rejects(indexDataset(".", { channel: -1 }), /the channel is out of range: got -1/);
});

const DATA = process.env["MED3D_DATA"] ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const HIPPOCAMPUS = join(DATA, "hippocampus");
if (!existsSync(HIPPOCAMPUS)) console.warn(`no real data at ${HIPPOCAMPUS}: its tests are skipped`);

Deno.test({
  name: "indexDataset: the hippocampus volumes with their own split, orphans found",
  ignore: !existsSync(HIPPOCAMPUS),
  fn: async () => {
    const index = await indexDataset(HIPPOCAMPUS);
    assert.equal(
      index.description,
      'Medical Segmentation Decathlon data set "Hippocampus": 200 MR scans, 40 of them for validation by its own split',
    );
    const { training, heldOut, findings } = splitBySubject(index.cases);
    assert.deepEqual([training.length, heldOut.length, findings.length], [160, 40, 0]);
    assert.equal(heldOut[0]!.id, "hippocampus_007");
    assert.ok(index.cases.every(({ labelPath }) => labelPath && existsSync(labelPath)));
    assert.deepEqual(index.findings.map(({ code, path }) => [code, path]), [
      ["not-listed", join(HIPPOCAMPUS, "orphans/images")],
      ["not-listed", join(HIPPOCAMPUS, "orphans/labels")],
      ["subjects-assumed", HIPPOCAMPUS],
    ]);
  },
});

Deno.test({
  name: "indexDataset: both phases of a Sunnybrook patient are one subject",
  ignore: !existsSync(join(DATA, "sunnybrook_cardiac")),
  fn: async () => {
    const { cases } = await indexDataset(join(DATA, "sunnybrook_cardiac"));
    assert.deepEqual([cases.length, new Set(cases.map(({ subject }) => subject)).size], [60, 30]);
    assert.ok(cases.every(({ labelPath }) => labelPath && existsSync(labelPath)));
  },
});
