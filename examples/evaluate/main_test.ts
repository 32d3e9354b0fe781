import { createVolume, encodeNifti, readVolume, type Triple, type Volume, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "csv-parse/sync";
import { runProgramFile, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "evaluate/main.ts";
const SHAPE: Triple = [6, 8, 10];
const AFFINE = Float64Array.of(1, 0, 0, -10, 0, 1.5, 0, 20, 0, 0, 2, 30, 0, 0, 0, 1);

type Painter = (z: number, y: number, x: number) => number;
const both: Painter = (z, y, x) => x >= 2 && x < 6 && y >= 2 && y < 6 && z >= 1 && z < 5 ? (x < 4 ? 1 : 2) : 0;
const onlyFirst: Painter = (z, y, x) => both(z, y, x) === 1 ? 1 : 0;

function paint(value: Painter): Volume {
  const data = new Uint8Array(SHAPE[0] * SHAPE[1] * SHAPE[2]);
  data.forEach((_, i) => data[i] = value(Math.floor(i / 80), Math.floor(i / 10) % 8, i % 10));
  return createVolume(data, SHAPE, { affine: AFFINE });
}

/** The same voxels in the same place, with the width stored from right to left. */
function mirrored({ data, shape }: Volume): Volume {
  const affine = Float64Array.from(AFFINE);
  [affine[0], affine[3]] = [-1, -10 + 9];
  return createVolume(data.map((_, i) => data[i - i % 10 + 9 - i % 10]!), shape, { affine });
}

interface Study {
  readonly references: string;
  readonly predictions: string;
}

/** Five references; predictions that are right, mirrored in storage, empty of a structure, missing, and on another grid. */
async function writeStudy(folder: string): Promise<Study> {
  const [references, predictions] = [join(folder, "references"), join(folder, "predictions")];
  for (const path of [references, predictions]) await mkdir(path);
  const write = async (path: string, name: string, volume: Volume): Promise<void> =>
    await writeFile(join(path, `${name}.nii.gz`), await encodeNifti(volume, { gzip: true }));
  for (const name of ["right", "turned", "partly", "gone", "shifted"]) await write(references, name, paint(both));
  await write(references, "healthy", paint(onlyFirst));
  await write(predictions, "right", paint(both));
  await write(predictions, "turned", mirrored(paint(both)));
  await write(predictions, "partly", paint(onlyFirst));
  await write(predictions, "shifted", {
    ...paint(both),
    affine: AFFINE.map((value, i) => i === 3 ? value + 5 : value),
  });
  await write(predictions, "healthy", paint(onlyFirst));
  await write(predictions, "stray", paint(both));
  return { references, predictions };
}

const pathFlags = ({ references, predictions }: Study): string[] => [
  `--references=${references}`,
  `--predictions=${predictions}`,
  "--resamples=100",
];

Deno.test("evaluate: counts missing, empty and misplaced predictions as missed, matches turned ones, writes all tables", () =>
  withFolder(async (folder) => {
    const study = await writeStudy(folder);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      ...pathFlags(study),
      "--labels=core=1,rim=2,whole=1+2",
      `--out=${out}`,
    ]);
    assert.equal(code, 1, stdout + stderr); // there are errors
    assert.match(stdout, /error \[missing-prediction\] .*gone\.nii\.gz: no prediction called gone .*counts as missed/);
    assert.match(stdout, /error \[other-grid\] .*shifted\.nii\.gz: .*every structure of shifted counts as missed/);
    assert.match(stdout, /warning \[missing-reference\] .*stray\.nii\.gz/);
    assert.match(stdout, /Worst cases\n.*\n.*\n(gone|shifted) \(no usable prediction\) +0\.000/);
    assert.deepEqual((await readdir(out)).sort(), ["cases.csv", "evaluation.json", "report.html", "summary.csv"]);

    const { summary, cases } = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
    const [core, rim, whole] = summary.classes;
    assert.deepEqual([core.found, core.missed, core.absent], [4, 2, 0]);
    assert.deepEqual([rim.found, rim.missed, rim.falsePositives, rim.absent], [2, 3, 0, 1]);
    assert.ok(Math.abs(core.measures.dice.mean.estimate - 4 / 6) < 1e-12);
    assert.ok(Math.abs(rim.measures.dice.mean.estimate - 2 / 5) < 1e-12); // healthy has no rim: absent, in no mean
    assert.equal(rim.measures.hausdorff95Mm.maximum, Math.hypot(6 * 2, 8 * 1.5, 10));
    assert.ok(Math.abs(whole.measures.volumeErrorMl.minimum + 64 * 3 / 1000) < 1e-12);
    const turned = cases.find(({ id }: { id: string }) => id === "turned");
    assert.ok(turned.classes.every(({ dice }: { dice: number }) => dice === 1));

    const rows: Record<string, string>[] = parse(await readFile(join(out, "cases.csv"), "utf8"), { columns: true });
    assert.equal(rows.length, 6 * 3);
    const healthy = rows.find((row) => row["case"] === "healthy" && row["structure"] === "rim")!;
    assert.deepEqual([healthy["status"], healthy["dice"], healthy["hausdorffMm"]], ["absent", "", ""]);
    const partly = rows.find((row) => row["case"] === "partly" && row["structure"] === "rim")!;
    assert.deepEqual([partly["status"], partly["dice"], partly["falseNegatives"]], ["missed", "0", "32"]);
    const means: Record<string, string>[] = parse(await readFile(join(out, "summary.csv"), "utf8"), { columns: true });
    const ofRim = means.find((row) => row["structure"] === "rim" && row["measure"] === "dice")!;
    assert.deepEqual([ofRim["cases"], ofRim["mean"], ofRim["missed"], ofRim["absent"]], ["5", "0.4", "3", "1"]);
    const page = await readFile(join(out, "report.html"), "utf8");
    assert.ok(!/<script|<link|src="(?!data:)|href="/i.test(page), "nothing from outside");
    assert.match(page, /<svg/);
    assert.match(page, /<img alt="partly"/);
  }));

Deno.test("evaluate: takes structures, regions and the ignored label from a dataset.json beside the references", () =>
  withFolder(async (folder) => {
    const study = await writeStudy(folder);
    const labels = { background: 0, core: 1, either: [1, 3], ignore: 2 };
    await writeFile(join(folder, "dataset.json"), JSON.stringify({ labels }));
    const { code, stdout } = await runProgramFile(PROGRAM, [...pathFlags(study), "--json"]);
    assert.equal(code, 1);
    const { settings, cases } = JSON.parse(stdout);
    assert.deepEqual(settings.structures, {
      classes: [{ name: "core", labels: [1] }, { name: "either", labels: [1, 3] }],
      ignoreLabel: 2,
    });
    assert.equal(settings.labelsFrom, join(folder, "dataset.json"));
    const partly = cases.find(({ id }: { id: string }) => id === "partly").classes[0];
    assert.deepEqual([partly.dice, partly.counts.trueNegatives], [1, 480 - 64]);
  }));

Deno.test("evaluate: two files, structures by the values that occur, exit code 0 without errors", () =>
  withFolder(async (folder) => {
    const { references, predictions } = await writeStudy(folder);
    const { code, stdout } = await runProgramFile(PROGRAM, [
      `--references=${join(references, "right.nii.gz")}`,
      `--predictions=${join(predictions, "partly.nii.gz")}`,
      "--surface=voxels",
      "--tolerance-mm=2",
      "--resamples=10",
    ]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /label 1 +1 +0 +0 +0\nlabel 2 +0 +1 +0 +0/);
    assert.match(stdout, /boundary voxels, as in MONAI; surface Dice at 2 mm/);
  }));

Deno.test("evaluate: an unreadable or fractional prediction counts as missed, an unreadable reference is left out", () =>
  withFolder(async (folder) => {
    const study = await writeStudy(folder);
    await writeFile(join(study.predictions, "right.nii.gz"), "no scan");
    await writeFile(join(study.references, "healthy.nii.gz"), "no scan");
    const map = paint(both);
    const soft = createVolume(Float32Array.from(map.data, (value) => value / 3), SHAPE, { affine: AFFINE });
    await writeNifti(soft, join(study.predictions, "partly.nii.gz"));
    const { code, stdout } = await runProgramFile(PROGRAM, [...pathFlags(study), "--labels=first,second", "--json"]);
    assert.equal(code, 1);
    const { cases, findings, summary } = JSON.parse(stdout);
    const codes = findings.map(({ code }: { code: string }) => code).sort();
    assert.deepEqual(codes, [
      "missing-prediction",
      "missing-reference",
      "no-label-map",
      "other-grid",
      "unreadable",
      "unreadable",
    ]);
    assert.equal(cases.length, 5);
    assert.equal(summary.classes[1].missed, 4);
  }));

Deno.test("evaluate: wrong usage ends with 2 and says what is expected", () =>
  withFolder(async (folder) => {
    const study = await writeStudy(folder);
    const refused = async (pattern: RegExp, args: readonly string[]): Promise<void> => {
      const { code, stderr } = await runProgramFile(PROGRAM, args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, pattern);
    };
    await Promise.all([
      refused(/neither --runs nor both --predictions and --references/, [`--references=${study.references}`]),
      refused(/Cannot open .*nowhere/, ["--predictions=nowhere", `--references=${study.references}`]),
      refused(/bad entry: got "liver=x"/, [...pathFlags(study), "--labels=liver=x"]),
      refused(/one is a file, the other a folder/, [
        `--predictions=${join(study.predictions, "right.nii.gz")}`,
        `--references=${study.references}`,
      ]),
      refused(/bad --tolerance-mm: got -1/, [...pathFlags(study), "--tolerance-mm=-1"]),
      refused(/no label map is there/, [
        `--predictions=${study.predictions}`,
        `--references=${await emptyFolder(folder)}`,
      ]),
    ]);
  }));

async function emptyFolder(folder: string): Promise<string> {
  const path = join(folder, "empty");
  await mkdir(path);
  return path;
}

const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const hippocampi = join(root, "hippocampus", "labels");
const isThere = await stat(hippocampi).then(() => true, () => false);
if (!isThere) console.warn(`SKIPPED: no label maps at ${hippocampi}; set MED3D_DATA to evaluate on them.`);

Deno.test({
  name: "evaluate: real hippocampi moved by a voxel lose Dice and nothing else",
  ignore: !isThere,
  fn: () =>
    withFolder(async (folder) => {
      const [references, predictions] = [join(folder, "references"), join(folder, "predictions")];
      for (const path of [references, predictions]) await mkdir(path);
      for (const name of (await readdir(hippocampi)).sort().slice(0, 6)) {
        const volume = await readVolume(join(hippocampi, name));
        await writeNifti(volume, join(references, name));
        const moved = volume.data.map((_, i) => volume.data[i - 1] ?? 0);
        await writeNifti({ ...volume, data: moved }, join(predictions, name));
      }
      const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
        ...pathFlags({ references, predictions }),
        `--labels=${join(root, "hippocampus", "dataset.json")}`,
        "--json",
      ]);
      assert.equal(code, 0, stdout + stderr);
      const { summary } = JSON.parse(stdout);
      assert.deepEqual(summary.classes.map(({ name }: { name: string }) => name), ["Anterior", "Posterior"]);
      for (const { found, measures } of summary.classes) {
        assert.equal(found, 6);
        assert.ok(measures.dice.mean.estimate > 0.75 && measures.dice.mean.estimate < 0.95);
        assert.ok(Math.abs(measures.hausdorffMm.maximum - 1) < 1e-6); // one voxel is one millimetre
        assert.equal(measures.surfaceDice.minimum, 1);
      }
    }),
});
