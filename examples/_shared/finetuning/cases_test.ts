import { createVolume, encodeNifti, type Finding, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "../testing/program.ts";
import type { LabelledCase } from "./cases.ts";
import { nestedSubset, splitCases } from "./split_cases.ts";
import { EarlyStop } from "./early_stop.ts";
import { planOutputs } from "./outputs.ts";
import { readLabels } from "./read_labels.ts";

const made = (id: string, subject: string, split?: "train" | "validation"): LabelledCase => ({
  id,
  subject,
  path: id,
  ...(split && { split }),
  loadChannels: () => Promise.resolve([]),
});
/** Forty scans of twenty subjects. */
const CASES = Array.from({ length: 40 }, (_, i) => made(`scan-${i}`, `subject-${i >> 1}`));
const SHARES = { heldOutFraction: 0.2, validationFraction: 0.2, labels: 1, seed: 3 };
const subjects = (cases: readonly LabelledCase[]): Set<string> => new Set(cases.map(({ subject }) => subject));

Deno.test("splitCases: no subject is on two sides, and fewer labels change neither validation nor test", () => {
  const whole = splitCases(CASES, SHARES);
  const [training, validation, test] = [whole.training, whole.validation, whole.test].map(subjects);
  assert.ok(
    training!.isDisjointFrom(validation!) && training!.isDisjointFrom(test!) && validation!.isDisjointFrom(test!),
  );
  assert.equal(whole.training.length + whole.validation.length + whole.test.length, 40);
  const few = splitCases(CASES, { ...SHARES, labels: 0.25 });
  assert.deepEqual(few.test, whole.test);
  assert.deepEqual(few.validation, whole.validation);
  assert.ok(few.training.length < whole.training.length);
  assert.notDeepEqual(subjects(splitCases(CASES, { ...SHARES, seed: 4 }).test), test);
});

Deno.test("splitCases: the data set's own held-out side is the test, whole and alone", () => {
  const cases = CASES.map(({ id, subject }, i) => made(id, subject, i >= 30 ? "validation" : "train"));
  const { training, validation, test } = splitCases(cases, SHARES);
  assert.deepEqual(test.map(({ id }) => id), cases.slice(30).map(({ id }) => id));
  assert.ok(validation.length > 0);
  assert.equal(training.length + validation.length, 30);
});

Deno.test("nestedSubset: a smaller share is part of a larger one, whole subjects, at least one", () => {
  const shares = [0.01, 0.05, 0.1, 0.25, 0.5, 1].map((share) => nestedSubset(CASES, share, "seed"));
  assert.deepEqual(shares.map(({ length }) => length), [2, 2, 4, 10, 20, 40]);
  shares.slice(1).forEach((larger, i) => assert.ok(subjects(shares[i]!).isSubsetOf(subjects(larger))));
  assert.notDeepEqual(nestedSubset(CASES, 0.25, "another"), shares[3]);
});

Deno.test("planOutputs: classes from names and labels that occur, the ignored one left out; regions are painted with labels of their own", () => {
  const survey = { labelValues: [0, 1, 2, 4, 9] } as unknown as Parameters<typeof planOutputs>[1]["survey"];
  const found = { labelNames: new Map([[1, "necrosis"]]), training: [], survey };
  const choice = { task: "segment", regions: null, ignoreLabel: 9, target: "classes", classWeights: null } as const;
  const plain = planOutputs(choice, found);
  assert.deepEqual(plain.classes.map(({ value, name }) => [value, name]), [
    [0, "background"],
    [1, "necrosis"],
    [2, "label 2"],
    [4, "label 4"],
  ]);
  assert.equal(plain.outChannels, 4);
  const regions = { whole: [1, 2, 4], core: [1, 4], enhancing: [4] };
  const { regions: painted, outChannels } = planOutputs({ ...choice, regions }, found);
  assert.equal(outChannels, 3);
  assert.deepEqual(painted!.map(({ name, label }) => [name, label]), [["whole", 2], ["core", 1], ["enhancing", 4]]);
  assert.throws(() => planOutputs({ ...choice, regions: { odd: [3] } }, found), /a label that does not occur: got 3/);
  assert.throws(
    () => planOutputs({ ...choice, classWeights: [1, 1] }, found),
    /classWeights has 2 entries, expected 4/,
  );
});

Deno.test("readLabels: a slope that makes labels vanish is not applied, an image is refused", () =>
  withFolder(async (folder) => {
    const path = join(folder, "label.nii");
    const data = Uint8Array.of(0, 1, 2, 0, 3, 0, 0, 1);
    const bytes = await encodeNifti(createVolume(data, [2, 2, 2]));
    new DataView(bytes.buffer).setFloat32(112, 2e-10, true); // scl_slope
    await writeFile(path, bytes);
    const findings: Finding[] = [];
    const labels = await readLabels(path, (finding) => void findings.push(finding));
    assert.deepEqual(labels.data, data);
    assert.deepEqual(findings.map(({ code }) => code), ["label-slope"]);
    const image = join(folder, "image.nii.gz");
    await writeNifti(createVolume(Float32Array.from({ length: 8 }, (_, i) => i / 3), [2, 2, 2]), image);
    await assert.rejects(readLabels(image, () => {}), /values are no class numbers/);
  }));

Deno.test("EarlyStop: asks for a stop when validations no longer improve, after resuming too", () => {
  const early = new EarlyStop(2);
  for (const [step, score] of [[10, 0.5], [20, 0.3], [30, 0.4]] as const) early.take(step, score);
  assert.equal(early.signal.aborted, false);
  const resumed = new EarlyStop(2);
  resumed.load(early.save());
  assert.deepEqual(resumed.scores, early.scores);
  resumed.take(40, 0.3);
  assert.equal(resumed.signal.aborted, true);
  const patient = new EarlyStop(null);
  for (let step = 0; step < 50; step++) patient.take(step, step);
  assert.equal(patient.signal.aborted, false);
});
