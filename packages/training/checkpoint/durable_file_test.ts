import type { StoredTensor } from "@med3d/nn";
import { strict as assert } from "node:assert";
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "../testdata/folder.ts";
import { isDiskFull, writeFileDurably } from "./_durable_file.ts";
import { MetricsLog } from "../metrics_log.ts";
import { CheckpointStore } from "./checkpoint_store.ts";

Deno.test("writeFileDurably: replaces a file whole and leaves nothing beside it", () =>
  withFolder(async (folder) => {
    const path = join(folder, "file");
    for (const text of ["first", "second, longer"]) {
      await writeFileDurably(path, new TextEncoder().encode(text));
      assert.equal(await readFile(path, "utf8"), text);
    }
    assert.deepEqual(await readdir(folder), ["file"]);
  }));

Deno.test({
  name: "writeFileDurably: on a full device the old file stays and the temporary one goes",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withFolder(async (folder) => {
      const path = join(folder, "file");
      await writeFile(path, "old");
      await symlink("/dev/full", `${path}.tmp`); // every write to it fails as on a full disk
      const fault = await writeFileDurably(path, new Uint8Array(1000)).then(() => undefined, (error: unknown) => error);
      assert.ok(isDiskFull(fault), String(fault));
      assert.equal(await readFile(path, "utf8"), "old");
      assert.deepEqual(await readdir(folder), ["file"]);
    }),
});

/** Saves ever larger checkpoints until the file system is full; run as a program on a tiny one. */
async function fillUp(folder: string): Promise<void> {
  const store = new CheckpointStore(folder, { keep: 1, keepBest: 0 });
  for (let step = 1;; step++) {
    const data = new Float32Array(step * 10_000).fill(step);
    const tensors = new Map<string, StoredTensor>([["weight", { dtype: "F32", shape: [data.length], data }]]);
    try {
      await store.save({ step, tensors, configuration: {}, state: {} });
    } catch (error) {
      const newest = await store.loadNewest();
      const files = await readdir(folder);
      const metrics = await fillByMetrics(join(folder, "metrics.jsonl"));
      console.log(JSON.stringify({ step, message: (error as Error).message, newest: newest?.step, files, metrics }));
      return;
    }
  }
}

/** Writes lines of metrics until the file system is full; returns what is said then. */
async function fillByMetrics(path: string): Promise<string> {
  const log = await MetricsLog.open(path, 0, { mayCut: false });
  const record = { total: 1, terms: { ["x".repeat(100_000)]: 1 }, gradientNorm: 1, learningRate: 1, seconds: 1 };
  try {
    for (let step = 0;; step++) await log.append({ step, ...record });
  } catch (error) {
    return (error as Error).message;
  } finally {
    await log.close();
  }
}

if (import.meta.main) await fillUp(Deno.args[0]!);

Deno.test("CheckpointStore: on a full disk saving says so and the earlier checkpoint survives; so does the log", () =>
  withFolder(async (folder) => {
    // A file system of 1 MiB of our own, in a mount namespace, which needs no rights where user namespaces are allowed.
    const script = `mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" run -A "$3" "$1"`;
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: [
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        folder,
        Deno.execPath(),
        import.meta.filename!,
      ],
    }).output().catch((error) => ({
      code: 1,
      stdout: new Uint8Array(),
      stderr: new TextEncoder().encode(String(error)),
    }));
    const text = new TextDecoder().decode(stderr);
    if (code !== 0 && /unshare|mount|not permitted|NotFound/i.test(text)) {
      console.warn(`SKIPPED, no file system can be mounted here (${text.trim()}): full disk`);
      return;
    }
    assert.equal(code, 0, text);
    const { step, message, newest, files, metrics } = JSON.parse(new TextDecoder().decode(stdout));
    assert.match(
      message,
      new RegExp(
        `Cannot save the checkpoint of step ${step}: the disk is full: got ".*" in .*, expected room for \\d+ bytes. Free space`,
      ),
    );
    assert.match(message, new RegExp(`The checkpoint of step ${step - 1} is intact: .*step-0*${step - 1}.json`));
    assert.equal(newest, step - 1);
    assert.equal(files.length, 2);
    assert.match(
      metrics,
      /Cannot write metrics: the disk is full: got ".*" for .*metrics\.jsonl, expected .* Free space/,
    );
  }));
