import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import type { CaptionRecord } from "../contract.ts";
import { PLANTED } from "../testdata/planted_captions.ts";
import { type Behaviour, goodAnswer, startModelServer } from "../testdata/model_server.ts";
import { KEY, withServer } from "../testdata/remote_captioners.ts";
import { sliceOf } from "../testdata/slices.ts";

/** What every fault comes to: behaviour at the nth request for a slice, and the record that is expected. */
const MISBEHAVIOURS: readonly {
  readonly name: string;
  readonly behave: (before: number, elsewhere: string) => Behaviour;
  readonly status: CaptionRecord["status"];
  readonly reason?: RegExp;
  readonly requests: number;
}[] = [
  {
    name: "429 in seconds, once",
    behave: (n) => n === 0 ? { kind: "status", status: 429, headers: { "retry-after": "0.05" } } : { kind: "good" },
    status: "stored",
    requests: 2,
  },
  {
    name: "429 by date, once",
    behave: (n) =>
      n === 0
        ? { kind: "status", status: 429, headers: { "retry-after": new Date(Date.now() - 1000).toUTCString() } }
        : { kind: "good" },
    status: "stored",
    requests: 2,
  },
  {
    name: "429 for an hour",
    behave: () => ({ kind: "status", status: 429, headers: { "retry-after": "3600" } }),
    status: "missing",
    reason: /^http-429: .*asks to wait 3600 s/,
    requests: 1,
  },
  {
    name: "429 by a date years away",
    behave: () => ({ kind: "status", status: 429, headers: { "retry-after": "Fri, 31 Dec 2100 23:59:59 GMT" } }),
    status: "missing",
    reason: /^http-429: .*asks to wait \d{9,10} s, longer than allowed/,
    requests: 1,
  },
  {
    name: "500 always",
    behave: () => ({ kind: "status", status: 500 }),
    status: "missing",
    reason: /^http-500: .*3 times/,
    requests: 3,
  },
  {
    name: "503 twice",
    behave: (n) => n < 2 ? { kind: "status", status: 503 } : { kind: "good" },
    status: "stored",
    requests: 3,
  },
  { name: "413", behave: () => ({ kind: "status", status: 413 }), status: "missing", reason: /^http-413/, requests: 1 },
  { name: "hang once", behave: (n) => n === 0 ? { kind: "hang" } : { kind: "good" }, status: "stored", requests: 2 },
  {
    name: "hang always",
    behave: () => ({ kind: "hang" }),
    status: "missing",
    reason: /^timeout: no whole answer within 400 ms, 3 times/,
    requests: 3,
  },
  { name: "slow drip", behave: () => ({ kind: "drip" }), status: "missing", reason: /^timeout/, requests: 3 },
  { name: "half a JSON", behave: () => ({ kind: "half-json" }), status: "missing", reason: /^half-json/, requests: 3 },
  {
    name: "half a connection",
    behave: () => ({ kind: "cut" }),
    status: "missing",
    reason: /^network: the connection failed/,
    requests: 3,
  },
  {
    name: "no choices",
    behave: () => ({ kind: "no-choices" }),
    status: "missing",
    reason: /^not-a-completion/,
    requests: 3,
  },
  {
    name: "wrong content type",
    behave: () => ({ kind: "raw", body: "<html>", contentType: "text/html" }),
    status: "missing",
    reason: /^content-type/,
    requests: 3,
  },
  {
    name: "huge answer",
    behave: () => ({ kind: "huge" }),
    status: "missing",
    reason: /^too-large: the answer is larger than 262144 bytes/,
    requests: 1,
  },
  { name: "endless answer", behave: () => ({ kind: "endless" }), status: "missing", reason: /^too-large/, requests: 1 },
  {
    name: "chunks of which none is the last",
    behave: () => ({ kind: "no-last-chunk" }),
    status: "missing",
    reason: /^timeout: no whole answer within 400 ms, 3 times/,
    requests: 3,
  },
  {
    name: "headers without end",
    behave: () => ({ kind: "endless-headers" }),
    status: "missing",
    reason: /^network: the connection failed \(HPE_HEADER_OVERFLOW\), 3 times/,
    requests: 3,
  },
  {
    name: "headers without end, slowly",
    behave: () => ({ kind: "slow-headers" }),
    status: "missing",
    reason: /^timeout: no whole answer within 400 ms, 3 times/,
    requests: 3,
  },
  {
    name: "reset always",
    behave: () => ({ kind: "reset" }),
    status: "missing",
    reason: /^network: the connection failed \(ECONNRESET\), 3 times/,
    requests: 3,
  },
  {
    name: "reset once",
    behave: (n) => n === 0 ? { kind: "reset" } : { kind: "good" },
    status: "stored",
    requests: 2,
  },
  {
    name: "redirect to another host",
    behave: (_, to) => ({ kind: "redirect", to }),
    status: "missing",
    reason: /^redirect/,
    requests: 1,
  },
  {
    name: "redirect of a GET",
    behave: (_, to) => ({ kind: "redirect", to, status: 302 }),
    status: "missing",
    reason: /^redirect/,
    requests: 1,
  },
  {
    name: "empty content",
    behave: () => ({ kind: "content", content: "  " }),
    status: "quarantined",
    reason: /^empty/,
    requests: 2,
  },
  {
    name: "cut by length",
    behave: () => ({ kind: "content", content: "Axial CT slice with the liver and", finishReason: "length" }),
    status: "quarantined",
    reason: /^truncated/,
    requests: 2,
  },
  {
    name: "cut by length once",
    behave: (n) =>
      n === 0 ? { kind: "content", content: '{"modality": "CT"', finishReason: "length" } : { kind: "good" },
    status: "stored",
    requests: 2,
  },
  {
    name: "refusal",
    behave: () => ({ kind: "content", content: "", refusal: "I can't help with that." }),
    status: "quarantined",
    reason: /^refused/,
    requests: 2,
  },
  {
    name: "wrong plane",
    behave: () => ({ kind: "content", content: goodAnswer("0".repeat(64), "one sagittal CT") }),
    status: "quarantined",
    reason: /^wrong-plane/,
    requests: 2,
  },
  {
    name: "wrong modality",
    behave: () => ({ kind: "content", content: goodAnswer("0".repeat(64), "one axial MR") }),
    status: "quarantined",
    reason: /^wrong-modality/,
    requests: 2,
  },
  {
    name: "JSON of another kind",
    behave: () => ({ kind: "content", content: '{"caption": "a liver"}' }),
    status: "quarantined",
    reason: /^malformed/,
    requests: 2,
  },
  {
    name: "a name, then good",
    behave: (n) => n === 0 ? { kind: "content", content: PLANTED["a name and a birth"]! } : { kind: "good" },
    status: "stored",
    requests: 2,
  },
];

Deno.test("RemoteCaptioner: every misbehaviour ends stored, quarantined or missing with its reason; keys and pixels go nowhere else", async () => {
  await using elsewhere = await startModelServer();
  const nameOf = new Map<string, number>(); // which slice a picture is
  await withServer(
    ({ imageHash, before }) =>
      MISBEHAVIOURS[nameOf.get(imageHash)!]!.behave(before, elsewhere.endpoint + "/chat/completions"),
    async (make, server) => {
      const captioner = make({ apiKey: KEY, maxAttempts: 3, maxInFlight: 40 });
      const slices = MISBEHAVIOURS.map(({ name }) => sliceOf(name));
      slices.forEach(({ image, context }, index) =>
        nameOf.set(createHash("sha256").update(captioner.preview(image, context).png).digest("hex"), index)
      );
      const records = await Promise.all(slices.map(({ image, context }) => captioner.captionRecord(image, context)));
      for (const [index, { name, status, reason, requests }] of MISBEHAVIOURS.entries()) {
        const got = records[index]!;
        assert.equal(got.status, status, `${name}: ${got.reason}`);
        if (reason) assert.match(got.reason!, reason, name);
        else assert.equal(got.reason, undefined, name);
        assert.equal(got.provenance!.requests, requests, name);
        assert.equal(server.requests.filter(({ imageHash }) => nameOf.get(imageHash) === index).length, requests, name);
        assert.equal(got.text === "", status === "missing" || name === "empty content" || name === "refusal", name);
      }
      assert.doesNotMatch(JSON.stringify(records), /sk-secret/);
    },
    { apiKey: KEY },
  );
  assert.deepEqual([elsewhere.requests, elsewhere.violations], [[], []], "something followed a redirect");
});
