import { strict as assert } from "node:assert";
import { SLICE_PLAIN_V1 } from "../prompts/slice_plain_v1.ts";
import { PLANTED } from "../testdata/planted_captions.ts";
import { goodAnswer, startModelServer } from "../testdata/model_server.ts";
import { KEY, record, withServer } from "../testdata/remote_captioners.ts";
import { sliceOf } from "../testdata/slices.ts";
import { CaptionerStoppedError, CaptionRefusedError } from "./caption_refused_error.ts";
import { RemoteCaptioner } from "./remote_captioner.ts";
import { RequestBudget } from "./request_budget.ts";

Deno.test("RemoteCaptioner: a structured answer becomes a caption with its whole provenance", () =>
  withServer(undefined, async (make, server) => {
    const captioner = make({ apiKey: KEY, revision: "rev-7", seed: 3 });
    const { text, status, provenance, reason, captionerId } = await record(captioner);
    assert.match(text, /^Axial CT slice\. Visible: liver, spleen, abdominal aorta\. A hypodense lesion of/);
    assert.deepEqual([status, reason, captionerId], ["stored", undefined, captioner.id]);
    const { durationMs, imageHash, promptHash, rawAnswer, ...rest } = provenance!;
    assert.ok(durationMs >= 0);
    assert.equal(imageHash, server.requests[0]!.imageHash);
    assert.match(promptHash, /^[0-9a-f]{64}$/);
    assert.equal(rawAnswer, goodAnswer(imageHash, "one axial CT"));
    assert.deepEqual(rest, {
      modelId: "tiny-vision",
      modelRevision: "rev-7",
      answeredBy: "tiny-vision",
      promptId: "slice-structured@1",
      window: "CT soft-tissue window -160 to 240 HU",
      requestParameters: {
        temperature: 0,
        maxTokens: 512,
        tokensField: "max_tokens",
        seed: 3,
        responseFormat: "json_schema",
      },
      finishReason: "stop",
      requests: 1,
      promptTokens: 700,
      completionTokens: 60,
      cost: null,
    });
    assert.equal(captioner.sendsTo, "127.0.0.1");
    assert.doesNotMatch(JSON.stringify([text, provenance, captioner.id]) + Deno.inspect(captioner), /sk-secret/);
  }, { apiKey: KEY }));

Deno.test("RemoteCaptioner: the id holds whatever changes a caption, and not the host or the key", () => {
  const ids = [
    {},
    { revision: "2" },
    { model: "b" },
    { temperature: 1 },
    { ctWindow: "lung" },
    { legend: true },
    { maxPixels: 64 },
    {
      prompt: SLICE_PLAIN_V1,
    },
    { maxTokens: 9 },
    { seed: 1 },
  ]
    .map((more) => new RemoteCaptioner({ endpoint: "http://localhost:1/v1", model: "a", ...more as object }).id);
  assert.equal(new Set(ids).size, ids.length);
  const elsewhere = new RemoteCaptioner({ endpoint: "http://127.0.0.1:2/v1", model: "a", apiKey: "k" });
  assert.equal(elsewhere.id, ids[0]);
});

Deno.test("RemoteCaptioner: of twelve planted orders and identifiers nothing reaches a record, as text or hidden in JSON", async () => {
  const planted = Object.values(PLANTED);
  const hide: ((text: string) => string)[] = [
    (text) => text,
    (text) => JSON.stringify({ ...JSON.parse(goodAnswer("0".repeat(64), "one axial CT")), findings: [text] }),
    (text) => `{"anatomy":[${JSON.stringify(text)}],${goodAnswer("0".repeat(64), "one axial CT").slice(1)}`,
    (text) =>
      `{"surplus":"${[...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"}`,
    (text) => `<think>${text}</think>Axial CT slice with a liver, a spleen and no free fluid.`,
  ];
  for (const [way, wrap] of hide.entries()) {
    let asked = 0;
    await withServer(
      () => ({ kind: "content", content: wrap(planted[asked++ >> (way === 2 || way === 4 ? 0 : 1)]!) }),
      async (make) => {
        const captioner = make({ maxEqualTexts: 100 });
        for (const [index, text] of planted.entries()) {
          const got = await record(captioner, `planted ${index}`);
          const kept = JSON.stringify(got);
          const secret = text.slice("Axial CT slice of the liver".length).normalize("NFKC");
          for (let at = 0; at + 14 <= secret.length; at++) {
            assert.ok(!kept.includes(secret.slice(at, at + 14)), `way ${way}: ${kept}`);
          }
          assert.equal(got.status, way === 2 || way === 4 ? "stored" : "quarantined", `way ${way}, ${text}`);
          if (got.status === "quarantined") {
            assert.match(got.text, /^\(withheld: (url|instruction-like|identifying)\)$/);
          }
        }
      },
    );
  }
});

Deno.test("RemoteCaptioner: a model that refuses structured answers is asked in plain text, and from then on first", () =>
  withServer(
    ({ structured, imageHash }) =>
      structured ? { kind: "status", status: 400 } : {
        kind: "content",
        content: `Axial CT slice with the liver and a ${Number.parseInt(imageHash.slice(0, 3), 16)} mm lesion.`,
      },
    async (make, server) => {
      const captioner = make();
      const [first, second] = [await record(captioner, "a"), await record(captioner, "b")];
      assert.deepEqual([first.status, second.status, first.provenance!.requests, second.provenance!.requests], [
        "stored",
        "stored",
        2,
        1,
      ]);
      assert.equal(second.provenance!.promptId, "slice-plain@1");
      assert.deepEqual(server.requests.map(({ structured }) => structured), [true, false, false]);
    },
  ));

Deno.test("RemoteCaptioner: what stops all slices is thrown, and tells no key", async () => {
  for (const status of [401, 403, 404]) {
    await withServer(() => ({ kind: "status", status }), async (make) => {
      await assert.rejects(record(make({ apiKey: KEY })), (error) => {
        assert.ok(error instanceof CaptionerStoppedError);
        assert.match(
          error.message,
          /^Cannot caption with http:\/\/127\.0\.0\.1:\d+: the server .*Mend key, address or model/,
        );
        assert.doesNotMatch(Deno.inspect(error), /sk-secret/);
        return true;
      });
    }, { apiKey: KEY });
  }
});

Deno.test("RemoteCaptioner: caption() throws what is not good, with the record", () =>
  withServer(() => ({ kind: "content", content: "" }), async (make) => {
    const { image, context } = sliceOf("a");
    await assert.rejects(
      make().caption(image, context),
      (error) =>
        error instanceof CaptionRefusedError && error.record.status === "quarantined" &&
        /empty: there is no text/.test(error.message),
    );
  }));

Deno.test("RemoteCaptioner: no more in flight than asked for, and each slice is sent once", () =>
  withServer(undefined, async (make, server) => {
    const captioner = make({ maxInFlight: 3 });
    const records = await Promise.all(Array.from({ length: 24 }, (_, index) => record(captioner, `${index}`)));
    assert.ok(records.every(({ status }) => status === "stored"));
    assert.equal(server.mostOpen, 3);
    assert.equal(new Set(server.requests.map(({ imageHash }) => imageHash)).size, 24);
    assert.equal(server.requests.length, 24);
  }, { latencyMs: 10 }));

Deno.test("RemoteCaptioner: budgets stop before the limit is passed, and price what was made", async () => {
  const prices = { perMillionPromptTokens: 1, perMillionCompletionTokens: 10 };
  await withServer(undefined, async (make) => {
    const captioner = make({ budget: new RequestBudget({ maxRequests: 2 }) });
    await record(captioner, "1");
    await record(captioner, "2");
    await assert.rejects(record(captioner, "3"), /maxRequests is reached: got 2 requests, expected at most 2/);
    const paying = make({ budget: new RequestBudget({ maxCost: 0.02, prices }), maxInFlight: 20 });
    const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => record(paying, `${index}`)));
    const made = settled.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    assert.ok(made.length >= 3 && made.length < 20, `${made.length}`);
    assert.ok(made.every(({ provenance }) => Math.abs(provenance!.cost! - 0.0013) < 1e-12));
    assert.ok(Math.abs(paying.usage.spent - made.length * 0.0013) < 1e-9);
    assert.ok(paying.usage.spent <= 0.02);
  });
});

Deno.test("RemoteCaptioner: a signal ends waits, requests and places in line with its reason", () =>
  withServer(() => ({ kind: "hang" }), async (make) => {
    const captioner = make({ timeoutMs: 60_000, maxInFlight: 1 });
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const both = ["1", "2"].map((seed) => {
      const { image, context } = sliceOf(seed);
      return captioner.captionRecord(image, context, options);
    });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    for (const one of await Promise.allSettled(both)) {
      assert.equal(one.status === "rejected" && one.reason.message, "enough");
    }
  }));

Deno.test("RemoteCaptioner: one text for all slices is quarantined once too many have it", () =>
  withServer(() => ({ kind: "content", content: "Axial CT slice with the liver and the spleen." }), async (make) => {
    const captioner = make({ maxEqualTexts: 2 });
    const statuses: string[] = [];
    for (const seed of ["1", "2", "3"]) {
      statuses.push(`${(await record(captioner, seed)).reason ?? "good"}`.split(":")[0]!);
    }
    assert.deepEqual(statuses, ["good", "good", "repeated-across"]);
  }));

Deno.test("RemoteCaptioner: an answer that repeats the key, escaped or not, is none", async () => {
  const escaped = [...KEY].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
  for (const shown of [KEY, escaped]) {
    const message = `{"content": "Axial CT slice with the liver and ${shown} in a corner."}`;
    const body = `{"choices": [{"finish_reason": "stop", "message": ${message}}]}`;
    await withServer(() => ({ kind: "raw", body }), async (make) => {
      const got = await record(make({ apiKey: KEY }));
      assert.deepEqual([got.status, got.reason], ["missing", "key-repeated: the answer repeats the key"]);
      assert.ok(!JSON.stringify(got).includes(KEY));
    }, { apiKey: KEY });
  }
});

Deno.test("RemoteCaptioner: waits as long as Retry-After says, and asks for more tokens where an answer was cut", () =>
  withServer(({ before }) => {
    if (before === 0) return { kind: "status", status: 429, headers: { "retry-after": "0.3" } };
    return before === 1 ? { kind: "content", content: "Axial CT", finishReason: "length" } : { kind: "good" };
  }, async (make, server) => {
    const got = await record(make({ maxTokens: 100 }));
    assert.deepEqual([got.status, got.provenance!.requests], ["stored", 3]);
    assert.ok(server.requests[1]!.atMs - server.requests[0]!.atMs >= 290);
    assert.deepEqual(server.requests.map(({ body }) => body["max_tokens"]), [100, 100, 200]);
    assert.equal(got.provenance!.requestParameters["maxTokens"], 200);
  }));

Deno.test("RemoteCaptioner: a proxy of the environment sees neither key nor pixels", async () => {
  await using proxy = await startModelServer();
  const names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "NODE_USE_ENV_PROXY"];
  const before = names.map((name) => Deno.env.get(name));
  for (const name of names) Deno.env.set(name, name.startsWith("NODE") ? "1" : new URL(proxy.endpoint).origin);
  try {
    await withServer(undefined, async (make) => {
      assert.equal((await record(make({ apiKey: KEY }))).status, "stored");
    }, { apiKey: KEY });
  } finally {
    names.forEach((name, index) =>
      before[index] === undefined ? Deno.env.delete(name) : Deno.env.set(name, before[index])
    );
  }
  assert.deepEqual([proxy.requests, proxy.violations], [[], []]);
});

Deno.test("RemoteCaptioner: bad settings are refused, and the key is not told", () => {
  const make = (more: object) => () => new RemoteCaptioner({ endpoint: "http://127.0.0.1:1/v1", model: "a", ...more });
  for (
    const more of [{ maxTokens: 0 }, { maxInFlight: 1.5 }, { temperature: 3 }, { seed: 0.5 }, { model: " " }, {
      requestsPerMinute: 0,
    }, {
      tokensPerMinute: -1,
    }, { timeoutMs: NaN }]
  ) assert.throws(make(more), { name: "RangeError", message: new RegExp(`${Object.keys(more)[0]} is out of range`) });
  assert.throws(
    make({ apiKey: "sk secret\r\nx: y" }),
    (error) => /apiKey is out of range: got 15 characters/.test(`${error}`) && !/secret/.test(`${error}`),
  );
  assert.throws(() => new RequestBudget({ maxCost: 1 }), /maxCost needs prices/);
  assert.throws(() => new RequestBudget({ maxRequests: -1 }), /maxRequests is out of range: got -1/);
});
