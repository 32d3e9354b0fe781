import { readSafetensors } from "@med3d/nn";
import { strict as assert } from "node:assert";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";
import { runStoppedAndWhole } from "../_shared/testing/resume.ts";

const PROGRAM = "pretrain/main.ts";
const FLAGS = [...TINY_FLAGS, "--backend=cpu", "--checkpoint-every=1000"];

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, "utf8"));
}

Deno.test("pretrain --reader pooled: the weights name it, a resumed run equals the uninterrupted one, and goes on with no other reader", () =>
  withFolder(async (folder) => {
    const { stopped, whole } = await runStoppedAndWhole(PROGRAM, [...FLAGS, "--reader=pooled"], { folder, steps: 12 });
    const weights = await readFile(join(stopped, "model.safetensors"));
    assert.ok(weights.equals(await readFile(join(whole, "model.safetensors"))));
    const tensors = [...readSafetensors(weights).tensors.entries()].filter(([name]) => /^(pooled|psat)\./.test(name));
    assert.deepEqual(tensors.map(([name, { shape }]) => [name, shape]), [
      ["pooled.output.bias", [64]],
      ["pooled.output.weight", [64, 8]],
      ["pooled.slice_code", [3, 128, 8]],
    ]);
    for (const other of ["--no-place-code", "--reader=psat"]) {
      const { code, stderr } = await runProgramFile(PROGRAM, [`--resume=${stopped}`, other]);
      assert.equal(code, 1);
      assert.match(stderr, /Cannot resume from .*architecture differs/, other);
    }
    const { reader, placeCode } = await readJson(join(stopped, "configuration.json"));
    assert.deepEqual([reader, placeCode], ["pooled", true], "what was refused is not written down");
  }));

Deno.test("pretrain: checkpoints tell reader and place code where they are not the default; a run that knows neither key is gone on from", () =>
  withFolder(async (folder) => {
    const identityOf = async (out: string, ...flags: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await runProgramFile(PROGRAM, [...FLAGS, "--steps=2", `--out=${out}`, ...flags]);
      assert.equal(code, 0, stdout + stderr);
      const [file] = (await readdir(join(out, "checkpoints"))).filter((name) => name.endsWith(".json"));
      const { checkpoint } = await readJson(join(out, "checkpoints", file!));
      return (checkpoint as { configuration: { configuration: Record<string, unknown> } }).configuration.configuration;
    };
    const ablated = await identityOf(join(folder, "ablated"), "--reader=pooled", "--no-place-code");
    assert.deepEqual([ablated.reader, ablated.placeCode], ["pooled", false]);
    const usual = join(folder, "usual");
    const identity = await identityOf(usual);
    assert.ok(!("reader" in identity) && !("placeCode" in identity));

    const { reader: _, placeCode: __, ...older } = await readJson(join(usual, "configuration.json"));
    await writeFile(join(usual, "configuration.json"), JSON.stringify(older));
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [`--resume=${usual}`, "--steps=3"]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /training 3\/3/);
  }));
