import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { captionScans, CaptionStore, RemoteCaptioner } from "../mod.ts";
import { withStorePath } from "../testdata/entries.ts";
import { type Behaviour, startModelServer } from "../testdata/model_server.ts";
import { PLANTED } from "../testdata/planted_captions.ts";
import { sliceOf } from "../testdata/slices.ts";

const KEY = "sk-secret-0123456789";
const slices = Array.from({ length: 60 }, (_, index) => sliceOf(`hostile ${index}`, { index, count: 60 }));

/** Bytes of a store's files as text. */
async function contentOf(path: string): Promise<string> {
  const files = [path, `${path}-wal`].filter((file) => existsSync(file));
  return (await Promise.all(files.map((file) => readFile(file, "utf8")))).join();
}

Deno.test("a server that misbehaves: each slice ends stored, quarantined or missing, once; no planted text, key or foreign host is reached", () =>
  withStorePath(async (path) => {
    await using elsewhere = await startModelServer();
    const wrongs: readonly Behaviour[] = [
      { kind: "status", status: 500 },
      { kind: "hang" },
      { kind: "half-json" },
      { kind: "cut" },
      { kind: "drip" },
      { kind: "huge" },
      { kind: "redirect", to: `${elsewhere.endpoint}/chat/completions` },
      { kind: "raw", body: "<html>", contentType: "text/html" },
      { kind: "endless-headers" },
      { kind: "no-last-chunk" },
      { kind: "reset" },
      { kind: "status", status: 429, headers: { "retry-after": "Fri, 31 Dec 2100 23:59:59 GMT" } },
      { kind: "content", content: "" },
      { kind: "content", content: "Axial CT slice with the", finishReason: "length" },
      ...Object.values(PLANTED).map((content): Behaviour => ({ kind: "content", content })),
    ];
    const placeOf = new Map<string, number>(); // in order of arrival
    let heals = false;
    await using server = await startModelServer({
      apiKey: KEY,
      behave: ({ imageHash, before }) => {
        const place = placeOf.get(imageHash) ?? placeOf.size;
        placeOf.set(imageHash, place);
        if (!heals && place < wrongs.length) return wrongs[place]!;
        if (before === 0 && place % 5 === 0) return { kind: "status", status: 429, headers: { "retry-after": "0" } };
        return { kind: "good" };
      },
    });
    using captioner = new RemoteCaptioner({
      ...{ endpoint: server.endpoint, model: "tiny-vision", apiKey: KEY, maxPixels: 32, maxInFlight: 30 },
      ...{ timeoutMs: 1500, baseDelayMs: 2, maxDelayMs: 5, maxAttempts: 2 },
    });
    using store = CaptionStore.open(path);
    const scan = { id: "scan", slices: () => Promise.resolve(slices) };
    const reasons: string[] = [];
    const first = await captionScans([scan], {
      ...{ captioner, store, inFlight: 30, onFinding: ({ message }) => void reasons.push(message.split(":")[0]!) },
    });
    assert.deepEqual([first.stored, first.quarantined, first.missing], [34, 14, 12]);
    assert.deepEqual(
      reasons.filter((reason) => !/^(empty|truncated|url|instruction-like|identifying)/.test(reason)).sort(),
      [
        ...["content-type", "half-json", "http-429", "http-500", "network", "network", "network", "redirect"],
        ...["timeout", "timeout", "timeout", "too-large"],
      ],
    );
    assert.deepEqual([store.count(), store.countQuarantined()], [34, 14]);
    assert.ok([...store.records()].every(({ status, reason }) => (status === "stored") === (reason === undefined)));
    assert.equal(first.requests, server.requests.length);
    heals = true;
    const second = await captionScans([scan], { captioner, store });
    assert.deepEqual([second.stored, second.quarantined, second.missing, store.count()], [12, 0, 0, 46]);
    const content = await contentOf(path);
    for (const text of Object.values(PLANTED)) {
      const planted = text.replace(/^Axial CT slice of the liver/, "");
      for (let at = 0; at + 14 <= planted.length; at++) assert.ok(!content.includes(planted.slice(at, at + 14)), text);
    }
    assert.ok(!content.includes(KEY));
    assert.deepEqual(server.violations, []);
    assert.deepEqual([elsewhere.requests, elsewhere.violations], [[], []]);
  }));

Deno.test("a server that refuses key or address: the run stops at once with the cause, and the next run does all", () =>
  withStorePath(async (path) => {
    let status = 0;
    await using server = await startModelServer({
      behave: () => status === 0 ? { kind: "good" } : { kind: "status", status },
    });
    using captioner = new RemoteCaptioner({ endpoint: server.endpoint, model: "tiny-vision", maxPixels: 32 });
    using store = CaptionStore.open(path);
    const scan = { id: "scan", slices: () => Promise.resolve(slices) };
    for (const [refusal, told] of [[401, /key/], [403, /key/], [404, /address or model/]] as const) {
      status = refusal;
      const before = server.requests.length;
      const { endedEarly, ...totals } = await captionScans([scan], { captioner, store, inFlight: 4 });
      assert.equal(endedEarly?.cause, "captioner");
      assert.match(endedEarly!.reason, told);
      assert.ok(endedEarly!.reason.includes(`HTTP ${refusal}`), endedEarly!.reason);
      assert.ok(server.requests.length > before && server.requests.length - before <= 4);
      assert.deepEqual([totals.stored, totals.quarantined, store.count(), store.countQuarantined()], [0, 0, 0, 0]);
    }
    status = 0;
    const { stored, missing } = await captionScans([scan], { captioner, store, inFlight: 4 });
    assert.deepEqual([stored, missing, store.count()], [60, 0, 60]);
    assert.deepEqual(server.violations, []);
  }));
