import type { StoredTensor } from "@med3d/nn";
import fc from "fast-check";
import { strict as assert } from "node:assert";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../fingerprint.ts";
import { withFolder } from "../testdata/folder.ts";
import { type CheckpointDocument, formatDocument } from "./_document.ts";
import { type Checkpoint, CorruptCheckpointError } from "./checkpoint.ts";
import { CheckpointStore } from "./checkpoint_store.ts";

function checkpointOf(step: number, score?: number): Checkpoint {
  const data = Float32Array.from({ length: 50 }, (_, i) => Math.sin(step + i));
  const tensors = new Map<string, StoredTensor>([["model.weight", { dtype: "F32", shape: [5, 10], data }]]);
  const configuration = { width: 10, nested: { list: [1, "two", null] } };
  return { step, ...(score === undefined ? {} : { score }), tensors, configuration, state: { cursor: step } };
}

const stepsOf = async (store: CheckpointStore): Promise<number[]> => (await store.list()).map(({ step }) => step);

/** The two files of a checkpoint. */
async function filesOf(folder: string, step: number): Promise<{ document: string; tensors: string }> {
  const stem = `step-${String(step).padStart(8, "0")}`;
  const names = (await readdir(folder)).filter((name) => name.startsWith(stem));
  const of = (ending: string): string => join(folder, names.find((name) => name.endsWith(ending))!);
  return { document: of(".json"), tensors: of(".safetensors") };
}

Deno.test("CheckpointStore: what is loaded equals what was saved", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(join(folder, "made", "on demand"));
    assert.equal(await store.loadNewest(), undefined);
    assert.deepEqual(await store.list(), []);
    const saved = checkpointOf(7, 0.25);
    const path = await store.save(saved);
    for (const loaded of [await store.loadNewest(), await store.loadBest(), await store.load(path)]) {
      assert.deepEqual(loaded, { ...saved, path, notices: [] });
    }
  }));

Deno.test("CheckpointStore: keeps the newest and the best, and removes both files of the others", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder, { keep: 2, keepBest: 1 });
    for (const [step, score] of [[1, 5], [2, 1], [3, 4], [4, 1], [5, 3], [6, 2]] as const) {
      await store.save(checkpointOf(step, score));
    }
    assert.deepEqual(await stepsOf(store), [6, 5, 4]); // of equal scores the newer
    assert.equal((await store.loadBest())!.step, 4);
    assert.equal((await readdir(folder)).length, 6);
  }));

Deno.test("CheckpointStore: saving a step anew replaces it and drops later ones", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    for (const step of [1, 2, 3]) await store.save(checkpointOf(step));
    await store.save({ ...checkpointOf(2), state: { anew: true } });
    assert.deepEqual(await stepsOf(store), [2, 1]);
    assert.deepEqual((await store.loadNewest())!.state, { anew: true });
    assert.equal(await store.loadBest(), undefined);
  }));

Deno.test("CheckpointStore: any flipped bit in either file is noticed, and the one before is loaded with a notice", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(checkpointOf(1));
    await store.save(checkpointOf(2));
    const { document, tensors } = await filesOf(folder, 2);
    const originals = new Map(
      await Promise.all([document, tensors].map(async (path) => [path, await readFile(path)] as const)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(document, tensors),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        async (path, at, bit) => {
          const damaged = Uint8Array.from(originals.get(path)!);
          damaged[at % damaged.length]! ^= 1 << bit;
          await writeFile(path, damaged);
          const loaded = (await store.loadNewest())!;
          await writeFile(path, originals.get(path)!);
          // White space in the JSON may change without harm; anything else must not get through.
          if (loaded.step === 2) {
            assert.deepEqual({ ...loaded, path: "", notices: [] }, { ...checkpointOf(2), path: "", notices: [] });
          } else {
            assert.equal(loaded.step, 1);
            assert.match(
              loaded.notices.join(),
              /^Cannot load the checkpoint .*step-00000002\.json: .*: got .*, expected .*/s,
            );
          }
          assert.ok(loaded.step === 1 || path === document);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  }));

Deno.test("CheckpointStore: a file cut at any length or missing is passed over; when all are damaged it says so", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(checkpointOf(1));
    await store.save(checkpointOf(2));
    const { document, tensors } = await filesOf(folder, 2);
    for (const path of [document, tensors]) {
      const whole = await readFile(path);
      for (const length of [0, 1, 7, whole.length >> 1, whole.length - 2]) {
        await writeFile(path, whole);
        await truncate(path, length);
        const loaded = (await store.loadNewest())!;
        assert.deepEqual([loaded.step, loaded.notices.length], [1, 1]);
        assert.match((await store.list())[0]!.damage!, /Cannot load the checkpoint/);
      }
      await writeFile(path, whole);
    }
    await rm(tensors);
    assert.match((await store.loadNewest())!.notices[0]!, /safetensors is missing: got nothing, expected \d+ bytes/);
    await truncate((await filesOf(folder, 1)).document, 3);
    await assert.rejects(store.loadNewest(), (error: Error) => {
      assert.ok(error instanceof CorruptCheckpointError);
      assert.match(error.message, /all are damaged: got 2 damaged ones, expected a sound one/);
      return true;
    });
    await assert.rejects(store.load(join(folder, "none.json")), /none.json: it cannot be read/);
  }));

Deno.test("CheckpointStore: documents and tensors with right hashes and wrong contents are passed over too", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(checkpointOf(1));
    const elsewhere = { file: "../other.safetensors", bytes: 4, sha256: await sha256("none") };
    const malformed = { file: "step-00000002-0123456789ab.safetensors", bytes: 4, sha256: await sha256("none") };
    await writeFile(join(folder, malformed.file), "none");
    const base = { step: 2, tensors: malformed, configuration: {}, configurationSha256: "", state: {} };
    const documents: [unknown, RegExp][] = [
      [null, /does not describe a checkpoint: got null/],
      [[], /does not describe a checkpoint/],
      [{ ...base, tensors: undefined }, /does not describe a checkpoint/],
      [{ ...base, step: "2" }, /does not describe a checkpoint/],
      [{ ...base, state: 7 }, /does not describe a checkpoint/],
      [{ ...base, tensors: elsewhere }, /does not describe a checkpoint/],
      [base, /safetensors is malformed: got "Cannot read safetensors: the file is too short/],
    ];
    for (const [document, message] of documents) {
      await writeFile(join(folder, "step-00000002.json"), await formatDocument(document as CheckpointDocument));
      const loaded = (await store.loadNewest())!;
      assert.deepEqual([loaded.step, loaded.notices.length], [1, 1], JSON.stringify(document));
      assert.match(loaded.notices[0]!, message);
    }
  }));

Deno.test("CheckpointStore: a damaged checkpoint does not count among those kept", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder, { keep: 2 });
    for (const step of [1, 2]) await store.save(checkpointOf(step));
    await truncate((await filesOf(folder, 2)).document, 3);
    await store.save(checkpointOf(3));
    assert.deepEqual(await stepsOf(store), [3, 1]);
    assert.equal((await readdir(folder)).length, 4);
  }));

Deno.test("CheckpointStore: clears away what a killed process left, and nothing else", () =>
  withFolder(async (folder) => {
    const store = new CheckpointStore(folder);
    await store.save(checkpointOf(1));
    const stale = [
      "step-00000002.json.tmp",
      "step-00000002-0123456789ab.safetensors.tmp",
      "step-00000002-0123456789ab.safetensors",
    ];
    for (const name of [...stale, "notes.txt", "model.safetensors"]) await writeFile(join(folder, name), "part");
    assert.equal((await store.loadNewest())!.step, 1);
    await store.save(checkpointOf(3));
    const names = await readdir(folder);
    for (const name of stale) assert.ok(!names.includes(name), name);
    assert.ok(names.includes("notes.txt") && names.includes("model.safetensors"));
  }));

Deno.test("CheckpointStore: wrong options are refused", async () => {
  assert.throws(() => new CheckpointStore("x", { keep: 0 }), /keep is wrong: got 0, expected an integer from 1/);
  assert.throws(() => new CheckpointStore("x", { keepBest: -1 }), /keepBest is wrong: got -1/);
  const store = new CheckpointStore("never-made");
  await assert.rejects(store.save(checkpointOf(-1)), /step is wrong: got -1/);
  await assert.rejects(store.save(checkpointOf(1, NaN)), /the score is wrong: got NaN/);
});

Deno.test("CheckpointStore: a directory that cannot be one is named", () =>
  withFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFile(path, "");
    await assert.rejects(
      new CheckpointStore(path).save(checkpointOf(4)),
      /Cannot save the checkpoint of step 4: writing failed/,
    );
  }));
