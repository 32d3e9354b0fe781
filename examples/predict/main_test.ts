import {
  createVolume,
  makePhantom,
  readDicom,
  readNifti,
  readNiftiHeader,
  readVolume,
  type Volume,
  writeNifti,
  writeNrrd,
} from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dicomCases, filesOf } from "../../packages/volume/dicom/testdata/dicom_cases.ts";
import { runProgramFile, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "predict/main.ts";

/** Runs a body with the folder of a model that was trained for one step on phantoms, and an empty one. */
async function withModel(body: (model: string, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const model = join(folder, "model");
    const flags = ["--phantoms=4", "--patch=16", "--features=4,8", "--steps=1", "--backend=cpu", "--mirror-axes=width"];
    const { code, stderr } = await runProgramFile("finetune/main.ts", [...flags, `--out=${model}`]);
    assert.equal(code, 0, stderr);
    await body(model, folder);
  });
}

/** A phantom stored from superior to inferior and from right to left, with thick slices. */
function flippedPhantom(): Volume {
  const { volume } = makePhantom("flipped", { shape: [12, 20, 24] });
  const affine = Float64Array.of(-1.5, 0, 0, 40, 0, 1.5, 0, -30, 0, 0, -4, 60, 0, 0, 0, 1);
  return createVolume(volume.data, volume.shape, { affine, modality: "CT" });
}

Deno.test("predict: files and folders come back on their own grid and in their format, with volumes that the voxels add up to", () =>
  withModel(async (model, folder) => {
    const scans = join(folder, "scans");
    await mkdir(scans);
    const scan = flippedPhantom();
    await writeNifti(scan, join(scans, "one.nii.gz"), { version: 2, description: "FSL5.0" });
    await writeNrrd(scan, join(scans, "two.nrrd"));
    const alone = join(folder, "alone.nii");
    await writeNifti(scan, alone);
    const out = join(folder, "out");
    const flags = [
      `--weights=${model}`,
      "--backend=cpu",
      `--out=${out}`,
      "--probabilities",
      "--mirror",
      "--keep-largest",
      "--fill-holes",
    ];
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [scans, alone, ...flags]);
    assert.equal(code, 0, stdout + stderr);
    const files = await readdir(out);
    for (
      const name of ["one.nii.gz", "two.nrrd", "alone.nii.gz", "volumes.csv", "cases.json", "one_background.nii.gz"]
    ) {
      assert.ok(files.includes(name), `${name} is not among ${files}`);
    }
    assert.equal((await readNiftiHeader(join(out, "one.nii.gz"))).version, 2);
    const { classes } = JSON.parse(await readFile(join(model, "model.json"), "utf8"));
    const rows = (await readFile(join(out, "volumes.csv"), "utf8")).trim().split("\n").map((line) => line.split(","));
    assert.equal(rows[0]!.length, classes.length);
    const labels = new Map<string, Volume>();
    for (const name of ["one.nii.gz", "two.nrrd", "alone.nii.gz"]) {
      const read = await readVolume(join(out, name));
      labels.set(name, read);
      assert.deepEqual(read.shape, scan.shape);
      read.affine.forEach((value, i) => assert.ok(Math.abs(value - scan.affine[i]!) < 1e-4, name));
      const row = rows.find(([id]) => name.startsWith(id!))!;
      const voxels = new Map<number, number>();
      for (const value of read.data) voxels.set(value, (voxels.get(value) ?? 0) + 1);
      classes.slice(1).forEach(({ value }: { value: number }, i: number) =>
        assert.equal(row[i + 1], ((voxels.get(value) ?? 0) * 9 / 1000).toFixed(3))
      );
    }
    assert.deepEqual([...labels.get("one.nii.gz")!.data], [...labels.get("two.nrrd")!.data]);
    const maps = await Promise.all(
      classes.map(({ name }: { name: string }) =>
        readNifti(join(out, `one_${name.replaceAll(/[^\w.-]+/g, "_")}.nii.gz`))
      ),
    );
    for (let i = 0; i < scan.data.length; i++) {
      const sum = maps.reduce((total, { data }) => total + data[i]!, 0);
      assert.ok(Math.abs(sum - 1) < 1e-3, `voxel ${i}: ${sum}`);
    }
  }));

Deno.test("predict: a DICOM folder gets a DICOM segmentation on its grid, and NIfTI where asked; faulty scans are left out by name", () =>
  withModel(async (model, folder) => {
    const series = join(folder, "series");
    await mkdir(series);
    const { files } = (await dicomCases()).find(({ name }) => name.startsWith("oblique CT"))!;
    for (const [name, bytes] of filesOf(files)) await writeFile(join(series, name), bytes);
    const broken = join(folder, "broken.nii");
    await writeFile(broken, new Uint8Array(400));
    const out = join(folder, "out");
    const flags = [`--weights=${model}`, "--backend=cpu", `--out=${out}`, "--nifti"];
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [series, broken, ...flags]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stderr, /error \[not-predicted\] .*broken\.nii/);
    const written = await readdir(out);
    const [segmentation] = written.filter((name) => name.endsWith(".dcm"));
    const scan = await readDicom(series);
    const labels = await readNifti(join(out, segmentation!.replace(/\.dcm$/, ".nii.gz")));
    assert.deepEqual(labels.shape, scan.shape);
    labels.affine.forEach((value, i) => assert.ok(Math.abs(value - scan.affine[i]!) < 1e-4));
    const segmented = await readDicom(join(out, segmentation!));
    const { classes } = JSON.parse(await readFile(join(model, "model.json"), "utf8"));
    const numberOf = new Map(classes.map(({ value }: { value: number }, place: number) => [value, place]));
    assert.deepEqual([...segmented.data], Array.from(labels.data, (value) => numberOf.get(value)));
    const strict = await runProgramFile(PROGRAM, [broken, ...flags, "--strict"]);
    assert.equal(strict.code, 1);
  }));

Deno.test("predict: wrong usage ends with exit code 2 and says what to do", () =>
  withModel(async (model, folder) => {
    const weights = join(model, "model.safetensors");
    const scan = join(folder, "scan.nii");
    await writeNifti(flippedPhantom(), scan);
    const cases: [readonly string[], RegExp][] = [
      [[scan, `--weights=${folder}`], /Cannot read a model in .*Name the folder of a finished deno task finetune/],
      [[join(folder, "nothing"), `--weights=${model}`], /Cannot find scans at .*nothing.*Name a scan/],
      [[scan, scan, `--weights=${model}`], /two scans have one name/],
      [[scan, `--weights=${model}`, "--overlap=1"], /overlap is out of range/],
      [[scan, `--weights=${model}`, "--backend=gpu"], /unknown backend/],
      [[scan], /required option '--weights <run>' not specified/],
    ];
    for (const [flags, message] of cases) {
      const { code, stderr } = await runProgramFile(PROGRAM, [...flags, `--out=${join(folder, "out")}`]);
      assert.equal(code, 2, `${flags}: ${stderr}`);
      assert.match(stderr, message);
    }
    const bytes = await readFile(weights);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(weights, bytes);
    const { code, stderr } = await runProgramFile(PROGRAM, [
      scan,
      `--weights=${model}`,
      `--out=${join(folder, "out")}`,
    ]);
    assert.equal(code, 2);
    assert.match(stderr, /is not what .*model\.json was written with/);
  }));

Deno.test("predict: a classifying model says of every scan what its own evaluation said", () =>
  withFolder(async (folder) => {
    const scans = join(folder, "scans");
    await mkdir(scans);
    const ids = ["a", "b", "c", "d"];
    for (const id of ids) {
      await writeNifti(makePhantom(id, { shape: [16, 16, 16] }).volume, join(scans, `${id}.nii.gz`));
    }
    const table = join(folder, "labels.csv");
    await writeFile(table, ["id,age,weight", ...ids.map((id, i) => `${id},${40 + 7 * i},${80 - i}`)].join("\n"));
    const model = join(folder, "model");
    const flags = [
      "--task=classify",
      "--target=values",
      `--csv=${table}`,
      "--patch=16",
      "--features=4,8",
      "--steps=2",
      "--modality=CT",
    ];
    const trained = await runProgramFile("finetune/main.ts", [
      ...flags,
      `--data=${scans}`,
      "--backend=cpu",
      `--out=${model}`,
    ]);
    assert.equal(trained.code, 0, trained.stdout + trained.stderr);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      scans,
      `--weights=${model}`,
      "--backend=cpu",
      `--out=${out}`,
    ]);
    assert.equal(code, 0, stdout + stderr);
    const rows = (await readFile(join(out, "classes.csv"), "utf8")).trim().split("\n").map((line) => line.split(","));
    assert.deepEqual(rows[0], ["case", "age", "weight"]);
    assert.deepEqual(rows.slice(1).map(([id]) => id), ids);
    const { cases } = JSON.parse(await readFile(join(model, "evaluation.json"), "utf8"));
    for (const { id, predicted } of cases as { id: string; predicted: number[] }[]) {
      const row = rows.find(([name]) => name === id)!;
      predicted.forEach((value, i) =>
        assert.ok(Math.abs(Number(row[i + 1]) - value) < 1e-3 * Math.abs(value), `${row}, ${predicted}`)
      );
      assert.ok(predicted[0]! > 20 && predicted[1]! > 60, "in the table's own unit");
    }
  }));
