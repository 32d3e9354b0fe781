import { strict as assert } from "node:assert";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { withStorePath } from "../testdata/entries.ts";
import { embeddingOf } from "../testdata/made_up_embeddings.ts";
import { EmbeddingStore } from "./embedding_store.ts";
import { EmbeddingStoreError } from "./embedding_store_error.ts";

const ENCODER = "test-encoder";
const names = Array.from({ length: 20 }, (_, index) => `slice ${index}`);
const hashes = names.map((name) => embeddingOf(name).contentHash);

Deno.test("EmbeddingStore: vectors come back to the bit, each under its encoder, also from another connection", async () => {
  await withStorePath((path) => {
    using store = EmbeddingStore.open(path);
    assert.deepEqual(store.getMany(hashes.slice(0, 2), ENCODER), [undefined, undefined]);
    assert.equal(store.putMany(names.slice(0, 12).map((name) => embeddingOf(name)), ENCODER), 12);
    assert.equal(store.putMany(names.map((name) => embeddingOf(name)), ENCODER), 8);
    assert.equal(store.putMany([embeddingOf("slice 0", 32)], "wider"), 1);
    using again = EmbeddingStore.open(path);
    assert.deepEqual(
      again.getMany(hashes.toReversed(), ENCODER),
      names.toReversed().map((name) => embeddingOf(name).vector),
    );
    assert.deepEqual(again.get(hashes[0]!, "wider"), embeddingOf("slice 0", 32).vector);
    assert.equal(again.get(hashes[1]!, "wider"), undefined);
    assert.deepEqual([again.count(ENCODER), again.count("wider"), again.count("none")], [20, 1, 0]);
    const other = embeddingOf("other").contentHash;
    assert.deepEqual(again.missing([other, hashes[3]!, other], ENCODER), [other]);
  });
});

Deno.test("EmbeddingStore: what is stored stays", () => {
  using store = EmbeddingStore.open(":memory:");
  store.putMany([embeddingOf("a")], ENCODER);
  const { contentHash } = embeddingOf("a");
  assert.equal(store.putMany([{ contentHash, vector: embeddingOf("b").vector }], ENCODER), 0);
  assert.deepEqual(store.get(contentHash, ENCODER), embeddingOf("a").vector);
});

Deno.test("EmbeddingStore: samples are distinct, seeded and uniform, and hold what was stored", () => {
  using store = EmbeddingStore.open(":memory:");
  store.putMany([embeddingOf("x", 4)], "another");
  store.putMany(names.map((name) => embeddingOf(name)), ENCODER);
  const drawn = store.sample(ENCODER, 7, "seed");
  assert.equal(new Set(drawn.map(({ contentHash }) => contentHash)).size, 7);
  for (const { contentHash, vector } of drawn) {
    assert.deepEqual(vector, embeddingOf(names[hashes.indexOf(contentHash)]!).vector);
  }
  assert.deepEqual(store.sample(ENCODER, 7, "seed"), drawn);
  const all = store.sample(ENCODER, 100, "seed").map(({ contentHash }) => contentHash);
  assert.deepEqual(all.toSorted(), hashes.toSorted());
  const counts = new Map(hashes.map((hash) => [hash, 0]));
  for (let round = 0; round < 2000; round++) {
    for (const { contentHash } of store.sample(ENCODER, 5, `${round}`)) {
      counts.set(contentHash, counts.get(contentHash)! + 1);
    }
  }
  for (const count of counts.values()) assert.ok(Math.abs(count - 500) < 100, `${count} of 500`); // 5 deviations
  assert.deepEqual(store.sample("none", 3, "seed"), []);
  assert.throws(() => store.sample(ENCODER, -1, "seed"), /count is out of range: got -1/);
});

Deno.test("EmbeddingStore: bad vectors, hashes and widths are refused, and nothing of their batch is kept", () => {
  using store = EmbeddingStore.open(":memory:");
  const good = embeddingOf("good");
  const put = (contentHash: string, vector: Float32Array) => () =>
    store.putMany([good, { contentHash, vector }], ENCODER);
  assert.throws(put(hashes[0]!, Float32Array.of(1, 1)), /it is no unit vector.*squared sum 2/);
  assert.throws(put(hashes[0]!, new Float32Array(8).fill(NaN)), RangeError);
  assert.throws(put("abc", good.vector), TypeError);
  assert.throws(put(hashes[0]!, Float32Array.of(1)), /another width: got 1, expected 8/);
  assert.equal(store.count(ENCODER), 0);
  assert.throws(() => store.getMany(["abc"], ENCODER), TypeError);
  assert.throws(() => EmbeddingStore.open(":memory:", { busyTimeoutMs: 0 }), RangeError);
});

Deno.test("EmbeddingStore: other files and damaged rows are told, not read", async () => {
  await withStorePath(async (path) => {
    await Deno.writeTextFile(path, "this is no database ".repeat(100));
    assert.throws(() => EmbeddingStore.open(path), EmbeddingStoreError);
  });
  await withStorePath((path) => {
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE t (x)");
    foreign.close();
    assert.throws(() => EmbeddingStore.open(path), /another program's database/);
  });
  await withStorePath((path) => {
    {
      using store = EmbeddingStore.open(path);
      store.putMany([embeddingOf("a"), embeddingOf("b")], ENCODER);
    }
    const raw = new DatabaseSync(path);
    raw.prepare("UPDATE vectors_1 SET vector = ? WHERE key = ?").run(
      new Uint8Array(32).fill(200),
      Uint8Array.fromHex(embeddingOf("a").contentHash),
    );
    raw.close();
    using store = EmbeddingStore.open(path);
    assert.throws(() => store.get(embeddingOf("a").contentHash, ENCODER), /a stored row is damaged/);
    assert.deepEqual(store.get(embeddingOf("b").contentHash, ENCODER), embeddingOf("b").vector);
  });
});

/** Starts a program of the test data. */
function run(program: string, args: readonly string[]): Deno.Command {
  const path = fileURLToPath(new URL(`../testdata/${program}`, import.meta.url));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", path, ...args],
    stdout: "piped",
    stderr: "inherit",
  });
}

Deno.test("EmbeddingStore: a writer killed at work loses nothing acknowledged; others beside it go on", async () => {
  await withStorePath(async (path) => {
    const killed = run("write_embeddings.ts", [path, "killed", "1000000", "50"]).spawn();
    const steady = run("write_embeddings.ts", [path, "steady", "40", "50"]).spawn();
    let acknowledged = 0;
    let text = "";
    for await (const chunk of killed.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      acknowledged = Math.max(
        acknowledged,
        ...Array.from(text.matchAll(/stored (\d+)\n/g), (match) => Number(match[1])),
      );
      if (acknowledged >= 500) killed.kill("SIGKILL");
    }
    assert.equal((await killed.status).signal, "SIGKILL");
    const { code } = await steady.output();
    assert.equal(code, 0);
    using store = EmbeddingStore.open(path);
    for (const [writer, count] of [["killed", acknowledged], ["steady", 2000]] as const) {
      const made = Array.from({ length: count }, (_, index) => embeddingOf(`${writer}/${index}`));
      const found = store.getMany(made.map(({ contentHash }) => contentHash), ENCODER);
      found.forEach((vector, index) => assert.deepEqual(vector, made[index]!.vector));
    }
    const total = store.count(ENCODER);
    assert.equal((total - 2000) % 50, 0, "no batch is there in part");
    assert.ok(total - 2000 >= acknowledged);
    const raw = new DatabaseSync(path);
    assert.equal(Object.values(raw.prepare("PRAGMA integrity_check").get()!)[0], "ok");
    raw.close();
  });
});

Deno.test("EmbeddingStore: a process samples 100,000 vectors in memory that their number does not decide", async () => {
  await withStorePath(async (path) => {
    const [total, width] = [100_000, 256];
    const base = embeddingOf("base", width).vector;
    const entryAt = (index: number) => ({
      contentHash: index.toString(16).padStart(64, "0"),
      vector: base.map((value, axis) => axis === index % width ? -value : value),
    });
    {
      using store = EmbeddingStore.open(path);
      for (let start = 0; start < total; start += 1000) {
        store.putMany(Array.from({ length: 1000 }, (_, index) => entryAt(start + index)), ENCODER);
      }
      assert.equal(store.count(ENCODER), total);
      for (const { contentHash, vector } of store.sample(ENCODER, 64, "seed")) {
        assert.deepEqual(vector, entryAt(parseInt(contentHash, 16)).vector);
      }
    }
    const { code, stdout } = await run("sample_embeddings.ts", [path, "40", "64"]).output();
    assert.equal(code, 0);
    const { seen, grownMiB } = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(seen, 40 * 64);
    const heldMiB = total * width * 4 / 2 ** 20;
    assert.ok(grownMiB < heldMiB / 2, `${grownMiB.toFixed(0)} MiB more, the vectors are ${heldMiB.toFixed(0)} MiB`);
  });
});
