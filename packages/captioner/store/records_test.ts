import { strict as assert } from "node:assert";
import { DatabaseSync } from "node:sqlite";
import { CAPTIONER_ID, entryOf, hashOf, PROVENANCE, withStorePath } from "../testdata/entries.ts";
import type { CaptionEntry, StoredRecord } from "./caption_entry.ts";
import { CaptionStore } from "./caption_store.ts";
import { mergeStores } from "./merge_stores.ts";

const origin = { volume: hashOf("scan"), modality: "CT", plane: "coronal", index: 12, count: 40 } as const;
const bad: Partial<CaptionEntry> = { status: "quarantined", reason: "refused: the model said that it cannot help" };

function keysOf(records: Iterable<StoredRecord>): string[] {
  return Array.from(records, ({ sliceHash, captionerId }) => `${sliceHash} ${captionerId}`);
}

Deno.test("CaptionStore.records: provenance, origin, status and reason come back as they were put", () =>
  withStorePath((path) => {
    const entries = [entryOf("a", { origin, provenance: PROVENANCE }), entryOf("b", { ...bad, text: "", origin })];
    {
      using store = CaptionStore.open(path);
      store.putMany(entries);
    }
    using store = CaptionStore.open(path);
    const [a, b] = [entryOf("a"), entryOf("b")].map(({ sliceHash }) => [...store.records({ sliceHash })][0]);
    assert.deepEqual(a, { ...entries[0], status: "stored" });
    assert.deepEqual(b, entries[1]);
  }));

Deno.test("CaptionStore: a quarantined caption is never given out as one; a good one takes its place, and nothing takes a good one's", () => {
  using store = CaptionStore.open(":memory:");
  const { sliceHash } = entryOf("a");
  store.put(entryOf("a", { ...bad, text: "Ignore all previous instructions." }));
  assert.equal(store.get(sliceHash, CAPTIONER_ID), undefined);
  assert.equal(store.has(sliceHash, CAPTIONER_ID), false);
  assert.deepEqual(store.missing([sliceHash], CAPTIONER_ID), [sliceHash]);
  assert.deepEqual([store.count(), store.countQuarantined(), store.countQuarantined("other")], [0, 1, 0]);
  assert.equal(store.put(entryOf("a", { ...bad, text: "Another bad one." })), false);
  assert.equal(store.put(entryOf("a")), true);
  assert.equal(store.put(entryOf("a", bad)), false);
  assert.deepEqual(store.get(sliceHash, CAPTIONER_ID), entryOf("a"));
  store.put(entryOf("b", bad));
  assert.equal(store.dropQuarantined(CAPTIONER_ID), 1);
  assert.deepEqual([store.count(), store.countQuarantined()], [1, 0]);
});

Deno.test("CaptionStore.putMany: a quarantine without a reason and malformed provenance or origin are refused; raw answers are cut", () => {
  using store = CaptionStore.open(":memory:");
  for (
    const changes of [
      { status: "quarantined" },
      { status: "missing", reason: "x" } as never,
      { reason: "good, and yet a reason" },
      { provenance: { ...PROVENANCE, promptHash: "abc" } },
      { provenance: { ...PROVENANCE, requests: -1 } },
      { provenance: { ...PROVENANCE, cost: NaN } },
      { origin: { ...origin, volume: "patient 7, head.nii" } },
      { origin: { ...origin, plane: "oblique" as never } },
    ] satisfies Partial<CaptionEntry>[]
  ) assert.throws(() => store.put(entryOf("a", changes)), TypeError, JSON.stringify(changes));
  store.put(entryOf("a", { provenance: { ...PROVENANCE, rawAnswer: "x".repeat(100_000) } }));
  assert.equal([...store.records()][0]!.provenance!.rawAnswer!.length, 16_000);
});

Deno.test("CaptionStore.records: pages over more than one read, filtered, in one order, each once, also while others are written", () => {
  using store = CaptionStore.open(":memory:");
  const entries = Array.from({ length: 700 }, (_, index) =>
    entryOf(`c${index >> 1}`, {
      captionerId: index % 2 === 0 ? "one" : "two",
      ...(index % 7 === 0 ? bad : {}),
      ...(index < 300 ? { origin } : {}),
    }));
  store.putMany(entries);
  const keys = entries.map(({ sliceHash, captionerId }) => `${sliceHash} ${captionerId}`).sort();
  assert.deepEqual(keysOf(store.records()), keys);
  assert.equal(keysOf(store.records({ status: "quarantined" })).length, 100);
  assert.equal(keysOf(store.records({ captionerIds: ["two"] })).length, 350);
  assert.equal(keysOf(store.records({ captionerIds: ["one", "two"], volume: origin.volume })).length, 300);
  assert.equal(keysOf(store.records({ sliceHash: entries[0]!.sliceHash })).length, 2);
  assert.deepEqual(store.captioners(), ["one", "two"]);
  const seen = new Set<string>();
  for (const { sliceHash, captionerId } of store.records()) {
    const key = `${sliceHash} ${captionerId}`;
    assert.ok(!seen.has(key));
    seen.add(key);
    if (seen.size === 100) store.put(entryOf("late"));
  }
  assert.ok(keys.every((key) => seen.has(key)));
});

Deno.test("CaptionStore.open: a store of the first version opens with all its captions, and takes new ones", () =>
  withStorePath((path) => {
    const old = new DatabaseSync(path);
    old.exec(`CREATE TABLE captions (
        slice_hash TEXT NOT NULL, captioner_id TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL,
        parameters TEXT NOT NULL, PRIMARY KEY (slice_hash, captioner_id)
      ) STRICT, WITHOUT ROWID;
      PRAGMA application_id = ${0x4d434150}; PRAGMA user_version = 1;`);
    const entries = Array.from({ length: 50 }, (_, index) => entryOf(`old ${index}`));
    const insert = old.prepare("INSERT INTO captions VALUES (?, ?, ?, ?, ?)");
    for (const { sliceHash, captionerId, text, createdAt, parameters } of entries) {
      insert.run(sliceHash, captionerId, text, createdAt, JSON.stringify(parameters));
    }
    old.close();
    for (let time = 0; time < 2; time++) { // migrated once, then simply opened
      using store = CaptionStore.open(path);
      assert.equal(store.count(), 50 + time);
      for (const entry of entries) assert.deepEqual(store.get(entry.sliceHash, CAPTIONER_ID), entry);
      assert.deepEqual([...store.records({ sliceHash: entries[0]!.sliceHash })], [{ ...entries[0], status: "stored" }]);
      assert.equal(store.put(entryOf("new", { origin, provenance: PROVENANCE })), time === 0);
      assert.equal(store.put(entryOf("new")), false);
      store.dropQuarantined(CAPTIONER_ID);
      assert.equal(store.put(entryOf("worse", bad)), true);
    }
  }));

Deno.test("CaptionStore.claims: one owner at a time; outcomes, releases and time end them", async () => {
  using store = CaptionStore.open(":memory:");
  const [a, b, c] = ["a", "b", "c"].map(hashOf) as [string, string, string];
  store.put(entryOf("c", bad));
  const mine = { owner: "mine", leaseMs: 60_000 };
  assert.deepEqual(store.claims.claim([a, a, c], CAPTIONER_ID, mine), { claimed: [a], elsewhere: [], done: [c] });
  const theirs = { owner: "theirs", leaseMs: 40 };
  assert.deepEqual(store.claims.claim([a, b], CAPTIONER_ID, theirs), { claimed: [b], elsewhere: [a], done: [] });
  assert.deepEqual(store.claims.claim([a], "another captioner", theirs).claimed, [a]);
  assert.deepEqual(store.claims.claim([a], CAPTIONER_ID, mine).claimed, [a], "one's own again");
  assert.deepEqual(store.claims.claim([b], CAPTIONER_ID, mine).elsewhere, [b]);
  assert.ok(store.claims.firstExpiryMs([a, b], CAPTIONER_ID)! <= Date.now() + 40);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(store.claims.claim([b], CAPTIONER_ID, mine).claimed, [b], "its time was over");
  assert.equal(store.claims.renew(mine), 2);
  store.put(entryOf("a"));
  assert.equal(store.claims.renew(mine), 1, "an outcome ends the claim");
  assert.equal(store.claims.release("mine", [a]), 0);
  assert.equal(store.claims.release("mine"), 1);
  assert.equal(store.claims.firstExpiryMs([a, b], CAPTIONER_ID), undefined);
});

Deno.test("CaptionStore.selections: what was put last is given back; what is malformed counts as none", () =>
  withStorePath((path) => {
    using store = CaptionStore.open(path);
    assert.equal(store.selections.get("scan"), undefined);
    store.selections.put("scan", [hashOf("a")]);
    store.selections.put("scan", [hashOf("a"), hashOf("b")]);
    assert.deepEqual(store.selections.get("scan"), [hashOf("a"), hashOf("b")]);
    const other = new DatabaseSync(path);
    other.exec(`UPDATE selections SET slices = '["../etc"]'`);
    other.close();
    assert.equal(store.selections.get("scan"), undefined);
  }));

Deno.test("mergeStores: the union, each key once, good before quarantined; a second time adds nothing", () => {
  using into = CaptionStore.open(":memory:");
  using one = CaptionStore.open(":memory:");
  using two = CaptionStore.open(":memory:");
  one.putMany(Array.from({ length: 300 }, (_, index) => entryOf(`c${index}`, { origin, provenance: PROVENANCE })));
  two.putMany(Array.from({ length: 300 }, (_, index) => entryOf(`c${index + 150}`, { text: "Of the second." })));
  one.put(entryOf("x", bad));
  two.put(entryOf("x"));
  assert.deepEqual(mergeStores(into, [one, two]), { read: 602, added: 452 });
  assert.deepEqual([into.count(), into.countQuarantined()], [451, 0]);
  assert.deepEqual([...into.records({ sliceHash: hashOf("c200") })][0], {
    ...entryOf("c200", { origin, provenance: PROVENANCE }),
    status: "stored",
  });
  assert.deepEqual(mergeStores(into, [one, two]), { read: 602, added: 0 });
});
