import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "./configuration.ts";
import { chooseRunFolder, findRun, makeRunFolder, writeWhole } from "./run_folder.ts";

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-run-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

Deno.test("chooseRunFolder: refuses a folder that holds a run, takes an empty or absent one", () =>
  inTemporaryFolder(async (folder) => {
    assert.equal(await chooseRunFolder(folder), folder);
    assert.equal(await chooseRunFolder(join(folder, "absent")), join(folder, "absent"));
    await writeFile(join(folder, "configuration.json"), "{}");
    await assert.rejects(chooseRunFolder(folder), UsageError);
  }));

Deno.test("findRun: takes the folder, a checkpoint in it, or nothing for auto", () =>
  inTemporaryFolder(async (folder) => {
    assert.equal(await findRun("auto", folder), undefined);
    await writeFile(join(folder, "configuration.json"), "{}");
    await mkdir(join(folder, "checkpoints"));
    assert.deepEqual(await findRun("auto", folder), { folder, checkpoint: "auto" });
    assert.deepEqual(await findRun(folder, null), { folder, checkpoint: "auto" });
    assert.deepEqual(await findRun(join(folder, "checkpoints"), null), { folder, checkpoint: "auto" });
    const checkpoint = join(folder, "checkpoints", "step-10.json");
    assert.deepEqual(await findRun(checkpoint, null), { folder, checkpoint });
    await assert.rejects(findRun("/nowhere/at/all", null), /no configuration\.json of a run/);
  }));

Deno.test("makeRunFolder: a path below a file is a usage error", () =>
  inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, "file"), "");
    await assert.rejects(makeRunFolder(join(folder, "file", "run")), UsageError);
  }));

Deno.test("writeWhole: leaves the file and nothing else", () =>
  inTemporaryFolder(async (folder) => {
    await writeWhole(join(folder, "a.json"), "1");
    await writeWhole(join(folder, "a.json"), "2");
    assert.deepEqual(await readdir(folder), ["a.json"]);
    assert.equal(await readFile(join(folder, "a.json"), "utf8"), "2");
  }));
