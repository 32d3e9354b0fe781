import { strict as assert } from "node:assert";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "random";
import { canonicalJson, createVolume, type Finding, hashFiles, openCache, type Volume } from "../mod.ts";
import { evict } from "./_eviction.ts";
import { KEYS, volumeOf } from "./testdata/volumes.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-cache-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const never = (): Promise<Volume> => Promise.reject(new Error("made although it is kept"));
const keyOf = (number: number) => ({ content: `${number}`, settings: { spacingMm: 2 } });

async function sizeOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

Deno.test("openCache: every voxel type comes back as it was, with affine, modality and history", () =>
  inFolder(async (folder) => {
    const affine = Float64Array.of(0.1, 0.2, 0, 3, 0, 1 / 3, 0, 4, 0, 0, 2.5, -5, 0, 0, 0, 1);
    const arrays = [
      Int8Array,
      Uint8Array,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      Float32Array,
      Float64Array,
    ];
    for (const [number, array] of arrays.entries()) {
      const data = array.from([1, 2, 3, -1, 0.5, 1e9, NaN, 7, 100]);
      const made = createVolume(data, [1, 3, 3], { affine, modality: "CT", history: ["first", "sécond"] });
      assert.equal(await (await openCache(folder)).get(keyOf(number), () => Promise.resolve(made)), made);
      assert.deepEqual(await (await openCache(folder)).get(keyOf(number), never), made);
    }
  }));

Deno.test("openCache: content and settings both count, the order of keys does not", () =>
  inFolder(async (folder) => {
    const cache = await openCache(folder);
    const put = (content: string, settings: unknown, number: number) =>
      cache.get({ content, settings }, () => Promise.resolve(volumeOf(number)));
    await put("a", { patch: [8, 8, 8], window: { center: 0, width: 1 } }, 1);
    const same = await put("a", { window: { width: 1, center: -0 }, patch: [8, 8, 8] }, 2);
    assert.deepEqual(same.history, ["made number 1"]);
    assert.deepEqual((await put("b", { patch: [8, 8, 8], window: { center: 0, width: 1 } }, 3)).history, [
      "made number 3",
    ]);
    assert.deepEqual((await put("a", { patch: [8, 8, 9], window: { center: 0, width: 1 } }, 4)).history, [
      "made number 4",
    ]);
    assert.deepEqual(cache.counts, { found: 1, made: 3 });
  }));

Deno.test("openCache: calls for one key at one time make it once; a failure is not kept", () =>
  inFolder(async (folder) => {
    const cache = await openCache(folder);
    let calls = 0;
    const make = async (): Promise<Volume> => {
      calls++;
      await Promise.resolve();
      return volumeOf(0);
    };
    await Promise.all([1, 2, 3].map(() => cache.get(keyOf(0), make)));
    assert.equal(calls, 1);
    await assert.rejects(cache.get(keyOf(1), () => Promise.reject(new Error("no disk"))), /no disk/);
    assert.deepEqual((await cache.get(keyOf(1), () => Promise.resolve(volumeOf(1)))).history, ["made number 1"]);
  }));

Deno.test("openCache: what was not used for longest goes first, and the folder stays below its size", () =>
  inFolder(async (folder) => {
    const entry = async (): Promise<number> => {
      await (await openCache(folder)).get(keyOf(0), () => Promise.resolve(volumeOf(0)));
      return await sizeOf(folder);
    };
    const maxBytes = Math.round(3.5 * await entry());
    const cache = await openCache(folder, { maxBytes });
    const put = (number: number) =>
      cache.get(keyOf(number), () => Promise.resolve({ ...volumeOf(0), history: [`${number}`] }));
    for (const number of [1, 2]) await put(number);
    for (const [age, name] of (await readdir(folder)).sort().entries()) { // all old, in any order
      const when = new Date(Date.now() - 100_000 + age * 1000);
      await utimes(join(folder, name), when, when);
    }
    await cache.get(keyOf(1), never); // used last: stays
    await put(3); // one of 0 and 2 goes
    assert.equal((await readdir(folder)).length, 3);
    await put(4); // the other one
    for (const number of [1, 3, 4]) await cache.get(keyOf(number), never);
    assert.ok(await sizeOf(folder) <= maxBytes);
    const small = await openCache(folder, { maxBytes: 100 });
    assert.deepEqual(await readdir(folder), []);
    await small.get(keyOf(9), () => Promise.resolve(volumeOf(0)));
    assert.deepEqual(await readdir(folder), [], "larger than the whole cache");
  }));

Deno.test("openCache: a damaged entry is told, made anew and replaced", () =>
  inFolder(async (folder) => {
    const findings: Finding[] = [];
    const options = { onFinding: (finding: Finding) => void findings.push(finding) };
    await (await openCache(folder)).get(keyOf(0), () => Promise.resolve(volumeOf(0)));
    const path = join(folder, (await readdir(folder))[0]!);
    const sound = await readFile(path);
    const random = new Random("cache-damage");
    const damages: (() => Uint8Array)[] = [
      () => sound.subarray(0, random.int(0, sound.length - 1)),
      () => new Uint8Array(0),
      ...Array.from({ length: 20 }, () => () => {
        const bytes = Uint8Array.from(sound);
        bytes[random.int(0, bytes.length - 1)]! ^= 1 << random.int(0, 7);
        return bytes;
      }),
    ];
    for (const [index, damage] of damages.entries()) {
      await writeFile(path, damage());
      const volume = await (await openCache(folder, options)).get(keyOf(0), () => Promise.resolve(volumeOf(0)));
      assert.deepEqual(volume, volumeOf(0));
      assert.equal(findings.length, index + 1);
      assert.deepEqual(await readFile(path), sound, "replaced");
    }
    assert.ok(findings.every(({ code }) => code === "cache-entry-damaged"));
    await (await openCache(folder)).get(keyOf(1), () => Promise.resolve(volumeOf(1)));
    const other = (await readdir(folder)).map((name) => join(folder, name)).find((name) => name !== path)!;
    await writeFile(other, sound); // sound in itself, but of another key
    await (await openCache(folder, options)).get(keyOf(1), () => Promise.resolve(volumeOf(1)));
    assert.match(findings.at(-1)!.message, /another key/);
  }));

Deno.test("openCache: remains of killed writers go after an hour, others' files never", () =>
  inFolder(async (folder) => {
    const long = new Date(Date.now() - 2 * 3_600_000);
    for (const name of ["old.volume.1.tmp", "old.txt"]) {
      await writeFile(join(folder, name), "x");
      await utimes(join(folder, name), long, long);
    }
    await writeFile(join(folder, "new.volume.2.tmp"), "x");
    await openCache(folder);
    assert.deepEqual((await readdir(folder)).sort(), ["new.volume.2.tmp", "old.txt"]);
  }));

Deno.test("openCache: a folder that is gone costs a finding, not the run", () =>
  inFolder(async (folder) => {
    const findings: Finding[] = [];
    const inner = join(folder, "cache");
    const cache = await openCache(inner, { onFinding: (finding) => void findings.push(finding) });
    await rm(inner, { recursive: true });
    assert.deepEqual(await cache.get(keyOf(0), () => Promise.resolve(volumeOf(0))), volumeOf(0));
    assert.deepEqual(findings.map(({ code }) => code), ["cache-not-written"]);
  }));

Deno.test("openCache: refuses sizes and folders that are none", () =>
  inFolder(async (folder) => {
    for (const maxBytes of [0, -1, NaN]) await assert.rejects(openCache(folder, { maxBytes }), RangeError);
    await writeFile(join(folder, "file"), "");
    await assert.rejects(openCache(join(folder, "file")), /Cannot open cache .*file: .*Name a folder/);
  }));

Deno.test("evict: at once from many sides removes no more than one alone would", () =>
  inFolder(async (folder) => {
    for (let number = 0; number < 60; number++) {
      const path = join(folder, `${String(number).padStart(2, "0")}.volume`);
      await writeFile(path, new Uint8Array(1000));
      const when = new Date(Date.now() - 1e6 + number * 1000);
      await utimes(path, when, when);
    }
    const left = await Promise.all(
      Array.from({ length: 8 }, () => evict(folder, { suffix: ".volume", maxBytes: 25_500 })),
    );
    assert.deepEqual(new Set(left), new Set([25_000]));
    const names = (await readdir(folder)).sort();
    assert.deepEqual([names.length, names[0]], [25, "35.volume"], "the oldest went, and no other");
  }));

Deno.test("openCache: processes that run at once and are killed at random never read a torn volume nor remove too much", () =>
  inFolder(async (folder) => {
    const random = new Random("cache-kills");
    const maxBytes = 5 * 45_000; // less than half of what is asked for
    const program = fileURLToPath(new URL("./testdata/worker.ts", import.meta.url));
    const start = (seed: number, turns: number): Deno.ChildProcess =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", program, folder, `${maxBytes}`, `worker-${seed}`, `${turns}`],
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    for (let round = 0; round < 2; round++) {
      await Promise.all([0, 1, 2].map(async (place) => {
        const child = start(10 * round + place, 1_000_000);
        const output = await readTurns(child, random.int(3, 60));
        assert.doesNotMatch(output, /fault/);
        assert.match(output, /turn \d/);
      }));
    }
    const finished = await Promise.all([100, 101].map((seed) => start(seed, 150).output()));
    for (const { stdout, stderr, code } of finished) {
      const text = new TextDecoder().decode(stdout);
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.doesNotMatch(text, /fault/);
      assert.match(text, /found [1-9]\d* made [1-9]/);
    }
    const findings: Finding[] = [];
    const cache = await openCache(folder, { maxBytes, onFinding: (finding) => void findings.push(finding) });
    const entries = (await readdir(folder)).filter((name) => name.endsWith(".volume"));
    assert.ok(entries.length >= 2, `${entries.length} entries are left: too much was removed`);
    assert.ok(await sizeOf(folder) <= maxBytes + 45_000 * 6, "remains of six killed writers at most");
    for (let number = 0; number < KEYS; number++) {
      const key = { content: `${number}`, settings: { worker: true } };
      assert.deepEqual(await cache.get(key, () => Promise.resolve(volumeOf(number))), volumeOf(number));
    }
    assert.deepEqual(findings, []);
    assert.ok(cache.counts.found >= 2);
  }));

/** Reads what a worker prints, kills it at some moment after so many turns, and returns all that it printed. */
async function readTurns(child: Deno.ChildProcess, turns: number): Promise<string> {
  let text = "";
  const errors = new Response(child.stderr).text();
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if ((text.match(/turn /g)?.length ?? 0) >= turns) {
      child.kill("SIGKILL");
      break;
    }
  }
  assert.equal((await child.status).signal, "SIGKILL", await errors);
  await errors;
  return text;
}

Deno.test("canonicalJson: equal data give equal text, what is no plain data is refused by its place", () => {
  assert.equal(
    canonicalJson({ b: [1, -0, "é"], a: { d: null, c: true }, e: undefined }),
    '{"a":{"c":true,"d":null},"b":[1,0,"é"]}',
  );
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  for (
    const [value, place] of [
      [{ a: NaN }, "settings.a"],
      [{ a: [new Date()] }, "settings.a[0]"],
      [() => 1, "settings"],
      [new Map(), "settings"],
      [Float32Array.of(1), "settings"],
      [1n, "settings"],
      [[undefined], "settings[0]"],
      [cyclic, "settings.self"],
    ] as const
  ) {
    assert.throws(
      () => canonicalJson(value),
      (error: Error) => error instanceof TypeError && error.message.includes(`${place} is no plain data`),
    );
  }
  const shared = { x: 1 };
  assert.equal(canonicalJson([shared, shared]), '[{"x":1},{"x":1}]');
});

Deno.test("hashFiles: the bytes count, not the name; several files give another hash than their sum", () =>
  inFolder(async (folder) => {
    const [a, b, c] = ["a", "b", "c"].map((name) => join(folder, name)) as [string, string, string];
    await writeFile(a, "abc");
    await writeFile(b, "abc");
    await writeFile(c, "abcabc");
    assert.equal(await hashFiles(a), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.equal(await hashFiles(a), await hashFiles(b));
    assert.notEqual(await hashFiles(a, b), await hashFiles(c));
    assert.notEqual(await hashFiles(a, c), await hashFiles(c, a));
  }));
