import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";
import { runStoppedAndWhole } from "../_shared/testing/resume.ts";

const PROGRAM = "pretrain/main.ts";

Deno.test("pretrain --micro-batch: a resumed run equals the uninterrupted one, and goes on under no other split", () =>
  withFolder(async (folder) => {
    const flags = [...TINY_FLAGS, "--micro-batch=1", "--backend=cpu", "--checkpoint-every=1000"];
    const { stopped, whole } = await runStoppedAndWhole(PROGRAM, flags, { folder, steps: 12 });
    const weights = await readFile(join(stopped, "model.safetensors"));
    assert.ok(weights.equals(await readFile(join(whole, "model.safetensors"))));
    const other = await runProgramFile(PROGRAM, [`--resume=${stopped}`, "--micro-batch=2"]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /another configuration, first in configuration\.microBatch: got 2, expected 1/);
    const kept = JSON.parse(await readFile(join(stopped, "configuration.json"), "utf8"));
    assert.equal(kept.microBatch, 1, "what was refused is not written down");
  }));

Deno.test("pretrain --micro-batch: a loss that is not finite stops the run with its step and name", () =>
  withFolder(async (folder) => {
    const { code, stderr } = await runProgramFile(PROGRAM, [
      ...TINY_FLAGS,
      "--micro-batch=1",
      "--steps=6",
      "--backend=cpu",
      "--learning-rate=1e30",
      `--out=${join(folder, "run")}`,
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /step \d.*(loss term "\w+"|gradient norm).*(NaN|Infinity)/s);
  }));
