import { encodeNifti, makePhantom, type Volume, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "pretrain/main.ts";
const FLAGS = [...TINY_FLAGS, "--steps=2", "--backend=cpu"];

function phantom(seed: string): Volume {
  return makePhantom(seed, { kind: "mr-brain", shape: [24, 24, 24] }).volume;
}

/** Writes sound scans of `count` subjects. */
async function writeScans(folder: string, count: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let number = 0; number < count; number++) {
    await writeNifti(phantom(`scan ${number}`), join(folder, `subject${number}.nii.gz`));
  }
}

/** A NIfTI-1 file with other dimensions in its header than its data has. */
async function withDimensions(volume: Volume, dimensions: readonly number[]): Promise<Uint8Array> {
  const bytes = Uint8Array.from(await encodeNifti(volume));
  const view = new DataView(bytes.buffer);
  [dimensions.length, ...dimensions].forEach((value, index) => view.setInt16(40 + 2 * index, value, true));
  return bytes;
}

Deno.test("pretrain: the run goes on with the sound scans; each faulty file is reported with name, reason and remedy", () =>
  withFolder(async (folder) => {
    const data = join(folder, "scans");
    await writeScans(data, 5);
    const sound = phantom("faulty");
    const whole = await encodeNifti(sound);
    const voxels = sound.data.length;
    const nan = { ...sound, data: new Float32Array(voxels).fill(NaN) };
    const patched = { ...sound, data: Float32Array.from(sound.data).fill(NaN, 0, 3) };
    await writeNifti(patched, join(data, "patched.nii"));
    const faults: [string, Uint8Array, RegExp][] = [
      ["truncated.nii", whole.slice(0, 1000), /truncat|holds|promises/],
      ["text.nii", new TextEncoder().encode("this is no scan ".repeat(40)), /not.*NIfTI/i],
      ["empty.nii.gz", new Uint8Array(0), /truncat|empty|holds|not/i],
      ["nan.nii", await encodeNifti(nan), /finite|NaN/],
      ["constant.nii", await encodeNifti({ ...sound, data: new Float32Array(voxels).fill(7) }), /constant|same value/],
      ["flat.nii", await withDimensions(sound, [24, 576]), /3D|dimension/],
      ["series.nii", await withDimensions(sound, [24, 24, 12, 2]), /3D|dimension/],
      ["promises.nii", await withDimensions(sound, [24, 24, 25]), /truncat|promises|holds/],
      ["huge.nii", await withDimensions(sound, [32767, 32767, 32767]), /promises|too large|holds|memory|truncat/],
    ];
    for (const [name, bytes] of faults) await writeFile(join(data, name), bytes);

    const out = join(folder, "run");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [...FLAGS, `--data=${data}`, `--out=${out}`]);
    assert.equal(code, 0, stdout + stderr);
    const findings = JSON.parse(await readFile(join(out, "findings.json"), "utf8")) as Record<string, string>[];
    for (const [name, , expected] of faults) {
      const finding = findings.find(({ path, severity }) => path!.endsWith(name) && severity === "error");
      assert.ok(finding, `no finding for ${name}: ${JSON.stringify(findings)}`);
      assert.match(finding.message!, expected, name);
      assert.ok(finding.fix!.length > 0 && finding.code!.length > 0, name);
    }
    const repaired = findings.find(({ path }) => path!.endsWith("patched.nii"));
    assert.equal(repaired?.severity, "warning");
    assert.match(repaired.message!, /^3 of 13824 voxels are NaN/);
    const report = await readFile(join(out, "report.html"), "utf8");
    for (const [name] of faults) assert.ok(report.includes(name), `${name} is not in the report`);

    const strict = await runProgramFile(PROGRAM, [
      ...FLAGS,
      `--data=${data}`,
      `--out=${join(folder, "strict")}`,
      "--strict",
    ]);
    assert.equal(strict.code, 1);
    assert.match(strict.stderr, /Cannot use scan .*\.nii/);
  }));

Deno.test("pretrain: a volume smaller than the patch is told of, stretched to it and trained on", () =>
  withFolder(async (folder) => {
    const data = join(folder, "scans");
    await mkdir(data);
    for (let number = 0; number < 4; number++) {
      const { volume } = makePhantom(`small ${number}`, { kind: "ct-torso", shape: [8, 12, 10] });
      await writeNifti(volume, join(data, `subject${number}.nii.gz`));
    }
    const out = join(folder, "run");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      ...FLAGS,
      `--data=${data}`,
      `--out=${out}`,
      "--modality=CT",
    ]);
    assert.equal(code, 0, stdout + stderr);
    const findings = JSON.parse(await readFile(join(out, "findings.json"), "utf8")) as Record<string, string>[];
    const small = findings.filter(({ code }) => code === "too-small");
    assert.equal(small.length, 4);
    assert.match(small[0]!.message!, /8×12×10 voxels, smaller than 16×16×16/);
  }));

Deno.test("pretrain: folders without scans, without enough or absent end with a reason", () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, "empty"));
    await writeScans(join(folder, "one"), 1);
    const cases: [string, RegExp][] = [["empty", /no (scans|\.nii)|holds no/i], ["absent", /absent/], [
      "one",
      /at least|one subject/,
    ]];
    for (const [name, expected] of cases) {
      const { code, stderr } = await runProgramFile(PROGRAM, [
        ...FLAGS,
        `--data=${join(folder, name)}`,
        `--out=${join(folder, "run")}`,
      ]);
      assert.ok(code === 1 || code === 2, `${name}: ${code}`);
      assert.match(stderr, expected, name);
      assert.match(stderr, new RegExp(name));
    }
  }));

Deno.test("pretrain: a Decathlon data set gives its images alone, held out by its own split; labels are never opened", () =>
  withFolder(async (folder) => {
    const data = join(folder, "Task99_Phantom");
    await writeScans(join(data, "imagesTr"), 5);
    await mkdir(join(data, "labelsTr"));
    const names = Array.from({ length: 5 }, (_, number) => `subject${number}.nii.gz`);
    for (const name of names) await writeFile(join(data, "labelsTr", name), "opening this would fail");
    await writeFile(
      join(data, "dataset.json"),
      JSON.stringify({
        name: "Phantom",
        modality: { "0": "MRI" },
        labels: { "0": "background", "1": "brain" },
        training: names.map((name) => ({ image: `./imagesTr/${name}`, label: `./labelsTr/${name}` })),
        test: [],
      }),
    );
    const out = join(folder, "run");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [...FLAGS, `--data=${data}`, `--out=${out}`]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /Decathlon/);
    const findings = JSON.parse(await readFile(join(out, "findings.json"), "utf8")) as { severity: string }[];
    assert.deepEqual(findings.filter(({ severity }) => severity !== "info"), []);
  }));
