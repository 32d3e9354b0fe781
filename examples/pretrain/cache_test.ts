import { makePhantom, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";

Deno.test("pretrain --cache: weights and figures are bit for bit those without, cold, warm and with a damaged entry", () =>
  withFolder(async (folder) => {
    const data = join(folder, "scans");
    const cache = join(folder, "cache");
    await Deno.mkdir(data);
    for (let number = 0; number < 5; number++) {
      const { volume } = makePhantom(`scan ${number}`, { kind: "mr-brain", shape: [24, 24, 24] });
      await writeNifti(volume, join(data, `subject${number}.nii.gz`));
    }
    const flags = [...TINY_FLAGS, "--steps=3", "--backend=cpu", `--data=${data}`];
    const run = async (name: string, ...more: string[]): Promise<{ files: Uint8Array[]; printed: string }> => {
      const out = join(folder, name);
      const { code, stdout, stderr } = await runProgramFile("pretrain/main.ts", [...flags, `--out=${out}`, ...more]);
      assert.equal(code, 0, stdout + stderr);
      const names = ["model.safetensors", "encoder.safetensors", "evaluation.json"];
      return { files: await Promise.all(names.map((name) => readFile(join(out, name)))), printed: stdout + stderr };
    };

    const entries = async (): Promise<string[]> => (await readdir(cache)).map((name) => join(cache, name)).sort();

    const without = await run("without");
    assert.deepEqual((await run("cold", `--cache=${cache}`)).files, without.files);
    const kept = await entries();
    assert.equal(kept.length, 5);
    const written = await Promise.all(kept.map(async (path) => (await stat(path)).ino));

    assert.deepEqual((await run("warm", `--cache=${cache}`)).files, without.files);
    assert.deepEqual(
      await Promise.all(kept.map(async (path) => (await stat(path)).ino)),
      written,
      "found, not made anew",
    );

    const damaged = Uint8Array.from(await readFile(kept[0]!));
    damaged[damaged.length >> 1]! ^= 1;
    await writeFile(kept[0]!, damaged);
    const { files, printed } = await run("damaged", `--cache=${cache}`);
    assert.deepEqual(files, without.files);
    assert.match(printed, /cache-entry-damaged/);
    await run("other patch", `--cache=${cache}`, "--patch=8");
    assert.equal((await entries()).length, 10, "other settings, other entries");
  }));
