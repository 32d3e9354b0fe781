import { strict as assert } from "node:assert";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Random } from "random";
import { CaptionStore } from "../mod.ts";
import { withStorePath } from "../testdata/entries.ts";
import { type SliceServer, startSliceServer } from "../testdata/slice_server.ts";

const PROGRAM = join(import.meta.dirname!, "..", "testdata", "run_captions.ts");
const [SCANS, SLICES_PER_SCAN, IN_FLIGHT] = [25, 20, 8];
const ALL = SCANS * SLICES_PER_SCAN;

function start(path: string, { url }: SliceServer): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", PROGRAM, path, url, String(SCANS), String(SLICES_PER_SCAN)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Kills a run a while after its first request, and says whether it was still at work. */
async function killAfter(child: Deno.ChildProcess, server: SliceServer, milliseconds: number): Promise<boolean> {
  const before = server.asked.size;
  const ended = child.status;
  let running = true;
  ended.then(() => running = false);
  while (running && server.asked.size === before) await new Promise((resolve) => setTimeout(resolve, 2));
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  if (running) child.kill("SIGKILL");
  await child.stdout.cancel();
  return (await ended).signal === "SIGKILL";
}

/** The store is sound and holds one caption of each slice, the one that the server gave. */
function assertComplete(path: string, { asked }: SliceServer): void {
  const database = new DatabaseSync(path);
  assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
  assert.equal(database.prepare("SELECT count(*) AS count FROM claims").get()!["count"], 0);
  database.close();
  using store = CaptionStore.open(path);
  const texts = Array.from(store.records(), ({ text }) => text);
  assert.equal(texts.length, ALL);
  assert.deepEqual(texts.sort(), Array.from(asked.keys(), (name) => `Answer about ${name}.`).sort());
}

const sum = (counts: Iterable<number>): number => Array.from(counts).reduce((a, b) => a + b, 0);

Deno.test("captionScans: SIGKILL at 20 random moments of a run over 500 slices costs at most what was in flight", () =>
  withStorePath(async (path) => {
    await using server = startSliceServer({ delayMs: 15 });
    const random = new Random("kill the run");
    let kills = 0;
    for (let time = 0; time < 20; time++) {
      if (await killAfter(start(path, server), server, random.int(1, 60))) kills++;
      const database = new DatabaseSync(path);
      assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
      database.close();
    }
    const atKills = CaptionStore.open(path);
    const kept = atKills.count();
    atKills.close();
    const { code } = await start(path, server).output();
    assert.equal(code, 0);
    assertComplete(path, server);
    assert.ok(kills >= 15 && kept > 50 && kept < ALL, `${kills} kills, ${kept} captions by then: it proves nothing`);
    assert.ok(sum(server.asked.values()) <= ALL + kills * IN_FLIGHT, "more than what was in flight was asked again");
  }));

Deno.test("captionScans: two runs at once share the slices and ask about each once", () =>
  withStorePath(async (path) => {
    await using server = startSliceServer({ delayMs: 15 });
    const results = await Promise.all([start(path, server), start(path, server)].map((child) => child.output()));
    assert.deepEqual(results.map(({ code }) => code), [0, 0]);
    const made = results.map(({ stdout }) => JSON.parse(new TextDecoder().decode(stdout).split("\n")[1]!));
    assert.ok(made.every(({ done, stored }) => done === ALL && stored > 0), JSON.stringify(made));
    assert.equal(made[0].stored + made[1].stored, ALL);
    assert.ok(Array.from(server.asked.values()).every((times) => times === 1));
    assert.equal(server.asked.size, ALL);
    assertComplete(path, server);
  }));

Deno.test("captionScans: of two runs at once, killed again and again, the union is complete and each slice captioned once", () =>
  withStorePath(async (path) => {
    await using server = startSliceServer({ delayMs: 15 });
    const random = new Random("kill two runs");
    let kills = 0;
    for (let time = 0; time < 10; time++) {
      const pair = [start(path, server), start(path, server)];
      const killed = await Promise.all(pair.map((child) => killAfter(child, server, random.int(1, 60))));
      kills += killed.filter(Boolean).length;
    }
    const results = await Promise.all([start(path, server), start(path, server)].map((child) => child.output()));
    assert.deepEqual(results.map(({ code }) => code), [0, 0]);
    assertComplete(path, server);
    assert.ok(kills >= 15, `only ${kills} kills`);
    assert.ok(sum(server.asked.values()) <= ALL + kills * IN_FLIGHT);
  }));
