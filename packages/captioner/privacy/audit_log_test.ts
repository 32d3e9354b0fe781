import { strict as assert } from "node:assert";
import { readFile, stat } from "node:fs/promises";
import { hashSliceInContext } from "../hash_slice_in_context.ts";
import { RemoteCaptioner } from "../remote/remote_captioner.ts";
import { startModelServer } from "../testdata/model_server.ts";
import { sliceOf } from "../testdata/slices.ts";
import { AuditLog } from "./audit_log.ts";

async function withPath(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/sent.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const linesOf = async (path: string): Promise<Record<string, unknown>[]> =>
  (await readFile(path, "utf8")).trimEnd().split("\n").map((line) => JSON.parse(line));

Deno.test("AuditLog: every request is written before it is sent, attempts that fail among them, without key or pixels", () =>
  withPath(async (path) => {
    const auditedWhenAsked: number[] = [];
    await using server = await startModelServer({
      apiKey: "sk-secret",
      behave: ({ before }) => {
        auditedWhenAsked.push(Deno.readTextFileSync(path).trimEnd().split("\n").length);
        return before === 0 ? { kind: "status", status: 503 } : { kind: "good" };
      },
    });
    await using audit = await AuditLog.open(path);
    using captioner = new RemoteCaptioner({
      ...{ endpoint: server.endpoint, model: "m", apiKey: "sk-secret", audit, maxPixels: 32, baseDelayMs: 1 },
    });
    const { image, context } = sliceOf("a");
    assert.equal((await captioner.captionRecord(image, context)).status, "stored");
    assert.deepEqual(auditedWhenAsked, [1, 2]);
    const lines = await linesOf(path);
    for (const { time, bytes, ...rest } of lines) {
      assert.match(`${time}`, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.ok(Number(bytes) > 500);
      assert.deepEqual(rest, {
        event: "send",
        sliceHash: hashSliceInContext(image, context),
        imageHash: server.requests[0]!.imageHash,
        origin: new URL(server.endpoint).origin,
        captionerId: captioner.id,
      });
    }
    if (Deno.build.os !== "windows") assert.equal((await stat(path)).mode & 0o777, 0o600);
  }));

Deno.test("AuditLog: many at once are each on a line of their own, and what was there stays", () =>
  withPath(async (path) => {
    const entry = { imageHash: "i", origin: "o", captionerId: "c", bytes: 1 };
    for (const round of [0, 1]) {
      await using audit = await AuditLog.open(path);
      await Promise.all(Array.from({ length: 200 }, (_, n) => audit.append({ ...entry, sliceHash: `${round}/${n}` })));
      assert.equal((await linesOf(path)).length, 200 * (round + 1));
    }
    assert.equal(new Set((await linesOf(path)).map(({ sliceHash }) => sliceHash)).size, 400);
  }));

Deno.test("AuditLog: what cannot be audited is not sent", () =>
  withPath(async (path) => {
    await using server = await startModelServer();
    const audit = await AuditLog.open(path);
    await audit[Symbol.asyncDispose]();
    using captioner = new RemoteCaptioner({ endpoint: server.endpoint, model: "m", audit, maxPixels: 32 });
    const { image, context } = sliceOf("a");
    await assert.rejects(captioner.captionRecord(image, context), {
      name: "CaptionerStoppedError",
      message: /Cannot send slices: the audit file .* cannot be written/,
    });
    assert.equal(server.requests.length, 0);
  }));
