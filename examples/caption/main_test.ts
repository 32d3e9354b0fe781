import { CaptionStore, type StoredRecord } from "@med3d/captioner";
import { encodeNifti, makePhantom, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, startProgram, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";
import { recordsOf } from "./_records_of.ts";
import { renderReview } from "./review.ts";

const PROGRAM = "caption/main.ts";
const FEW = ["--phantoms=4", "--slices-per-volume=6"];

/** All of a record but when it was made. */
const lasting = ({ createdAt: _, ...rest }: StoredRecord): unknown => rest;

Deno.test("caption: captions slices of a folder, reports the scan that is broken, and a second run does nothing", () =>
  withFolder(async (folder) => {
    const [data, out] = [join(folder, "scans"), join(folder, "captions.db")];
    await mkdir(data);
    for (const name of ["one", "two"]) {
      const { volume } = makePhantom(name, { kind: "mr-brain", shape: [24, 24, 24] });
      await writeNifti(volume, join(data, `${name}.nii.gz`));
    }
    await writeFile(join(data, "broken.nii"), (await encodeNifti(makePhantom("x").volume)).slice(0, 999));
    const args = [
      `--data=${data}`,
      `--out=${out}`,
      "--slices-per-volume=4",
      "--planes=axial,sagittal",
      "--modality=MR",
    ];
    const first = await runProgramFile(PROGRAM, args);
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.match(first.stdout, /8 captions made, 0 put in quarantine, 0 missing; 8 of 8 slices/);
    assert.match(first.stderr, /error \[[a-z-]+\] .*broken\.nii/);
    const records = recordsOf(out);
    assert.deepEqual(new Set(records.map(({ origin }) => origin!.plane)), new Set(["axial", "sagittal"]));
    assert.equal(new Set(records.map(({ origin }) => origin!.volume)).size, 2);
    const second = await runProgramFile(PROGRAM, args);
    assert.match(second.stdout, /^0 captions made.* 8 of 8 slices/m);
    assert.deepEqual(recordsOf(out), records);
    const strict = await runProgramFile(PROGRAM, [...args, "--strict"]);
    assert.equal(strict.code, 1);
    assert.match(strict.stderr, /error: Cannot use scan .*broken\.nii/);
  }));

Deno.test("caption --shard and merge: the shards' stores together are the store of the whole", () =>
  withFolder(async (folder) => {
    const path = (name: string): string => join(folder, `${name}.db`);
    const runs = await Promise.all([
      runProgramFile(PROGRAM, [...FEW, `--out=${path("whole")}`]),
      ...[1, 2, 3].map((i) => runProgramFile(PROGRAM, [...FEW, `--shard=${i}/3`, `--out=${path(`${i}`)}`])),
    ]);
    assert.deepEqual(runs.map(({ code }) => code), [0, 0, 0, 0], JSON.stringify(runs));
    const merged = await runProgramFile(PROGRAM, [
      ...["merge", `--out=${path("merged")}`, path("1"), path("2"), path("3")],
    ]);
    assert.equal(merged.code, 0, merged.stderr);
    assert.match(merged.stdout, /24 good captions, 0 in quarantine/);
    assert.deepEqual(recordsOf(path("merged")).map(lasting), recordsOf(path("whole")).map(lasting));
    const itself = await runProgramFile(PROGRAM, ["merge", `--out=${path("1")}`, path("1")]);
    assert.equal(itself.code, 2);
    const absent = await runProgramFile(PROGRAM, ["merge", `--out=${path("new")}`, path("absent")]);
    assert.match(absent.stderr, /Cannot merge .*absent/);
    assert.ok(!(await readdir(folder)).includes("new.db"));
  }));

Deno.test("caption: Ctrl-C stores what is in flight and says how to go on; the next run does the rest", () =>
  withFolder(async (folder) => {
    const out = join(folder, "captions.db");
    const args = ["--phantoms=12", "--slices-per-volume=24", `--out=${out}`];
    const program = startProgram(PROGRAM, args);
    await program.printed(/captioning \d/);
    program.kill("SIGINT");
    const { code, stdout } = await program.ended;
    assert.equal(code, 130, stdout);
    assert.match(stdout, /Ended early: stopped from outside\. To go on, run the same again/);
    const kept = recordsOf(out);
    assert.ok(kept.length > 0 && kept.length < 288, `${kept.length} captions prove nothing`);
    const rest = await runProgramFile(PROGRAM, args);
    assert.equal(rest.code, 0, rest.stderr);
    assert.match(rest.stdout, new RegExp(`^${288 - kept.length} captions made`, "m"));
  }));

Deno.test("caption --max-requests: stops at the limit with exit code 0, and says so", () =>
  withFolder(async (folder) => {
    const out = join(folder, "captions.db");
    const { code, stdout } = await runProgramFile(PROGRAM, [...FEW, `--out=${out}`, "--max-requests=5"]);
    assert.equal(code, 0);
    assert.match(stdout, /5 captions made[\s\S]*Ended early: 5 of at most 5 requests were sent/);
    assert.equal(recordsOf(out).length, 5);
  }));

Deno.test("caption --dry-run: shows a caption, and writes nothing", () =>
  withFolder(async (folder) => {
    const { code, stdout } = await runProgramFile(PROGRAM, [...FEW, `--out=${join(folder, "c.db")}`, "--dry-run"]);
    assert.equal(code, 0);
    assert.match(stdout, /No slice leaves this process[\s\S]*(CT|MR)[\s\S]*no caption was written/);
    assert.deepEqual(await readdir(folder), []);
  }));

Deno.test("pretrain --captions: learns the captions that deno task caption made, and measures none", () =>
  withFolder(async (folder) => {
    const [out, run] = [join(folder, "captions.db"), join(folder, "run")];
    assert.equal((await runProgramFile(PROGRAM, ["--phantoms=6", "--slices-per-volume=6", `--out=${out}`])).code, 0);
    const pretrain = [...TINY_FLAGS, "--steps=2", "--backend=cpu", `--out=${run}`];
    const { code, stdout, stderr } = await runProgramFile("pretrain/main.ts", [...pretrain, `--captions=${out}`]);
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(recordsOf(join(run, "captions.db")), []);
    assert.deepEqual(JSON.parse(await readFile(join(run, "findings.json"), "utf8")), []);
    const absent = await runProgramFile("pretrain/main.ts", [...TINY_FLAGS, `--captions=${join(folder, "no.db")}`]);
    assert.equal(absent.code, 2);
    assert.match(absent.stderr, /Cannot read captions .*no\.db.*deno task caption/);
  }));

Deno.test("caption --review: a page with every slice, its caption and why it is in quarantine; nothing a model said is markup", () =>
  withFolder(async (folder) => {
    const [out, review] = [join(folder, "captions.db"), join(folder, "review.html")];
    const args = [...FEW, `--out=${out}`];
    assert.equal((await runProgramFile(PROGRAM, args)).code, 0);
    {
      using store = CaptionStore.open(out);
      const { origin, sliceHash } = [...store.records()][0]!;
      store.put({
        ...{ sliceHash, captionerId: "evil", text: `<script>alert("1")</script>`, createdAt: new Date().toISOString() },
        ...{ origin: origin!, status: "quarantined", reason: "html: <img src=x onerror=y>" },
      });
    }
    assert.equal((await runProgramFile(PROGRAM, [...args, `--review=${review}`])).code, 0);
    const text = await readFile(review, "utf8");
    assert.equal(text.match(/<figure>/g)!.length, 25);
    assert.equal(text.match(/<img /g)!.length, 25);
    assert.ok(!/<script|onerror=y>|https?:/i.test(text));
    assert.ok(text.includes("&#60;script&#62;") && text.includes("html: &#60;img src=x"));
    for (const { text: caption } of recordsOf(out).slice(1, 5)) assert.ok(text.includes(caption.slice(0, 20)));
    assert.ok(renderReview([], { stored: 0, quarantined: 0 }).includes("0 good captions"));
  }));

Deno.test("caption: wrong usage ends with exit code 2, names the nearest name and writes nothing", () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, "typo.json"), `{ "inFlght": 3 }`);
    const cases: [readonly string[], RegExp][] = [
      [["--modle=x"], /unknown option '--modle=x'[\s\S]*Did you mean --model\?/],
      [["--planes=axial,oblique"], /"planes\.1" is "oblique"/],
      [["--shard=3/2"], /no such shard: got 3\/2/],
      [["--shard=0/2"], /"shard" is "0\/2"/],
      [["--captioner", "gpt"], /unknown captioner: got "gpt"/],
      [["--in-flight=0"], /"inFlight" is 0/],
      [["--max-cost=lots"], /Expected a number/],
      [[`--config=${join(folder, "typo.json")}`], /unknown key "inFlght"\. Did you mean "inFlight"\?/],
      [["merge", "a.db"], /required option '--out/],
    ];
    for (const [args, expected] of cases) {
      const own = args[0] === "merge" ? [] : [`--out=${join(folder, "c.db")}`];
      const { code, stderr, stdout } = await runProgramFile(PROGRAM, [...args, ...own]);
      assert.match(stderr, expected, args.join(" "));
      assert.equal(code, 2, `${args.join(" ")}: ${stdout}${stderr}`);
    }
    assert.deepEqual(await readdir(folder), ["typo.json"]);
  }));
