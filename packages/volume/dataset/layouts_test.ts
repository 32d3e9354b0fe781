import fc from "fast-check";
import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { indexDataset, splitBySubject } from "../mod.ts";
import { parseDelimited } from "./_delimited.ts";
import { inFolder, SCAN } from "./testdata/in_folder.ts";

const codes = (index: { findings: readonly { code: string }[] }): string[] => index.findings.map(({ code }) => code);

const BIDS = {
  "dataset_description.json": { Name: "Spines", BIDSVersion: "1.9.0" },
  "participants.tsv": "participant_id\tage\nsub-01\t60\nsub-02\t\nsub-09\t1\n",
  "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz": true,
  "sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz": true,
  "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz": true,
  "sub-01/ses-b/func/sub-01_ses-b_task-rest_bold.nii.gz": true,
  "sub-02/anat/sub-02_acq-hi_T1w.nii.gz": true,
  "sub-03/ct/sub-03_ct.nii.gz": true,
  "derivatives/labels/sub-01/ses-a/anat/sub-01_ses-a_space-orig_dseg.nii.gz": true,
  "derivatives/labels/sub-01/ses-b/anat/sub-01_ses-b_T1w_label-lesion.nii.gz": true,
  "derivatives/labels/sub-02/anat/sub-02_desc-manual_dseg.nii.gz": true,
  "derivatives/net/sub-02/anat/sub-02_acq-hi_dseg.nii.gz": true,
  "derivatives/net/sub-02/anat/sub-02_acq-lo_dseg.nii.gz": true,
  "derivatives/net/sub-03/anat/sub-03_space-MNI152_dseg.nii.gz": true,
  "derivatives/net/sub-02/anat/sub-02_desc-preproc_T1w.nii.gz": true,
} as const;

Deno.test("indexDataset: BIDS by subject and session, label maps from derivatives, time series left out", () =>
  inFolder(BIDS, async (folder) => {
    const index = await indexDataset(folder);
    assert.equal(index.kind, "bids");
    assert.equal(index.description, 'BIDS data set "Spines": 5 scans of 3 subjects');
    const within = (path: string | undefined) => path?.slice(folder.length + 1);
    assert.deepEqual(
      index.cases.map((
        { id, subject, session, modality, labelPath },
      ) => [id, subject, session, modality, within(labelPath)]),
      [
        [
          "sub-01_ses-a_T1w",
          "sub-01",
          "ses-a",
          "MR",
          "derivatives/labels/sub-01/ses-a/anat/sub-01_ses-a_space-orig_dseg.nii.gz",
        ],
        [
          "sub-01_ses-a_T2w",
          "sub-01",
          "ses-a",
          "MR",
          "derivatives/labels/sub-01/ses-a/anat/sub-01_ses-a_space-orig_dseg.nii.gz",
        ],
        [
          "sub-01_ses-b_T1w",
          "sub-01",
          "ses-b",
          "MR",
          "derivatives/labels/sub-01/ses-b/anat/sub-01_ses-b_T1w_label-lesion.nii.gz",
        ],
        [
          "sub-02_acq-hi_T1w",
          "sub-02",
          undefined,
          "MR",
          "derivatives/labels/sub-02/anat/sub-02_desc-manual_dseg.nii.gz",
        ],
        ["sub-03_ct", "sub-03", undefined, "CT", undefined],
      ],
    );
    assert.deepEqual(index.orphanLabels.map(within), [
      "derivatives/net/sub-02/anat/sub-02_acq-lo_dseg.nii.gz",
      "derivatives/net/sub-03/anat/sub-03_space-MNI152_dseg.nii.gz",
    ]);
    assert.deepEqual(codes(index), ["left-out", "several-labels", "participants-differ", "participants-differ"]);
    assert.match(index.findings[0]!.message, /1 file .*1 in func/);
    assert.match(index.findings[2]!.message, /1 participant without a scan: sub-09/);
    assert.match(index.findings[3]!.message, /1 subject with scans not listed: sub-03/);
    for (let seed = 0; seed < 6; seed++) {
      const { training } = splitBySubject(index.cases, { heldOutFraction: 0.4, seed: `${seed}` });
      assert.ok([0, 3].includes(training.filter(({ subject }) => subject === "sub-01").length));
    }
  }));

Deno.test("indexDataset: BIDS is known by its folders too; label maps beside a scan are none of their own", () =>
  inFolder({
    "sub-1/anat/sub-1_T1w.nii": true,
    "sub-1/anat/sub-1_T1w_mask.nii": true,
    "sub-1/anat/sub-1_FLAIR.nii": true,
  }, async (folder) => {
    const index = await indexDataset(folder);
    assert.deepEqual([index.kind, index.description], ["bids", "BIDS data set: 2 MR scans of 1 subject"]);
    assert.deepEqual(index.cases.map(({ id, labelPath }) => [id, labelPath?.slice(-16)]), [
      ["sub-1_FLAIR", undefined],
      ["sub-1_T1w", "sub-1_T1w_mask.nii".slice(-16)],
    ]);
  }));

Deno.test("indexDataset: a CSV manifest, in its folder or named itself", () =>
  inFolder({
    "manifest.csv": "\uFEFFImage,label,subject,split,modality,age\r\n" +
      'a/1.nii,l/1.nii,"Doe, J",train,CT,60\r\n\r\n"a/2 ""x"".nii",,p2,val,mri,\n' +
      "a/3.nii,l/gone.nii,p3,test,,\na/4.nii,l/gone.nii,p4,somewhere,PET,\n,,p5,,,\n",
    "a/1.nii": true,
    'a/2 "x".nii': true,
    "a/3.nii": true,
    "a/4.nii": true,
    "l/1.nii": true,
    "stray.nii": true,
  }, async (folder) => {
    const index = await indexDataset(folder);
    assert.equal(index.kind, "manifest");
    assert.equal(index.description, "manifest manifest.csv: 3 scans, 1 of them for validation by its own split");
    assert.deepEqual(index.cases, [
      {
        id: "1",
        subject: "Doe, J",
        imagePath: join(folder, "a/1.nii"),
        labelPath: join(folder, "l/1.nii"),
        modality: "CT",
        split: "train",
      },
      { id: '2 "x"', subject: "p2", imagePath: join(folder, 'a/2 "x".nii'), modality: "MR", split: "validation" },
      { id: "4", subject: "p4", imagePath: join(folder, "a/4.nii"), modality: "unknown" },
    ]);
    assert.deepEqual(codes(index), [
      ...["unknown-column", "bad-entry", "bad-entry", "bad-entry", "test-left-out", "missing-label", "not-listed"],
    ]);
    assert.match(index.findings[1]!.message, /line 6 has the split "somewhere"/);
    assert.match(index.findings[3]!.message, /line 7 names no image/);
    const named = await indexDataset(join(folder, "manifest.csv"), { includeTest: true });
    assert.deepEqual(named.cases.map(({ id }) => id), ["1", '2 "x"', "4", "3"]);
    assert.deepEqual(named.unlisted, []);
  }));

Deno.test("indexDataset: JSONL and semicolons; subjects that are not given come by the rules", () =>
  inFolder({
    "list.jsonl": '{"image":"s1/x.nii","label":"s1/y.nii","split":"validation"}\n\n{"image":"s2/x.nii","extra":1}\n',
    "list.csv": "image;subject\ns1/x.nii;anna\n",
    "s1/x.nii": true,
    "s1/y.nii": true,
    "s2/x.nii": true,
  }, async (folder) => {
    const lines = await indexDataset(join(folder, "list.jsonl"));
    assert.deepEqual(lines.cases.map(({ subject, split }) => [subject, split]), [["s1", "validation"], [
      "s2",
      undefined,
    ]]);
    assert.deepEqual(codes(lines), ["unknown-column", "subjects-assumed"]);
    assert.deepEqual((await indexDataset(join(folder, "list.csv"))).cases.map(({ subject }) => subject), ["anna"]);
  }));

Deno.test("indexDataset: a manifest's paths stay in its folder, absolute ones only when allowed", () =>
  inFolder({ "in/a.nii": true, "out.nii": true }, async (folder) => {
    const list = join(folder, "in", "manifest.csv");
    for (const image of ["../out.nii", "x/../../out.nii", join(folder, "out.nii"), "C:\\out.nii"]) {
      await writeFile(list, `image\n${image}\n`);
      await assert.rejects(indexDataset(list), /RangeError.*leads out of the folder/, image);
    }
    await writeFile(list, `image\n../out.nii\n`);
    await assert.rejects(indexDataset(list, { allowAbsolutePaths: true }), /leads out of the folder/);
    await writeFile(list, `image,label\n${join(folder, "out.nii")},a.nii\n`);
    for (const path of [list, join(folder, "in")]) {
      const { cases } = await indexDataset(path, { allowAbsolutePaths: true });
      assert.deepEqual(cases.map(({ imagePath, labelPath }) => [imagePath, labelPath]), [
        [join(folder, "out.nii"), join(folder, "in", "a.nii")],
      ]);
    }
  }));

Deno.test("indexDataset: what is no manifest is refused with line and remedy", async () => {
  const refused = (name: string, text: string, message: RegExp): Promise<void> =>
    inFolder({ [name]: text, "a.nii": true }, (folder) => assert.rejects(indexDataset(join(folder, name)), message));
  await refused(
    "m.csv",
    "file,label\na.nii,\n",
    /SyntaxError.*m\.csv is no manifest: its heading has no column "image"/,
  );
  await refused("m.csv", 'image\n"a.nii\n', /a quote that opens on line 2 is never closed/);
  await refused("m.jsonl", '{"image":"a.nii"}\n{oops\n', /line 2 is no JSON/);
  await refused("m.jsonl", "[1]\n", /line 1 is no object/);
  await refused("m.csv", "", /has no column "image"/);
  await refused("m.csv", "image\ngone.nii\n", /holds no scans/);
});

Deno.test("indexDataset: declared labels of both forms of dataset.json are told", async () => {
  const names = async (labels: object, more: object): Promise<[number, string][]> => {
    let found: [number, string][] = [];
    await inFolder({ "dataset.json": { labels, ...more }, "imagesTr/a_0000.nii.gz": SCAN }, async (folder) => {
      found = [...(await indexDataset(folder)).labelNames ?? []];
    });
    return found;
  };
  const decathlon = { training: [{ image: "imagesTr/a_0000.nii.gz" }] };
  assert.deepEqual(await names({ "0": "background", "2": "liver" }, decathlon), [[0, "background"], [2, "liver"]]);
  const nnunet = { channel_names: { "0": "CT" }, file_ending: ".nii.gz" };
  assert.deepEqual(await names({ background: 0, whole: [1, 2], core: 2 }, nnunet), [[0, "background"], [1, "whole"], [
    2,
    "whole, core",
  ]]);
  assert.deepEqual(await names({ background: "zero?" }, nnunet), []);
});

Deno.test("parseDelimited: quotes, doubled quotes, line breaks in cells, lines counted", () => {
  assert.deepEqual(parseDelimited('a,"b ""q"", c"\r\n"x\ny",\n\n,"",z', ","), [
    { line: 1, cells: ["a", 'b "q", c'] },
    { line: 2, cells: ["x\ny", ""] },
    { line: 5, cells: ["", "", "z"] },
  ]);
  assert.deepEqual(parseDelimited("", ","), []);
});

Deno.test("parseDelimited: any table that is written by RFC 4180 comes back", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r\n", ";", "é", " ") }).map((text) =>
    `x${text}x`
  );
  const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
  fc.assert(fc.property(table, fc.constantFrom(",", ";"), (rows, delimiter) => {
    const quoted = rows.map((cells) => cells.map((text) => `"${text.replaceAll('"', '""')}"`).join(delimiter));
    assert.deepEqual(parseDelimited(quoted.join("\r\n"), delimiter).map(({ cells }) => cells), rows);
  }));
});
