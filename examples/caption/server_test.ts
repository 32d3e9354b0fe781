import { REMOTE_ACKNOWLEDGEMENT } from "@med3d/captioner";
import { strict as assert } from "node:assert";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startModelServer } from "../../packages/captioner/testdata/model_server.ts";
import { type ProgramResult, runProgramFile, withFolder } from "../_shared/testing/program.ts";
import { recordsOf } from "./_records_of.ts";

const FEW = ["--phantoms=4", "--slices-per-volume=6", "--model=tiny-vision", "--max-pixels=64"];
const KEY = "sk-do-not-leak-0123456789";

function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<ProgramResult> {
  return runProgramFile("caption/main.ts", args, { network: true, environment });
}

Deno.test("caption by a server: every slice is asked about once and stored with its provenance; the key goes to the server alone", () =>
  withFolder(async (folder) => {
    await using server = await startModelServer({ apiKey: KEY, latencyMs: 20 });
    const [out, audit, review] = ["c.db", "audit.jsonl", "review.html"].map((name) => join(folder, name));
    const args = [
      ...[...FEW, `--captioner=${server.endpoint}`, `--out=${out}`, `--audit=${audit}`, `--review=${review}`],
      ...["--in-flight=5", "--model-revision=abc123", "--price-per-million-prompt-tokens=1000"],
    ];
    const { code, stdout, stderr } = await run(args, { MED3D_API_KEY: KEY });
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(server.violations, []);
    assert.equal(server.requests.length, 24);
    assert.ok(server.mostOpen <= 5);
    assert.match(stdout, /24 captions made.*24 requests, 16\.8k \+ 1\.44k tokens, cost 16\.8; 24 of 24 slices/);
    const records = recordsOf(out!);
    assert.equal(records.length, 24);
    for (const { provenance, status } of records) {
      assert.equal(status, "stored");
      assert.deepEqual([provenance!.modelId, provenance!.modelRevision, provenance!.finishReason], [
        ...["tiny-vision", "abc123", "stop"],
      ]);
    }
    const sent = (await readFile(audit!, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(
      sent.map(({ imageHash }) => imageHash).sort(),
      server.requests.map(({ imageHash }) => imageHash).sort(),
    );
    assert.deepEqual(sent.map(({ sliceHash }) => sliceHash).sort(), records.map(({ sliceHash }) => sliceHash).sort());
    for (const name of await readdir(folder)) {
      assert.ok(!(await readFile(join(folder, name))).includes(KEY), `the key is in ${name}`);
    }
    assert.ok(!(stdout + stderr).includes(KEY));
    assert.equal((await run(args, { MED3D_API_KEY: KEY })).code, 0);
    assert.equal(server.requests.length, 24, "nothing was asked again");
  }));

Deno.test("caption by a server: bad answers go into quarantine and on the page with their reason, failures stay missing and are asked for again", () =>
  withFolder(async (folder) => {
    let broken = true;
    await using server = await startModelServer({
      behave: ({ imageHash }) => {
        if (imageHash < "4") return { kind: "content", content: "The liver is", finishReason: "length" };
        return broken && imageHash > "c" ? { kind: "status", status: 400 } : { kind: "good" };
      },
    });
    const [out, review] = [join(folder, "c.db"), join(folder, "review.html")];
    const args = [...FEW, `--captioner=${server.endpoint}`, `--out=${out}`, `--review=${review}`];
    const first = await run(args);
    const records = recordsOf(out);
    const quarantined = records.filter(({ status }) => status === "quarantined");
    assert.ok(quarantined.length > 0 && records.length < 24, JSON.stringify(first));
    assert.equal(first.code, 1, "slices are missing");
    assert.match(first.stderr, /warning \[caption-missing\]/);
    assert.ok(quarantined.every(({ reason }) => reason!.startsWith("truncated: ")));
    const page = await readFile(review, "utf8");
    assert.equal(page.match(/<b>quarantined<\/b>[\s—]+truncated: /g)!.length, quarantined.length);
    broken = false;
    const second = await run(args);
    assert.equal(second.code, 0, second.stdout + second.stderr);
    assert.equal(recordsOf(out).length, 24);
  }));

Deno.test("caption by a server: limits on requests and cost end the run in order", () =>
  withFolder(async (folder) => {
    await using server = await startModelServer();
    const args = [...FEW, `--captioner=${server.endpoint}`, "--in-flight=4"];
    const byCount = await run([...args, `--out=${join(folder, "a.db")}`, "--max-requests=7"]);
    assert.equal(byCount.code, 0, byCount.stderr);
    assert.match(byCount.stdout, /Ended early/);
    assert.equal(server.requests.length, 7);
    const prices = ["--price-per-million-prompt-tokens=1000", "--price-per-million-completion-tokens=1000"];
    const byCost = await run([...args, ...prices, `--out=${join(folder, "b.db")}`, "--max-cost=8"]);
    assert.equal(byCost.code, 0, byCost.stderr);
    const spent = recordsOf(join(folder, "b.db")).reduce((sum, { provenance }) => sum + provenance!.cost!, 0);
    assert.ok(spent > 4 && spent <= 8, `${spent}`);
    const unpriced = await run([...args, `--out=${join(folder, "c.db")}`, "--max-cost=8"]);
    assert.equal(unpriced.code, 2);
    assert.match(unpriced.stderr, /maxCost needs prices/);
  }));

Deno.test("caption --dry-run by a server: shows the whole request without the key, and sends nothing", () =>
  withFolder(async (folder) => {
    await using server = await startModelServer();
    const page = join(folder, "request.html");
    const args = [...FEW, `--captioner=${server.endpoint}`, `--out=${join(folder, "c.db")}`, "--dry-run"];
    const { code, stdout } = await run([...args, `--review=${page}`], { MED3D_API_KEY: KEY });
    assert.equal(code, 0);
    for (const part of ["POST http://127.0.0.1", "authorization: Bearer (key not shown)", `"model": "tiny-vision"`]) {
      assert.ok(stdout.includes(part), part);
    }
    assert.match(stdout, /\(\d+ bytes of PNG in base64, SHA-256 [0-9a-f]{64}\)/);
    assert.ok(!stdout.includes(KEY) && !stdout.includes(folder));
    assert.match(await readFile(page, "utf8"), /data:image\/png;base64,/);
    assert.deepEqual(await readdir(folder), ["request.html"]);
    assert.equal(server.requests.length, 0);
  }));

Deno.test("caption by a server elsewhere: refused without permission, https and the acknowledgement in the configuration", () =>
  withFolder(async (folder) => {
    const config = join(folder, "config.json");
    await writeFile(config, JSON.stringify({ acknowledgement: REMOTE_ACKNOWLEDGEMENT }));
    const elsewhere = ["--captioner=https://models.example/v1", "--dry-run", `--out=${join(folder, "c.db")}`];
    const cases: [readonly string[], RegExp][] = [
      [["--captioner=https://models.example/v1"], /not allowed/],
      [["--captioner=https://models.example/v1", "--allow-remote=models.example"], /acknowledgement is missing/],
      [
        ["--captioner=http://models.example/v1", "--allow-remote=models.example", `--config=${config}`],
        /not encrypted/,
      ],
      [["--captioner=https://u:p@models.example/v1"], /user or password/],
    ];
    for (const [args, expected] of cases) {
      const { code, stderr } = await run([...FEW, ...args, `--out=${join(folder, "c.db")}`]);
      assert.match(stderr, expected);
      assert.equal(code, 2);
    }
    const allowed = await run([...FEW, ...elsewhere, "--allow-remote=models.example", `--config=${config}`]);
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.match(allowed.stdout, /POST https:\/\/models\.example\/v1\/chat\/completions/);
    const noModel = await run(["--captioner=http://127.0.0.1:9/v1", "--phantoms=4"]);
    assert.match(noModel.stderr, /the model is missing/);
  }));
