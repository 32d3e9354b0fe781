import { createVolume, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, withFolder } from "../_shared/testing/program.ts";

// deno-lint-ignore no-explicit-any -- results are JSON whose shape the assertions check
async function readJson(path: string): Promise<any> {
  return JSON.parse(await readFile(path, "utf8"));
}

/** Two stacks each of six patients, every other one ill: noise, and a label of half the voxels. */
async function writeStudy(folder: string): Promise<string> {
  for (const side of ["images", "labels"]) await mkdir(join(folder, side), { recursive: true });
  for (let patient = 1; patient <= 6; patient++) {
    for (const phase of ["p07", "p19"]) {
      const voxels = Uint8Array.from({ length: 512 }, (_, i) => (i * i * patient + i * phase.charCodeAt(2)) % 251);
      const labels = Uint8Array.from({ length: 512 }, (_, i) => i < 256 ? 1 : 0);
      const name = `P-0${patient}_${phase}.nii.gz`;
      await writeNifti(createVolume(voxels, [8, 8, 8]), join(folder, "images", name));
      await writeNifti(createVolume(labels, [8, 8, 8]), join(folder, "labels", name));
    }
  }
  const table = join(folder, "patients.csv");
  const rows = Array.from({ length: 6 }, (_, i) => `P-0${i + 1},${i % 2}`);
  await writeFile(table, ["subject,ill", ...rows].join("\n"));
  return table;
}

const TINY = ["--patch=8", "--features=2,4", "--steps=2", "--batch=2", "--no-augment", "--backend=cpu", "--folds=2"];

async function finetune(flags: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runProgramFile("finetune/main.ts", [...TINY, ...flags]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /12 scans of 6 subjects, fold [01] of 2: 6 to train on, 0 to validate, 6 held out/);
}

const evaluate = (runs: readonly string[], flags: readonly string[] = []) =>
  runProgramFile("evaluate/main.ts", ["--runs", ...runs, "--resamples=200", ...flags]);

Deno.test("evaluate --runs: pools the folds of a classification by subject; what is wrong with runs is said", () =>
  withFolder(async (folder) => {
    const data = join(folder, "study");
    const csv = await writeStudy(data);
    const runs = [join(folder, "fold-0"), join(folder, "fold-1")];
    const flags = ["--task=classify", `--data=${data}`, `--csv=${csv}`, "--unit=subject"];
    for (const [fold, out] of runs.entries()) await finetune([...flags, `--fold=${fold}`, `--out=${out}`]);

    // What the program says, worked out again from the scans' own probabilities.
    const results = await Promise.all(runs.map((run) => readJson(join(run, "evaluation.json"))));
    const ill = new Map<string, number[]>();
    for (const { cases } of results) {
      for (const { subject, predicted } of cases) ill.set(subject, [...ill.get(subject) ?? [], predicted[1]]);
    }
    assert.deepEqual(
      [...ill].map(([subject, values]) => [subject, values.length]).sort(),
      [1, 2, 3, 4, 5, 6].map((i) => [`P-0${i}`, 2]),
    );
    const means = [...ill].map(([subject, [a, b]]) => ({ isIll: Number(subject.at(-1)) % 2 === 0, p: (a! + b!) / 2 }));
    const accuracy = means.filter(({ isIll, p }) => isIll === p > 0.5).length / 6;
    const pairs = means.filter(({ isIll }) => isIll).flatMap((one) =>
      means.filter(({ isIll }) => !isIll).map(({ p }) => one.p - p)
    );
    const auroc = pairs.reduce((sum, ahead) => sum + (ahead > 0 ? 1 : ahead === 0 ? 0.5 : 0), 0) / 9;
    for (const { unit, scores, subjects } of results) {
      assert.deepEqual([unit, scores.cases, subjects.length], ["subject", 3, 3]);
    }

    const out = join(folder, "pooled");
    const { code, stdout, stderr } = await evaluate(runs, ["--json", `--out=${out}`]);
    assert.equal(code, 0, stdout + stderr);
    const pooled = JSON.parse(stdout);
    assert.deepEqual([pooled.cases, pooled.subjects, pooled.missing, pooled.findings], [12, 6, 0, []]);
    assert.ok(Math.abs(pooled.measures["AUROC, macro"].estimate - auroc) < 1e-9);
    assert.ok(Math.abs(pooled.measures.accuracy.estimate - accuracy) < 1e-9);
    assert.deepEqual(pooled.perRun[0], ["measure", "fold-0", "fold-1", "mean"]);
    assert.match(await readFile(join(out, "report.html"), "utf8"), /<h2>Run by run<\/h2>/);

    // The tables beside the report say the same, and by case there are twice as many.
    const tables = [`--predictions=${join(out, "predictions.csv")}`, `--references=${join(out, "references.csv")}`];
    const again = async (unit: string) => {
      const flags = ["--task=classify", `--unit=${unit}`, "--json", "--resamples=200"];
      return JSON.parse((await runProgramFile("evaluate/main.ts", [...tables, ...flags])).stdout);
    };
    assert.deepEqual((await again("subject")).measures, pooled.measures);
    assert.equal((await again("case")).details.cases, 12);

    const half = await evaluate(runs.slice(0, 1));
    assert.equal(half.code, 0, half.stderr);
    assert.match(half.stdout, /warning \[missing-folds\].*folds 1 of 2 are not among the runs/);
    const refused = async (pattern: RegExp, paths: readonly string[], more: readonly string[] = []): Promise<void> => {
      const { code, stderr } = await evaluate(paths, more);
      assert.equal(code, 2, stderr);
      assert.match(stderr, pattern);
    };
    await refused(/P-0\d was held out in .*fold-0 and in .*fold-0 and would count twice/, [runs[0]!, runs[0]!]);
    await refused(/Cannot read the run in .*study: configuration\.json/, [data]);
    await refused(/got neither --runs nor both/, runs, tables);
    const settings = join(runs[1]!, "configuration.json");
    const dealt = await readJson(settings);
    await writeFile(settings, JSON.stringify({ ...dealt, seed: 7 }));
    await refused(/or in their folds: got .*"seed":0.* and .*"seed":7/, runs);
    await writeFile(settings, JSON.stringify(dealt));
    const model = await readJson(join(runs[1]!, "model.json"));
    await writeFile(join(runs[1]!, "model.json"), JSON.stringify({ ...model, classes: [...model.classes].reverse() }));
    await refused(/they differ in what they learned/, runs);
  }));

Deno.test("evaluate --runs: pools the folds of a segmentation", () =>
  withFolder(async (folder) => {
    const data = join(folder, "study");
    await writeStudy(data);
    const runs = [join(folder, "fold-0"), join(folder, "fold-1")];
    for (const [fold, out] of runs.entries()) await finetune([`--data=${data}`, `--fold=${fold}`, `--out=${out}`]);
    const cases = (await Promise.all(runs.map((run) => readJson(join(run, "evaluation.json"))))).flatMap(({ cases }) =>
      cases
    );
    const dice = cases.reduce((sum: number, { classes }: { classes: { dice: number }[] }) =>
      sum + classes[0]!.dice, 0) / 12;
    const out = join(folder, "pooled");
    const { code, stdout, stderr } = await evaluate(runs, [`--out=${out}`]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /12 cases; labels from the runs/);
    assert.ok(stdout.includes(`${dice.toFixed(3)} ±`), stdout);
    assert.match(stdout, /Run by run\nmeasure +fold-0 +fold-1 +mean/);
    const { summary, settings } = await readJson(join(out, "evaluation.json"));
    assert.deepEqual([summary.cases, summary.subjects, settings.structures.classes], [12, 6, [{
      name: "label 1",
      labels: [1],
    }]]);
    assert.deepEqual((await readdir(out)).sort(), ["cases.csv", "evaluation.json", "report.html", "summary.csv"]);
  }));

Deno.test("finetune and evaluate --unit subject: scans of one subject that differ in class are refused", () =>
  withFolder(async (folder) => {
    const data = join(folder, "study");
    await writeStudy(data);
    const csv = join(folder, "scans.csv");
    await writeFile(csv, "id,ill\nP-01_p07,0\nP-01_p19,1\nP-02_p07,0\nP-02_p19,0\n");
    const flags = ["--task=classify", `--data=${data}`, `--csv=${csv}`, "--unit=subject", "--backend=cpu"];
    const trained = await runProgramFile("finetune/main.ts", [...flags, `--out=${join(folder, "run")}`]);
    assert.equal(trained.code, 2, trained.stderr);
    assert.match(
      trained.stderr,
      /what is true differs between the cases of P-01: got 0 for P-01_p07 and 1 for P-01_p19/,
    );
  }));
