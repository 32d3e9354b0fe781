import { strict as assert } from "node:assert";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadTransformers } from "../../packages/captioner/in_process/_transformers.ts";
import { runProgramFile, withFolder } from "../_shared/testing/program.ts";
import { recordsOf } from "./_records_of.ts";

const PROGRAM = "caption/main.ts";
/** An image-to-text model of random weights, which puts 32 words together. */
const MODEL = fileURLToPath(new URL("../../packages/captioner/testdata/image_to_text", import.meta.url));

Deno.test("caption by a model in process: every slice is asked about once, without the network, and ends with a text or a reason", () =>
  withFolder(async (folder) => {
    const missing = await loadTransformers().then(() => undefined, (error: Error) => error);
    if (missing) {
      console.warn(
        `SKIPPED, transformers.js cannot be loaded here (${missing.message}): deno task caption with a folder`,
      );
      return;
    }
    const out = join(folder, "c.db");
    const few = ["--phantoms=4", "--slices-per-volume=6", "--max-pixels=32", "--max-tokens=11", `--out=${out}`];
    const args = [...few, "--captioner", "folder", MODEL];
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, args);
    assert.equal(code, 0, stdout + stderr);
    const [, made, quarantined] = /^(\d+) captions made, (\d+) put in quarantine, 0 missing; 24 of 24/m.exec(stdout) ??
      [];
    assert.equal(Number(made) + Number(quarantined), 24, stdout);
    const records = recordsOf(out);
    assert.equal(records.filter(({ status }) => status === "stored").length, Number(made));
    assert.ok(Number(made) > 0 && new Set(records.map(({ text }) => text)).size > 12, "it says the same of all");
    for (const { text, status, reason, provenance, origin, captionerId } of records) {
      assert.match(text, /^[a-z]+( [a-z]+){4,}$/);
      assert.equal(status === "stored", reason === undefined, `${status}: ${reason}`);
      assert.match(captionerId, /^in-process-captioner-v1\?model=image_to_text&/);
      assert.equal(provenance!.modelId, "image_to_text");
      assert.match(provenance!.modelRevision!, /^[0-9a-f]{32}$/);
      assert.match(provenance!.imageHash, /^[0-9a-f]{64}$/);
      assert.ok(origin);
    }
    const again = await runProgramFile(PROGRAM, args);
    assert.match(again.stdout, /^0 captions made, 0 put in quarantine, 0 missing; 24 of 24/m, again.stderr);
    assert.deepEqual(recordsOf(out), records);
  }));

Deno.test("caption by a model in process: a folder that is not there is wrong usage; nothing is downloaded or written", () =>
  withFolder(async (folder) => {
    const args = ["--phantoms=4", `--out=${join(folder, "c.db")}`, "--captioner", "folder"];
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [...args, join(folder, "absent")]);
    assert.match(stderr, /Cannot caption by model .*absent: .*the model is no folder/, stdout);
    assert.equal(code, 2);
    assert.deepEqual(await readdir(folder), []);
  }));
