import { parseSidecar } from "@med3d/encoder3d";
import { readSafetensors } from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configurationSchema } from "../_shared/pretraining/configuration.ts";
import { runProgramFile, startProgram, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "pretrain/main.ts";
const webgpuPresent = (await navigator.gpu?.requestAdapter()) !== null;
await selectBackend({ backend: "cpu" });

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, "utf8"));
}

for (const backend of ["cpu", "webgpu"] as const) {
  const skipped = backend === "webgpu" && !webgpuPresent && Deno.env.get("MED3D_REQUIRE_WEBGPU") !== "1";
  if (skipped) console.warn("SKIPPED, no WebGPU adapter: pretrain runs to its end");
  Deno.test({
    name:
      `pretrain: runs to its end and leaves what the README lists, figures in the report are those of the run [${backend}]`,
    ignore: skipped,
    fn: () =>
      withFolder(async (folder) => {
        const out = join(folder, "run");
        const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
          ...TINY_FLAGS,
          "--steps=3",
          `--backend=${backend}`,
          `--out=${out}`,
        ]);
        assert.equal(code, 0, stdout + stderr);
        assert.match(stdout, /6 phantoms made here .*: 4 to train on, 2 held out/);
        assert.match(stdout, /training 3\/3 image [\d.]+ text [\d.]+ reconstruction [\d.]+, [\d.]+ scans\/s/);
        for (
          const name of [
            "captions.db",
            "checkpoints",
            "configuration.json",
            "adaptation_plan.json",
            "encoder.safetensors",
            "evaluation.json",
            "findings.json",
            "metrics.jsonl",
            "model.safetensors",
            "report.html",
          ]
        ) assert.ok((await readdir(out)).includes(name), name);

        const evaluation = await readJson(join(out, "evaluation.json")) as {
          retrieval: { recallAt5: number; chanceAt5: number }[];
          reconstruction: { network: number };
        };
        const report = await readFile(join(out, "report.html"), "utf8");
        for (const { recallAt5, chanceAt5 } of evaluation.retrieval) {
          for (const share of [recallAt5, chanceAt5]) {
            assert.ok(report.includes(`${(100 * share).toFixed(1)} %`), `${share} is not in the report`);
            assert.ok(stdout.includes(`${(100 * share).toFixed(1)} %`), `${share} was not printed`);
          }
        }
        assert.ok(report.includes(evaluation.reconstruction.network.toFixed(5)));
        const metrics = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n").map((line) =>
          JSON.parse(line)
        );
        assert.deepEqual(metrics.map(({ step }) => step), [0, 1, 2]);

        const sidecar = await readJson(join(out, "adaptation_plan.json"));
        const weights = readSafetensors(await readFile(join(out, "encoder.safetensors")));
        assert.equal(parseSidecar(sidecar).med3d!.encoder.name, "plain-unet");
        assert.deepEqual(weights.tensors.get("encoder.stages.0.0.convs.0.conv.weight")?.shape, [4, 1, 3, 3, 3]);
        assert.equal((await readJson(join(out, "configuration.json"))).backend, backend);
      }),
  });
}

Deno.test("pretrain: SIGTERM leaves a checkpoint and says how to go on; the resumed run equals the uninterrupted one", () =>
  withFolder(async (folder) => {
    const flags = [...TINY_FLAGS, "--steps=16", "--backend=cpu", "--checkpoint-every=1000"];
    const [stopped, whole] = [join(folder, "stopped"), join(folder, "whole")];
    const program = startProgram(PROGRAM, [...flags, `--out=${stopped}`]);
    await program.printed(/training \d+\/16/);
    program.kill("SIGTERM");
    const { code, stdout } = await program.ended;
    assert.equal(code, 130, stdout);
    assert.match(stdout, new RegExp(`To go on: deno task pretrain --resume ${stopped}`));
    const [checkpoint] = (await readdir(join(stopped, "checkpoints"))).filter((name) => name.endsWith(".json"));
    assert.ok(checkpoint && checkpoint < "step-00000016.json", `stopped too late to prove anything: ${checkpoint}`);

    const resumed = await runProgramFile(PROGRAM, [`--resume=${stopped}`, "--recompute"]); // which changes no number
    assert.equal(resumed.code, 0, resumed.stdout + resumed.stderr);
    assert.equal((await runProgramFile(PROGRAM, [...flags, `--out=${whole}`])).code, 0);
    for (const name of ["model.safetensors", "encoder.safetensors", "evaluation.json"]) {
      assert.ok((await readFile(join(stopped, name))).equals(await readFile(join(whole, name))), `${name} differs`);
    }
    const another = await runProgramFile(PROGRAM, [`--resume=${stopped}`, "--features=4,16"]);
    assert.equal(another.code, 1);
    assert.match(
      another.stderr,
      /Cannot resume from .*architecture differs.*got shape \[16,4,3,3,3\], expected shape \[8,4,3,3,3\]/,
    );
  }));

Deno.test("pretrain: wrong usage ends with exit code 2, names the nearest name and writes nothing", () =>
  withFolder(async (folder) => {
    const out = join(folder, "run");
    await writeFile(join(folder, "typo.json"), `{ "learnigRate": 0.1 }`);
    const cases: [readonly string[], RegExp][] = [
      [["--stesp=3"], /unknown option '--stesp=3'[\s\S]*Did you mean --steps\?/],
      [["--encoder=plain-unit"], /unknown encoder: got "plain-unit"[\s\S]*Did you mean "plain-unet"\?/],
      [["--aligner=robst"], /unknown aligner: got "robst"[\s\S]*Did you mean "robust"\?/],
      [["--reader=poled"], /"reader" is "poled"[\s\S]*Did you mean "pooled"\?/],
      [["--preset=realeased"], /"preset" is "realeased"[\s\S]*Did you mean "released"\?/],
      [["--steps=many"], /--steps[\s\S]*Expected a number/],
      [["--steps=0"], /"steps" is 0/],
      [["--patch=22"], /the patch does not fit the encoder[\s\S]*got 22x22x22[\s\S]*Pass --patch 24x24x24/],
      [[`--config=${join(folder, "typo.json")}`], /unknown key "learnigRate"\. Did you mean "learningRate"\?/],
      [["--backend=cuda"], /"backend" is "cuda"/],
      [[`--resume=${folder}`], /Cannot resume from/],
      [["extra"], /unexpected argument|too many arguments/],
    ];
    const results = await Promise.all(
      cases.map(async ([args]) => await runProgramFile(PROGRAM, [`--out=${out}`, "--backend=cpu", ...args])),
    );
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      const [args, expected] = cases[index]!;
      assert.match(stderr, expected, args.join(" "));
      assert.equal(code, 2, `${args.join(" ")}: ${stdout}${stderr}`);
    }
    assert.deepEqual(await readdir(folder), ["typo.json"]);
  }));

Deno.test("pretrain --help: names every option of the issue with its default", async () => {
  const { code, stdout } = await runProgramFile(PROGRAM, ["--help"]);
  assert.equal(code, 0);
  const entries = stdout.split(/\n {2}(?=-)/);
  for (
    const option of [
      "data",
      "steps",
      "epochs",
      "batch",
      "slices-per-volume",
      "patch",
      "encoder",
      "preset",
      "reader",
      "psat-queries",
      "config",
      "seed",
      "backend",
      "resume",
      "out",
      "dry-run",
      "strict",
      "recompute",
    ]
  ) assert.match(entries.find((entry) => entry.startsWith(`--${option} `)) ?? "no such entry", /\(default:/, option);
  assert.ok(stdout.includes(`default: ${configurationSchema.shape.batch.parse(undefined)}`));
});

Deno.test("pretrain --dry-run: tells size, memory, disk and time, and writes nothing", () =>
  withFolder(async (folder) => {
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      ...TINY_FLAGS,
      `--out=${join(folder, "run")}`,
      "--backend=cpu",
      "--dry-run",
    ]);
    assert.equal(code, 0, stdout + stderr);
    for (
      const line of [
        /trained parameters +[\d,]{4,}/,
        /memory on a WebGPU device, planned +[\d.]+ MiB/,
        /… in use at one time +[\d.]+ MiB/,
        /… most of it +\d+ of \[\d+(,\d+)+\], [\d.]+ MiB/,
        /… largest tensor +\[\d+(,\d+)+\], [\d.]+ MiB/,
        /disk, at most +[\d.]+ MiB/,
        /time per step, measured +[\d.]+ s/,
      ]
    ) {
      assert.match(stdout, line);
    }
    assert.match(stdout, /time in all, 200 steps +\d/);
    assert.deepEqual(await readdir(folder), []);
  }));

Deno.test({
  name: "pretrain --dry-run: the planned memory is what is measured, and recomputing takes less",
  ignore: !webgpuPresent && Deno.env.get("MED3D_REQUIRE_WEBGPU") !== "1",
  fn: () =>
    withFolder(async (folder) => {
      const flags = [...TINY_FLAGS, `--out=${join(folder, "run")}`, "--backend=webgpu", "--dry-run", "--patch=16"];
      const mebibytes = async (...more: string[]): Promise<number[]> => {
        const { code, stdout, stderr } = await runProgramFile(PROGRAM, [...flags, ...more]);
        assert.equal(code, 0, stdout + stderr);
        return ["device, planned", "device, measured"].map((label) =>
          Number(new RegExp(`${label} +([\\d.]+) MiB`).exec(stdout)![1])
        );
      };
      const [[planned, measured], [less]] = [await mebibytes(), await mebibytes("--recompute")];
      // The next batch is fetched ahead by the timed steps alone.
      assert.ok(Math.abs(planned! - measured!) <= 0.05 * measured!, `${planned} planned, ${measured} measured`);
      assert.ok(less! < planned!, `${less} of ${planned}`);
    }),
});
