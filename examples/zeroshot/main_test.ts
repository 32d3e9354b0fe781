import { loadOnnxRuntime } from "@med3d/captioner";
import { createVolume, makePhantom, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "zeroshot/main.ts";
const CLIP = fileURLToPath(new URL("../../packages/captioner/testdata/frozen_encoders/clip", import.meta.url));

async function pretrain(out: string, ...flags: readonly string[]): Promise<void> {
  const all = [...TINY_FLAGS, "--steps=2", "--backend=cpu", `--out=${out}`, ...flags];
  const { code, stdout, stderr } = await runProgramFile("pretrain/main.ts", all);
  assert.equal(code, 0, stdout + stderr);
}

async function readRows(path: string): Promise<string[][]> {
  return (await readFile(path, "utf8")).trim().split(/\r?\n/).map((line) => line.split(","));
}

/** Asks and gets the figures that were written. */
async function ask(out: string, ...flags: readonly string[]) {
  const { code, stdout, stderr } = await runProgramFile(PROGRAM, ["--backend=cpu", `--out=${out}`, ...flags]);
  assert.equal(code, 0, stdout + stderr);
  return { stdout, stderr, figures: JSON.parse(await readFile(join(out, "zeroshot.json"), "utf8")) };
}

/** Asks what is refused; each with what must be said. */
async function assertRefused(out: string, cases: readonly (readonly [readonly string[], RegExp])[]): Promise<void> {
  for (const [flags, message] of cases) {
    const { code, stderr } = await runProgramFile(PROGRAM, [...flags, "--backend=cpu", `--out=${out}`]);
    assert.match(stderr, message);
    assert.equal(code, 2, stderr);
  }
}

Deno.test("zeroshot: held-out phantoms are classified, found and retrieved; retrieval is that of the run itself", () =>
  withFolder(async (folder) => {
    const [run, out] = [join(folder, "run"), join(folder, "out")];
    await pretrain(run);
    const flags = [`--weights=${run}`, "--per-plane=3", "--resamples=20"];
    const { stdout, figures } = await ask(out, ...flags, "--find=aerated lung", "--top=2", "--retrieval");

    assert.match(stdout, /2 are asked about, 0 were seen in pretraining/);
    const [heading, ...classes] = await readRows(join(out, "classes.csv"));
    assert.deepEqual(heading, ["case", "subject", "CT torso", "MR head"]);
    assert.equal(classes.length, 2);
    for (const [, , ct, mr] of classes) assert.ok(Math.abs(Number(ct) + Number(mr) - 1) < 1e-6, `${ct} ${mr}`);
    assert.deepEqual(figures.classes.map(({ actual }: { actual: string }) => actual).toSorted(), [
      "CT torso",
      "MR head",
    ]);
    assert.ok(figures.measures["balanced accuracy"].estimate >= 0);

    const evaluation = JSON.parse(await readFile(join(run, "evaluation.json"), "utf8"));
    for (const key of ["scans", "questions", "retrieval", "gapToCaptions", "gapToSlices"]) {
      assert.deepEqual(figures.alignment[key], evaluation[key], key);
    }

    const slices = (await readRows(join(out, "found_slices.csv"))).slice(1);
    assert.equal(slices.length, 2 * 3 * 3);
    const scores = slices.map((row) => Number(row[7]));
    assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
    assert.ok(new Set(scores).size > slices.length / 2, "answers differ by place");
    for (const [, scan, score, plane, index] of (await readRows(join(out, "found_scans.csv"))).slice(1)) {
      const own = slices.filter((row) => row[1] === scan);
      const mean = own.reduce((sum, row) => sum + Number(row[7]), 0) / own.length;
      assert.ok(Math.abs(mean - Number(score)) < 1e-9);
      assert.deepEqual(own[0]!.slice(2, 4), [plane, index]);
    }
    assert.equal(stdout.match(/^\s*[12]\s+\S+\s+(axial|coronal|sagittal)/gm)?.length, 2, stdout);

    const strange = await ask(join(folder, "strange"), ...flags, "--find=xyzzy");
    assert.match(strange.stderr, /unknown-words.*"xyzzy"/);

    const prompts = join(folder, "prompts.json");
    await writeFile(prompts, '{"one": "CT"}');
    const [broken, other] = [join(folder, "broken"), join(folder, "other")];
    for (const copy of [broken, other]) await cp(run, copy, { recursive: true });
    await rm(join(broken, "embedding_space.json"));
    const configuration = JSON.parse(await readFile(join(other, "configuration.json"), "utf8"));
    await writeFile(join(other, "configuration.json"), JSON.stringify({ ...configuration, features: [4, 6] }));
    await assertRefused(out, [
      [[`--weights=${folder}`], /Cannot load the run .*has no configuration\.json.*finished deno task pretrain/],
      [[`--weights=${broken}`], /it keeps no frozen encoder.*Pretrain it to its end/],
      [[`--weights=${other}`], /model\.safetensors does not fit configuration\.json/],
      [[...flags, `--prompts=${prompts}`], /at least two classes/],
      [[...flags, `--prompts=${join(folder, "none.json")}`], /Cannot read prompts/],
      [[...flags, "--margin=0.5"], /margin/],
      [[...flags, join(folder, "nowhere")], /Cannot find scans at/],
      [[...flags, run, "--find=CT"], /Cannot (find scans at|test on)|no scan/],
    ]);
  }));

Deno.test("zeroshot: of a folder, scans that the weights were made from are left out of what is asked, and of every figure", () =>
  withFolder(async (folder) => {
    const [data, run, out] = ["data", "run", "out"].map((name) => join(folder, name)) as [string, string, string];
    await mkdir(data);
    for (let number = 0; number < 6; number++) {
      const kind = number % 2 === 0 ? "ct-torso" : "mr-brain";
      const { volume } = makePhantom(`scan ${number}`, { kind, shape: [20, 20, 20] });
      await writeNifti(volume, join(data, `subject${number}.nii.gz`));
    }
    await pretrain(run, `--data=${data}`, "--modality=MR", "--held-out-fraction=0.5");
    const split = JSON.parse(await readFile(join(run, "split.json"), "utf8"));
    const learned: string[] = split.training.map(({ id }: { id: string }) => id);
    assert.equal(learned.length, 3);

    const [prompts, csv] = [join(folder, "prompts.json"), join(folder, "classes.csv")];
    await writeFile(
      prompts,
      JSON.stringify({ torso: "MR in axial orientation.", head: ["MR slice.", "High signal."] }),
    );
    await writeFile(csv, `id,class\n${Array.from({ length: 6 }, (_, i) => `subject${i},${i % 2}`).join("\n")}\n`);
    const flags = [`--weights=${run}`, "--modality=MR", `--prompts=${prompts}`, "--per-plane=2", "--resamples=20"];
    const { stdout, figures } = await ask(out, data, ...flags, `--csv=${csv}`);
    assert.match(stdout, /3 are asked about, 3 were seen in pretraining/);
    const asked: string[] = figures.classes.map(({ id }: { id: string }) => id);
    assert.deepEqual([...asked, ...learned].toSorted(), Array.from({ length: 6 }, (_, i) => `subject${i}`));
    assert.deepEqual(Object.keys(figures.seen).toSorted(), learned.toSorted());

    const all = await ask(out, data, ...flags, `--csv=${csv}`, "--include-seen", "--retrieval");
    assert.equal(all.figures.classes.length, 6);
    assert.equal(all.figures.alignment.scans, 3);
    assert.deepEqual(all.figures.measures, figures.measures, "what was seen changes no figure");

    const elsewhere = join(folder, "elsewhere");
    await mkdir(elsewhere);
    await cp(join(data, `${learned[0]}.nii.gz`), join(elsewhere, "copy.nii.gz"));
    const fresh = createVolume(Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i)), [20, 20, 20]);
    await writeNifti(fresh, join(elsewhere, "fresh.nii.gz"));
    const copied = await ask(out, elsewhere, ...flags);
    assert.deepEqual(copied.figures.classes.map(({ id }: { id: string }) => id), ["fresh"]);
    assert.match(copied.stdout, /nothing is measured/);
    assert.equal(copied.figures.measures, undefined);

    const seen = join(elsewhere, "copy.nii.gz");
    await assertRefused(out, [
      [[seen, ...flags], /were made from all of 1 scans.*--include-seen/],
      [[data, `--weights=${run}`], /nothing is asked. Give --prompts/],
      [[data, ...flags, `--csv=${join(folder, "none.csv")}`], /none\.csv/],
    ]);
  }));

const runtimeFault = await loadOnnxRuntime().then(() => undefined, (error: Error) => error.message);
if (runtimeFault !== undefined) console.warn(`SKIPPED: zeroshot with an ONNX encoder: ${runtimeFault}`);

Deno.test({
  name: "zeroshot: a 2D encoder that has moved is named with --encoder2d, and another than the run's is refused",
  ignore: runtimeFault !== undefined,
  fn: () =>
    withFolder(async (folder) => {
      const [before, after, run, out] = ["before", "after", "run", "out"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
        string,
      ];
      await cp(CLIP, before, { recursive: true });
      await pretrain(run, `--encoder2d=${before}`);
      await cp(before, after, { recursive: true });
      await rm(before, { recursive: true });
      const flags = [`--weights=${run}`, "--find=a head", "--per-plane=2", "--resamples=20"];
      const { figures } = await ask(out, ...flags, `--encoder2d=${after}`);
      assert.equal(figures.found.slices.length, 2 * 3 * 2);
      await assertRefused(out, [
        [flags, /before/],
        [[...flags, `--encoder2d=${join(CLIP, "../biomedclip")}`], /2D encoder is another than the one/],
      ]);
    }),
});
