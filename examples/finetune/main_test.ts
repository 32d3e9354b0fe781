import { fromNnUNetStateDict } from "@med3d/encoder3d";
import { readSafetensors } from "@med3d/nn";
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, startProgram, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "finetune/main.ts";
const TINY = ["--phantoms=6", "--patch=16", "--features=4,8", "--batch=2"];
const webgpuPresent = (await navigator.gpu?.requestAdapter()) !== null;

// deno-lint-ignore no-explicit-any -- results are JSON whose shape the assertions check
async function readJson(path: string): Promise<any> {
  return JSON.parse(await readFile(path, "utf8"));
}

for (const backend of ["cpu", "webgpu"] as const) {
  const skipped = backend === "webgpu" && !webgpuPresent && Deno.env.get("MED3D_REQUIRE_WEBGPU") !== "1";
  if (skipped) console.warn("SKIPPED, no WebGPU adapter: finetune runs to its end");
  Deno.test({
    name:
      `finetune: segments phantoms to the end; model, figures, report and pictures are those of the run [${backend}]`,
    ignore: skipped,
    fn: () =>
      withFolder(async (folder) => {
        const out = join(folder, "run");
        const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
          ...TINY,
          "--steps=3",
          `--backend=${backend}`,
          `--out=${out}`,
        ]);
        assert.equal(code, 0, stdout + stderr);
        assert.match(stdout, /6 CT-like phantoms .*: 5 to train on, 0 to validate, 1 held out/);
        assert.match(stdout, /training 3\/3 dice-ce [\d.]+, [\d.]+ patches\/s/);
        const model = await readJson(join(out, "model.json"));
        const bytes = await readFile(join(out, "model.safetensors"));
        assert.equal(model.sha256, createHash("sha256").update(bytes).digest("hex"));
        const { tensors } = readSafetensors(bytes);
        assert.deepEqual(tensors.get("head.weight")?.shape, [model.outChannels, 4, 1, 1, 1]);
        assert.equal(model.outChannels, model.classes.length);
        assert.deepEqual(model.preprocessing.channels, [{ kind: "window", centerHu: 0, widthHu: 1600 }]);
        const { cases, summary } = await readJson(join(out, "evaluation.json"));
        assert.equal(cases.length, 1);
        const report = await readFile(join(out, "report.html"), "utf8");
        for (const { name, dice } of summary) {
          assert.ok(
            report.includes(dice.toFixed(4)) && stdout.includes(dice.toFixed(4)),
            `${name}: ${dice} is not told`,
          );
        }
        assert.doesNotMatch(report, /<script/);
        assert.equal(report.match(/data:image\/png;base64,/g)?.length, 3);
        const shown = await readJson(join(out, "cases.json"));
        assert.ok((await readdir(join(out, "predictions"))).includes(`${shown.cases[0].id}.nii.gz`));
        const split = await readJson(join(out, "split.json"));
        assert.deepEqual(
          [...split.training, ...split.test].map(({ id }: { id: string }) => id).sort(),
          Array.from({ length: 6 }, (_, i) => `phantom-00${i}`),
        );
      }),
  });
}

Deno.test("finetune: SIGTERM leaves a checkpoint; the resumed run, with validation and mean of weights, equals the uninterrupted one", () =>
  withFolder(async (folder) => {
    const flags = [
      ...TINY,
      "--steps=12",
      "--backend=cpu",
      "--checkpoint-every=6",
      "--validation-fraction=0.3",
      "--layer-decay=0.8",
    ];
    const [stopped, whole] = [join(folder, "stopped"), join(folder, "whole")];
    const program = startProgram(PROGRAM, [...flags, `--out=${stopped}`]);
    await program.printed(/training \d+\/12/);
    program.kill("SIGTERM");
    const { code, stdout, stderr } = await program.ended;
    assert.equal(code, 130, stdout + stderr);
    assert.match(stdout, new RegExp(`To go on: deno task finetune --resume ${stopped}`));
    const [checkpoint] = (await readdir(join(stopped, "checkpoints"))).filter((name) => name.endsWith(".json")).sort();
    assert.ok(checkpoint && checkpoint < "step-00000012.json", `stopped too late to prove anything: ${checkpoint}`);
    const resumed = await runProgramFile(PROGRAM, [`--resume=${stopped}`]);
    assert.equal(resumed.code, 0, resumed.stdout + resumed.stderr);
    assert.equal((await runProgramFile(PROGRAM, [...flags, `--out=${whole}`])).code, 0);
    const metrics = async (run: string): Promise<unknown[]> =>
      (await readFile(join(run, "metrics.jsonl"), "utf8")).trim().split("\n").map((line) => ({
        ...JSON.parse(line),
        seconds: 0,
      }));
    assert.deepEqual(await metrics(stopped), await metrics(whole));
    for (const name of ["model.safetensors", "evaluation.json"]) {
      assert.ok((await readFile(join(stopped, name))).equals(await readFile(join(whole, name))), `${name} differs`);
    }
  }));

Deno.test("finetune: starts from a pretraining run; a probe leaves its encoder bit for bit, full training does not", () =>
  withFolder(async (folder) => {
    const pretrained = join(folder, "pretrained");
    const pretraining = await runProgramFile("pretrain/main.ts", [
      ...TINY_FLAGS,
      "--steps=2",
      "--backend=cpu",
      `--out=${pretrained}`,
    ]);
    assert.equal(pretraining.code, 0, pretraining.stderr);
    const { tensors } = readSafetensors(await readFile(join(pretrained, "encoder.safetensors")));
    const before = fromNnUNetStateDict(tensors);
    for (const freeze of ["probe", "none"]) {
      const out = join(folder, freeze);
      const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
        ...TINY,
        "--steps=2",
        "--backend=cpu",
        `--weights=${pretrained}`,
        `--freeze=${freeze}`,
        `--out=${out}`,
      ]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /started from .*: \d+ tensors of the encoder, [1-9]\d* of the decoder/);
      const after = readSafetensors(await readFile(join(out, "model.safetensors"))).tensors;
      const kept = [...before].every(([name, { data }]) => `${after.get(name)!.data}` === `${data}`);
      assert.equal(kept, freeze === "probe");
      assert.deepEqual((await readJson(join(out, "model.json"))).arguments.features, [4, 8]);
    }
    const again = await runProgramFile(PROGRAM, [
      ...TINY,
      "--steps=1",
      "--backend=cpu",
      `--weights=${join(folder, "none")}`,
      `--out=${join(folder, "again")}`,
    ]);
    assert.equal(again.code, 0, again.stderr);
  }));

for (const [target, row] of [["classes", "1"], ["ordinal", "2"], ["labels", "1,0"], ["values", "12.5,-3"]] as const) {
  Deno.test(`finetune: learns ${target} of a table, and tells them of held-out scans`, () =>
    withFolder(async (folder) => {
      const names = row.split(",").map((_, i) => `finding ${i}`);
      const lines = Array.from(
        { length: 6 },
        (_, i) => `phantom-00${i},${i % 2 === 0 ? row : row.replaceAll(/[\d.-]+/g, "0")}`,
      );
      await writeFile(join(folder, "table.csv"), [["id", ...names].join(","), ...lines].join("\n"));
      const out = join(folder, "run");
      const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
        ...TINY,
        "--task=classify",
        `--target=${target}`,
        "--pooling=attention",
        "--steps=2",
        "--backend=cpu",
        `--csv=${join(folder, "table.csv")}`,
        `--out=${out}`,
      ]);
      assert.equal(code, 0, stdout + stderr);
      const { cases } = await readJson(join(out, "evaluation.json"));
      const width = { classes: 2, ordinal: 3, labels: 2, values: 2 }[target];
      assert.ok(
        cases.every(({ predicted }: { predicted: number[] }) =>
          predicted.length === width && predicted.every(Number.isFinite)
        ),
      );
      const model = await readJson(join(out, "model.json"));
      assert.equal(model.valueScales?.length, target === "values" ? 2 : undefined);
      if (target === "labels") assert.deepEqual(model.classes.map(({ name }: { name: string }) => name), names);
    }));
}

Deno.test("finetune: wrong usage ends with exit code 2, names what is near and writes nothing", () =>
  withFolder(async (folder) => {
    const out = join(folder, "run");
    await writeFile(join(folder, "typo.json"), `{ "lables": 0.1 }`);
    const cases: [readonly string[], RegExp][] = [
      [["--lables", "0.5"], /unknown option '--lables'[\s\S]*Did you mean --labels\?/],
      [["--labels=1.5"], /"labels" is 1.5/],
      [["--encoder=plain-unit"], /unknown encoder: got "plain-unit"[\s\S]*Did you mean "plain-unet"\?/],
      [[`--config=${join(folder, "typo.json")}`], /unknown key "lables"\. Did you mean "labels"\?/],
      [
        ["--patch=10", "--features=4,8,8", "--phantoms=4"],
        /the patch does not fit the encoder.*Pass --patch 12x12x12|Pass --patch 8x8x8/,
      ],
      [[`--weights=${folder}`], /holds neither adaptation_plan\.json nor model\.json/],
      [["--patience=2"], /--patience needs scans to validate on/],
      [["--freeze=head"], /"freeze" is "head"/],
      [["extra"], /too many arguments/],
    ];
    for (const [flags, message] of cases) {
      const { code, stderr } = await runProgramFile(PROGRAM, [...flags, "--backend=cpu", `--out=${out}`]);
      assert.equal(code, 2, `${flags}: ${stderr}`);
      assert.match(stderr, message);
    }
    assert.deepEqual(await readdir(folder), ["typo.json"]);
  }));

Deno.test("finetune: a dry run says what a run takes and writes nothing", () =>
  withFolder(async (folder) => {
    const out = join(folder, "run");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      ...TINY,
      "--dry-run",
      "--backend=cpu",
      "--steps=100",
      `--out=${out}`,
    ]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /seconds per step +\d+\.\d+/);
    assert.match(stdout, /training, 100 steps +\d+/);
    assert.deepEqual(await readdir(folder), []);
  }));
