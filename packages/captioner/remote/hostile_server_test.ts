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
    assert.deepEqual([first.stored, first.quarantined, first.missing], [38, 14, 8]);
    assert.deepEqual(
      reasons.filter((reason) => !/^(empty|truncated|url|instruction-like|identifying)/.test(reason)).sort(),
      [
        ...["content-type", "half-json", "http-500", "network", "redirect", "timeout", "timeout", "too-large"],
      ],
    );
    assert.deepEqual([store.count(), store.countQuarantined()], [38, 14]);
    assert.ok([...store.records()].every(({ status, reason }) => (status === "stored") === (reason === undefined)));
    assert.equal(first.requests, server.requests.length);
    heals = true;
    const second = await captionScans([scan], { captioner, store });
    assert.deepEqual([second.stored, second.quarantined, second.missing, store.count()], [8, 0, 0, 46]);
    const content = await contentOf(path);
    for (const text of Object.values(PLANTED)) {
      const planted = text.replace(/^Axial CT slice of the liver/, "");
      for (let at = 0; at + 14 <= planted.length; at++) assert.ok(!content.includes(planted.slice(at, at + 14)), text);
    }
    assert.ok(!content.includes(KEY));
    assert.deepEqual(server.violations, []);
    assert.deepEqual([elsewhere.requests, elsewhere.violations], [[], []]);
  }));
