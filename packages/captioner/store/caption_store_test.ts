import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Random } from "random";
import { CAPTIONER_ID, entryOf, withStorePath } from "../testdata/entries.ts";
import { CaptionStore } from "./caption_store.ts";
import { CaptionStoreError } from "./caption_store_error.ts";

const WRITER = join(import.meta.dirname!, "..", "testdata", "write_captions.ts");

function startWriter(path: string, name: string, batches: number, size: number): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", WRITER, path, name, String(batches), String(size)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

Deno.test("CaptionStore: gives back what was put, with provenance, also after reopening", () =>
  withStorePath((path) => {
    const entry = entryOf("a");
    {
      using store = CaptionStore.open(path);
      assert.equal(store.get(entry.sliceHash, CAPTIONER_ID), undefined);
      assert.equal(store.put(entry), true);
      assert.deepEqual(store.get(entry.sliceHash, CAPTIONER_ID), entry);
    }
    using store = CaptionStore.open(path);
    assert.deepEqual(store.get(entry.sliceHash, CAPTIONER_ID), entry);
    assert.equal(store.has(entry.sliceHash, CAPTIONER_ID), true);
    assert.equal(store.has(entry.sliceHash, "another captioner"), false);
    assert.equal(store.count(), 1);
  }));

Deno.test("CaptionStore: keys are slice and captioner; the first caption stays", () => {
  using store = CaptionStore.open(":memory:");
  const first = entryOf("a");
  assert.equal(store.putMany([first, { ...first, captionerId: "other" }, entryOf("b")]), 3);
  assert.equal(store.put({ ...first, text: "Another text." }), false);
  assert.equal(store.get(first.sliceHash, CAPTIONER_ID)!.text, first.text);
  assert.deepEqual([store.count(), store.count(CAPTIONER_ID), store.count("other"), store.count("none")], [3, 2, 1, 0]);
});

Deno.test("CaptionStore.missing: keeps the order and names each hash once", () => {
  using store = CaptionStore.open(":memory:");
  const [a, b, c] = ["a", "b", "c"].map((name) => entryOf(name));
  store.put(b!);
  const hashes = [c, a, b, a, c].map((entry) => entry!.sliceHash);
  assert.deepEqual(store.missing(hashes, CAPTIONER_ID), [c!.sliceHash, a!.sliceHash]);
  assert.deepEqual(store.missing([], CAPTIONER_ID), []);
});

Deno.test("CaptionStore: texts are cleaned and cut; parameters are optional", () => {
  using store = CaptionStore.open(":memory:", { maxLength: 20 });
  const { sliceHash, captionerId, createdAt } = entryOf("a");
  const text = "\u0000Bright\u001b[31m\n\tfocus\u202e of 20 mm and more";
  store.put({ sliceHash, captionerId, createdAt, text });
  assert.deepEqual(store.get(sliceHash, captionerId), {
    ...{ sliceHash, captionerId, createdAt },
    text: "Bright [31m focus of",
    parameters: {},
  });
});

Deno.test("CaptionStore.putMany: a malformed entry is refused with all that came with it", () => {
  using store = CaptionStore.open(":memory:");
  for (
    const bad of [
      { sliceHash: "abc" },
      { sliceHash: "A".repeat(64) },
      { captionerId: "" },
      { text: " \n\u0007 " },
      { createdAt: "yesterday" },
      { parameters: { nested: {} } as never },
      { parameters: { temperature: [1] } as never },
    ]
  ) {
    assert.throws(() => store.putMany([entryOf("good"), entryOf("bad", bad)]), {
      name: "TypeError",
      message: /Cannot store caption .*: the entry is malformed: got .*expected .*Mend the captioner/s,
    });
  }
  assert.equal(store.count(), 0);
});

Deno.test("CaptionStore: values are bound, never spliced into statements", () => {
  using store = CaptionStore.open(":memory:");
  const text = "'); DROP TABLE captions; --";
  store.put(entryOf("a", { text, captionerId: text }));
  assert.equal(store.get(entryOf("a").sliceHash, text)!.text, text);
  assert.equal(store.count(), 1);
});

Deno.test("CaptionStore: what another hand put into the file is checked when it is read", () =>
  withStorePath((path) => {
    CaptionStore.open(path).close();
    const rows = [
      { name: "long", text: "x".repeat(5000), createdAt: "2026-01-02T03:04:05Z", parameters: "{}" },
      { name: "date", text: "x", createdAt: "once", parameters: "{}" },
      { name: "json", text: "x", createdAt: "2026-01-02T03:04:05Z", parameters: "{" },
      { name: "nested", text: "x", createdAt: "2026-01-02T03:04:05Z", parameters: '{"a":{}}' },
    ];
    const database = new DatabaseSync(path);
    const insert = database.prepare(
      "INSERT INTO captions (slice_hash, captioner_id, text, created_at, parameters) VALUES (?, ?, ?, ?, ?)",
    );
    for (const { name, text, createdAt, parameters } of rows) {
      insert.run(entryOf(name).sliceHash, CAPTIONER_ID, text, createdAt, parameters);
    }
    database.close();
    using store = CaptionStore.open(path);
    for (const { name } of rows) {
      const hash = entryOf(name).sliceHash;
      assert.throws(
        () => store.get(hash, CAPTIONER_ID),
        new RegExp(`Cannot read caption from .*: a stored row is malformed: .*${hash} by ${CAPTIONER_ID}`, "s"),
      );
    }
  }));

Deno.test("CaptionStore.open: a file that is no database, one cut short and one overwritten inside are refused and left alone", () =>
  withStorePath(async (path) => {
    await writeFile(path, "captions, but as text ".repeat(100));
    assert.throws(() => CaptionStore.open(path), /Cannot open caption store .*not a database.*Name another path/s);
    assert.match(await readFile(path, "utf8"), /^captions, but as text/);

    await writeFile(path, "");
    {
      using store = CaptionStore.open(path); // an empty file becomes a store
      store.putMany(Array.from({ length: 500 }, (_, index) => entryOf(`c${index}`)));
    }
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length / 2));
    assert.throws(() => CaptionStore.open(path), /Cannot open caption store .*(malformed|damaged)/s);
    const garbled = Buffer.from(whole);
    garbled.fill(0xa5, 4096 * 3, 4096 * 6);
    await writeFile(path, garbled);
    assert.throws(() => CaptionStore.open(path), /Cannot open caption store .*(malformed|damaged)/s);
  }));

Deno.test("CaptionStore.open: another program's database and another schema version are refused", () =>
  withStorePath((path) => {
    let database = new DatabaseSync(path);
    database.exec("CREATE TABLE accounts (name TEXT)");
    database.close();
    assert.throws(() => CaptionStore.open(path), /another program's database/);
    database = new DatabaseSync(path);
    database.exec("DROP TABLE accounts");
    database.close();
    CaptionStore.open(path).close();
    database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 7");
    database.close();
    assert.throws(() => CaptionStore.open(path), /schema is another version: got 7, expected 1 to 2/);
  }));

Deno.test("CaptionStore.open: a missing folder and bad options are refused", () => {
  assert.throws(() => CaptionStore.open("/no/such/folder/captions.db"), /Cannot open caption store .*unable to open/);
  assert.throws(() => CaptionStore.open(":memory:", { maxLength: 0 }), /maxLength is out of range: got 0/);
  assert.throws(() => CaptionStore.open(":memory:", { busyTimeoutMs: -1 }), /busyTimeoutMs is out of range: got -1/);
});

Deno.test("CaptionStore: the file is let go when closed, also after a refusal", () =>
  withStorePath(async (path) => {
    const store = CaptionStore.open(path);
    store.put(entryOf("a"));
    assert.ok((await stat(`${path}-wal`)).isFile());
    store.close();
    store.close();
    await assert.rejects(stat(`${path}-wal`), { code: "ENOENT" }); // the last one out folds the log into the file
    assert.throws(() => store.count());
    if (Deno.build.os !== "linux") return;
    const handles = async (): Promise<number> => (await Array.fromAsync(Deno.readDir("/proc/self/fd"))).length;
    await withStorePath(async (broken) => {
      await writeFile(broken, "no database");
      const before = await handles();
      for (let round = 0; round < 20; round++) {
        CaptionStore.open(path).close();
        assert.throws(() => CaptionStore.open(broken));
      }
      assert.ok(await handles() <= before, "handles leaked");
    });
  }));

Deno.test("CaptionStore.putMany: a file that stays locked gives an error and keeps nothing", () =>
  withStorePath((path) => {
    using store = CaptionStore.open(path, { busyTimeoutMs: 50 });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    assert.throws(
      () => store.put(entryOf("a")),
      (error) =>
        error instanceof CaptionStoreError &&
        /Cannot store captions in .*locked.*None of the 1 were kept/s.test(error.message),
    );
    other.exec("COMMIT");
    other.close();
    assert.equal(store.put(entryOf("a")), true);
  }));

Deno.test("CaptionStore: SIGKILL at five random moments loses nothing that was acknowledged, and leaves whole batches", () =>
  withStorePath(async (path) => {
    const SIZE = 10;
    const random = new Random("kill the caption store");
    let acknowledgedInAll = 0;
    for (let kill = 0; kill < 5; kill++) {
      const child = startWriter(path, `writer ${kill}`, 1_000_000, SIZE);
      let [output, timer]: [string, ReturnType<typeof setTimeout> | undefined] = ["", undefined];
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
        output += text;
        timer ??= setTimeout(() => child.kill("SIGKILL"), random.int(5, 150));
      }
      assert.equal((await child.status).signal, "SIGKILL");
      const acknowledged = Number(output.match(/stored (\d+)\n(?!.*stored \d+\n)/s)?.[1] ?? 0);
      using store = CaptionStore.open(path);
      for (let index = 0; index < acknowledged; index++) {
        const entry = entryOf(`writer ${kill}/${index}`);
        assert.deepEqual(store.get(entry.sliceHash, CAPTIONER_ID), entry, `kill ${kill}, caption ${index}`);
      }
      assert.equal(store.count() % SIZE, 0, "half a batch was kept");
      acknowledgedInAll += acknowledged;
      assert.ok(store.count() >= acknowledgedInAll);
    }
    assert.ok(acknowledgedInAll > 0, "nothing was written before the kills");
  }));

Deno.test("CaptionStore: a full disk is said, and what was acknowledged before stays", async () => {
  const mountPoint = await mkdtemp(join(tmpdir(), "med3d-full-disk-"));
  try {
    // A file system of 300 KiB of our own, in a mount namespace, which needs no rights where user namespaces are allowed.
    const script = `mount -t tmpfs -o size=300k tmpfs "$1" && exec "$2" run -A "$3" "$1/captions.db" full 1000000 10`;
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", mountPoint, Deno.execPath(), WRITER],
    }).output().catch((error) => ({ code: 1, stdout: new Uint8Array(), stderr: new TextEncoder().encode(`${error}`) }));
    const complaint = new TextDecoder().decode(stderr);
    if (code !== 0 && /unshare|mount|not permitted|NotFound/i.test(complaint)) {
      console.warn(`SKIPPED, no file system can be mounted here (${complaint.trim()}): full disk`);
      return;
    }
    assert.equal(code, 0, complaint);
    const output = new TextDecoder().decode(stdout);
    assert.match(
      output,
      /CaptionStoreError: Cannot store captions in .*captions\.db: database or disk is full\. None of the 10/,
    );
    const acknowledged = output.match(/stored (\d+)\n(?!stored)/)![1]!;
    assert.ok(Number(acknowledged) > 0);
    assert.match(output, new RegExp(`found ${acknowledged}\\n`));
  } finally {
    await rmdir(mountPoint);
  }
});

Deno.test("CaptionStore: two processes make and fill one store at once", () =>
  withStorePath(async (path) => {
    const [BATCHES, SIZE] = [30, 5];
    const results = await Promise.all(["left", "right"].map((name) => startWriter(path, name, BATCHES, SIZE).output()));
    assert.deepEqual(results.map(({ code }) => code), [0, 0]);
    using store = CaptionStore.open(path);
    assert.equal(store.count(), 2 * BATCHES * SIZE);
    for (const name of ["left", "right"]) {
      for (let index = 0; index < BATCHES * SIZE; index++) {
        assert.ok(store.has(entryOf(`${name}/${index}`).sliceHash, CAPTIONER_ID));
      }
    }
  }));
