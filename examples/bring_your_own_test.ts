import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, withFolder } from "./_shared/testing/program.ts";

Deno.test("bring_your_own_encoder: pretrains a network written there, in at most 120 lines", () =>
  withFolder(async (folder) => {
    const { code, stdout, stderr } = await runProgramFile("bring_your_own_encoder.ts", ["2", join(folder, "run")]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /answer → caption/);
    const { med3d: { encoder } } = JSON.parse(await readFile(join(folder, "run", "adaptation_plan.json"), "utf8"));
    assert.deepEqual([encoder.channels, encoder.strides], [[48], [[8, 8, 8]]]);
    const source = await readFile(new URL("./bring_your_own_encoder.ts", import.meta.url), "utf8");
    assert.ok(source.split("\n").length <= 120);
  }));

Deno.test("bring_your_own_aligner: trains with a loss written there, its own parameters included", () =>
  withFolder(async (folder) => {
    const { code, stdout, stderr } = await runProgramFile("bring_your_own_aligner.ts", ["2", join(folder, "run")]);
    assert.equal(code, 0, stdout + stderr);
    const model = await readFile(join(folder, "run", "model.safetensors"));
    assert.ok(model.includes(`"align.log_scale"`), "the aligner's own parameters are not in the model");
  }));
