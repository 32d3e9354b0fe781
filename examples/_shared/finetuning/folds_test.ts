import { createVolume, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withFolder } from "../testing/program.ts";
import { type LabelledCase, listCases } from "./cases.ts";
import { withCsvLabels } from "./csv_labels.ts";
import { foldSubjects } from "./fold_subjects.ts";
import { splitCases } from "./split_cases.ts";

const SHARES = { heldOutFraction: 0.2, validationFraction: 0, labels: 1, seed: 0 };
const LISTED = { modality: null, channels: 1, phantoms: 4, seed: 0, task: "segment" } as const;
const subjects = (cases: readonly LabelledCase[]): Set<string> => new Set(cases.map(({ subject }) => subject));
const made = (subject: string, classLabels?: readonly number[]): LabelledCase => ({
  id: `scan of ${subject}`,
  subject,
  path: subject,
  ...(classLabels && { classLabels }),
  loadChannels: () => Promise.resolve([]),
});

Deno.test("foldSubjects: every subject is in one fold; folds, and each stratum in them, differ by one subject at most; order says nothing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ strata: fc.array(fc.constantFrom("0", "1", "2"), { minLength: 1, maxLength: 3 }) }), {
        minLength: 8,
        maxLength: 40,
      }),
      fc.integer({ min: 2, max: 8 }),
      fc.string(),
      (list, folds, seed) => {
        const cases = list.flatMap(({ strata }, i) => strata.map((stratum) => ({ subject: `s${i}`, stratum })));
        const foldOf = foldSubjects(cases, { folds, seed });
        assert.deepEqual([...foldOf.keys()].sort(), list.map((_, i) => `s${i}`).sort());
        const stratumOf = (i: number): string => [...new Set(list[i]!.strata)].sort().join();
        for (const stratum of [undefined, ...new Set(list.map((_, i) => stratumOf(i)))]) {
          const counts = new Array<number>(folds).fill(0);
          list.forEach((_, i) => {
            if (stratum === undefined || stratumOf(i) === stratum) counts[foldOf.get(`s${i}`)!]!++;
          });
          assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${stratum}: ${counts}`);
        }
        const reversed = foldSubjects(cases.toReversed(), { folds, seed });
        assert.deepEqual(new Map([...reversed].sort()), new Map([...foldOf].sort()));
      },
    ),
    { seed: 21, numRuns: 200 },
  );
});

Deno.test("splitCases: folds hold every subject out once, balanced by class, as the seed decides", () => {
  const cases = Array.from(
    { length: 30 },
    (_, i) => [made(`s${i}`, [i % 3 === 0 ? 1 : 0]), made(`s${i}`, [i % 3 === 0 ? 1 : 0])],
  )
    .flat();
  const held = Array.from({ length: 5 }, (_, fold) => {
    const { training, test, findings } = splitCases(cases, { ...SHARES, folds: 5, fold });
    assert.ok(subjects(training).isDisjointFrom(subjects(test)));
    assert.equal(training.length + test.length, 60);
    assert.equal(test.filter(({ classLabels }) => classLabels![0] === 1).length, 4); // 2 of the 10 subjects
    assert.deepEqual(findings, []);
    return [...subjects(test)];
  });
  assert.deepEqual(held.flat().sort(), [...subjects(cases)].sort());
  assert.deepEqual([...subjects(splitCases(cases, { ...SHARES, folds: 5, fold: 2 }).test)], held[2]);
  assert.notDeepEqual([...subjects(splitCases(cases, { ...SHARES, seed: 1, folds: 5, fold: 2 }).test)], held[2]);
  const few = splitCases(cases, { ...SHARES, folds: 5, fold: 2, labels: 0.25, validationFraction: 0.2 });
  assert.deepEqual([...subjects(few.test)], held[2]);
  assert.ok(subjects(few.validation).isDisjointFrom(subjects(few.test).union(subjects(few.training))));
});

Deno.test("splitCases: what the data set itself holds out takes no part in a cross-validation, and it is said", () => {
  const cases = Array.from(
    { length: 10 },
    (_, i): LabelledCase => ({ ...made(`s${i}`), split: i < 6 ? "train" : "validation" }),
  );
  const sides = [0, 1, 2].map((fold) => splitCases(cases, { ...SHARES, folds: 3, fold }));
  for (const { training, test, findings } of sides) {
    assert.equal(training.length + test.length, 6);
    assert.deepEqual(findings.map(({ code, severity }) => [code, severity]), [["held-out-side-left-out", "info"]]);
  }
  assert.deepEqual(sides.flatMap(({ test }) => [...subjects(test)]).sort(), ["s0", "s1", "s2", "s3", "s4", "s5"]);
});

Deno.test("splitCases: a fold without folds, one too high and more folds than subjects are refused", () => {
  const cases = [made("a"), made("b"), made("c")];
  for (
    const [choice, message] of [
      [{ folds: 3, fold: null }, /--folds 3 and --fold \(none\), expected both/],
      [{ folds: null, fold: 1 }, /--folds \(none\) and --fold 1/],
      [{ folds: 3, fold: 3 }, /--folds 3 and --fold 3, expected both, and a fold from 0 to below/],
      [{ folds: 4, fold: 0 }, /got 3 subjects and 4 folds/],
    ] as const
  ) assert.throws(() => splitCases(cases, { ...SHARES, ...choice }), message);
});

/** Stacks named as those of the Sunnybrook data: patient, then phase of the heart's cycle. */
async function writeStacks(folder: string): Promise<void> {
  for (const side of ["images", "labels"]) {
    await mkdir(join(folder, side));
    for (const patient of ["HF-I-01", "HF-I-40", "HF-NI-03", "HYP-01", "HYP-38", "N-02", "N-40"]) {
      for (const phase of ["p07", "p19"]) {
        const voxels = Uint8Array.from({ length: 16 }, (_, i) => side === "images" ? i : i % 2);
        await writeNifti(createVolume(voxels, [2, 2, 4]), join(folder, side, `SC-${patient}_${phase}.nii.gz`));
      }
    }
  }
}

Deno.test("listCases and splitCases: both phases of a patient are on one side, whatever the seed, by share and by fold", () =>
  withFolder(async (folder) => {
    await writeStacks(folder);
    const { cases } = await listCases({ ...LISTED, data: folder });
    assert.equal(cases.length, 14);
    await checkSides(cases, (id) => id.replace(/_p\d+$/, ""));
  }));

const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const real = join(root, "sunnybrook_cardiac");
const isThere = await stat(real).then(() => true, () => false);
if (!isThere) console.warn(`SKIPPED: no cardiac stacks at ${real}; set MED3D_DATA to check their split.`);
Deno.test({
  name: "listCases and splitCases: the 60 real cardiac stacks are those of 30 patients, both of each on one side",
  ignore: !isThere,
  fn: async () => {
    const { cases } = await listCases({ ...LISTED, data: real });
    assert.deepEqual([cases.length, subjects(cases).size], [60, 30]);
    await checkSides(cases, (id) => id.replace(/_p\d+$/, ""));
  },
});

function checkSides(cases: readonly LabelledCase[], patientOf: (id: string) => string): void {
  const patients = (list: readonly LabelledCase[]): Set<string> => new Set(list.map(({ id }) => patientOf(id)));
  for (let seed = 0; seed < 40; seed++) {
    const choices = [{ folds: null, fold: null }, ...[0, 1, 2].map((fold) => ({ folds: 3, fold }))];
    for (const choice of choices) {
      const { training, validation, test } = splitCases(cases, { ...SHARES, validationFraction: 0.2, seed, ...choice });
      assert.ok(training.length > 0 && validation.length > 0 && test.length > 0);
      assert.equal(training.length + validation.length + test.length, cases.length);
      assert.ok(patients(test).isDisjointFrom(patients(training).union(patients(validation))));
      assert.ok(patients(training).isDisjointFrom(patients(validation)));
    }
  }
}

Deno.test("withCsvLabels: a table by subject gives its class to every scan of the subject; scans that it leaves out are told", () =>
  withFolder(async (folder) => {
    const path = join(folder, "patients.csv");
    await writeFile(path, "subject,failing\na,1\nb,0\n");
    const cases = [{ ...made("a"), id: "a_1" }, { ...made("a"), id: "a_2" }, made("b"), made("c")];
    const { cases: labelled, names, findings } = await withCsvLabels(cases, path);
    assert.deepEqual(labelled.map(({ subject, classLabels }) => [subject, classLabels]), [["a", [1]], ["a", [1]], [
      "b",
      [0],
    ]]);
    assert.deepEqual(names, ["failing"]);
    assert.deepEqual(findings.map(({ code, message }) => [code, message]), [
      ["not-in-table", "1 of 4 scans are not in the table and are left out"],
    ]);
    await writeFile(path, "subject,failing\na,1\na,0\n");
    await assert.rejects(withCsvLabels(cases, path), /subject "a" stands there twice/);
    await writeFile(path, "subject,failing\nz,1\n");
    await assert.rejects(
      withCsvLabels(cases, path),
      /none of its subjects is that of a scan: got z, expected one like a/,
    );
    await writeFile(path, "patient,failing\na,1\n");
    await assert.rejects(withCsvLabels(cases, path), /no heading with id or subject/);
  }));
