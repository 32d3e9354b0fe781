import { strict as assert } from "node:assert";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, startProgram, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "compare/main.ts";

/** Two arms on a few phantoms, with networks that take seconds. */
const PROTOCOL = {
  title: "Tiny",
  out: "comparison",
  arms: { scratch: {}, robust: { pretraining: {} } },
  labels: [1],
  seeds: [0],
  pretraining: {
    phantoms: 6,
    patch: [16, 16, 16],
    features: [4, 8],
    batch: 2,
    slicesPerVolume: 6,
    questionsPerVolume: 3,
    steps: 4,
    backend: "cpu",
  },
  finetuning: { phantoms: 5, patch: [16, 16, 16], features: [4, 8], steps: 12, checkpointEvery: 2, backend: "cpu" },
};

Deno.test("compare: a stopped comparison goes on, keeps what was done and ends with a report", () =>
  withFolder(async (folder) => {
    const path = join(folder, "protocol.json");
    await writeFile(path, JSON.stringify(PROTOCOL));
    const program = startProgram(PROGRAM, [path]);
    await program.printed(/│ training \d/);
    program.kill("SIGTERM");
    const stopped = await program.ended;
    assert.equal(stopped.code, 130, stopped.stdout + stopped.stderr);
    assert.match(stopped.stdout, /To go on: deno task compare/);
    const list = await runProgramFile(PROGRAM, [path, "--dry-run"]);
    assert.match(
      list.stdout,
      /^missing {2}\S+scratch-labels1-seed0-[0-9a-f]{8}\nmissing {2}\S+pretrain\S+\nmissing {2}\S+robust\S+\n$/,
    );
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [path]);
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(
      stdout,
      /No run to go on from[^]*No run to go on from[^]*No run to go on from/,
      "the first went on",
    );
    const out = join(folder, "comparison");
    const [scratch] = (await readdir(join(out, "finetune"))).filter((name) => /^scratch.*[0-9a-f]{8}$/.test(name));
    const result = join(out, "finetune", scratch!, "evaluation.json");
    const before = (await stat(result)).mtimeMs;
    const again = await runProgramFile(PROGRAM, [path]);
    assert.equal(again.code, 0, again.stderr);
    assert.doesNotMatch(again.stdout, /\[1\//, "nothing is missing");
    assert.equal((await stat(result)).mtimeMs, before, "what was done is not done again");
    assert.match(stdout, /2 of 2 fine-tunings are done/);
    const { comparisons } = JSON.parse(await readFile(join(out, "comparison.json"), "utf8"));
    assert.deepEqual(comparisons[0].arms.map(({ arm }: { arm: string }) => arm).sort(), ["robust", "scratch"]);
    assert.equal(comparisons[0].paired.length, 1);
    assert.match(
      await readFile(join(out, "comparison.csv"), "utf8"),
      /^metric,arm,labels,seed,id,subject,value\nDice,/,
    );
    const page = await readFile(join(out, "report.html"), "utf8");
    assert.match(page, /<img alt="scan"[^]*To repeat it/);
    await assert.rejects(stat(join(out, "lock")));
  }));

Deno.test("compare: a run that fails is named with its log and stops the comparison", () =>
  withFolder(async (folder) => {
    const path = join(folder, "protocol.json");
    await writeFile(path, JSON.stringify({ ...PROTOCOL, arms: { scratch: {} }, data: "nowhere" }));
    const { code, stderr } = await runProgramFile(PROGRAM, [path]);
    assert.equal(code, 1);
    assert.match(stderr, /deno task finetune ended with code [12]\. Its messages: \S+\.log; alone it runs as/);
  }));

/** Classification with arms that share a pretraining, and one that is only pretrained. */
const CLASSIFICATION = {
  ...PROTOCOL,
  arms: {
    scratch: {},
    robust: { pretraining: {} },
    probe: { pretraining: { preset: "robust" }, finetuning: { freeze: "probe" }, against: "robust" },
    noisy: { pretraining: { captionNoise: 0.6 }, finetuning: null, against: "robust" },
  },
  finetuning: { ...PROTOCOL.finetuning, task: "classify", phantoms: 20, heldOutFraction: 0.4 },
};

Deno.test("compare: classification part by part, killed in between, with the pretrained models beside", () =>
  withFolder(async (folder) => {
    const path = join(folder, "protocol.json");
    const out = join(folder, "comparison");
    await writeFile(path, JSON.stringify(CLASSIFICATION));
    const unknown = await runProgramFile(PROGRAM, [path, "--only", "scratch,prob"]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /--only names "prob", which is no arm. Did you mean "probe"\?/);
    const part = await runProgramFile(PROGRAM, [path, "--only", "scratch"]);
    assert.equal(part.code, 0, part.stdout + part.stderr);
    assert.match(part.stdout, /1 of 3 fine-tunings are done\n\nmissing seeds +100 % of labels +pretraining\n/);
    const program = startProgram(PROGRAM, [path]);
    await program.printed(/\[3\/4\] finetune \S+robust/);
    program.kill("SIGTERM");
    assert.equal((await program.ended).code, 130);
    const rest = await runProgramFile(PROGRAM, [path]);
    assert.equal(rest.code, 0, rest.stdout + rest.stderr);
    // the first fine-tuning may have ended before the signal came
    assert.match(rest.stdout, /\[1\/[12]\] finetune [^]*3 of 3 fine-tunings are done/);
    assert.doesNotMatch(rest.stdout, /\[\d\/\d\] pretrain /, "pretrainings were done");
    const folders = (await readdir(join(out, "pretrain"))).filter((name) => /-[0-9a-f]{8}$/.test(name));
    assert.deepEqual(folders.map((name) => name.replace(/-[0-9a-f]+$/, "")).sort(), ["noisy-seed0", "robust-seed0"]);
    const { comparisons, pretrained, missing } = JSON.parse(await readFile(join(out, "comparison.json"), "utf8"));
    assert.deepEqual(missing, []);
    const balanced = comparisons.find(({ metric }: { metric: string }) => metric === "balanced accuracy");
    assert.deepEqual(
      balanced.paired.map(({ arm, against }: Record<string, string>) => [arm, against]),
      [["robust", "scratch"], ["probe", "robust"]],
    );
    const run = (await readdir(join(out, "finetune"))).find((name) => /^scratch.*[0-9a-f]{8}$/.test(name))!;
    const { scores } = JSON.parse(await readFile(join(out, "finetune", run, "evaluation.json"), "utf8"));
    const own = balanced.arms.find(({ arm }: { arm: string }) => arm === "scratch");
    assert.equal(own.mean, scores.balancedAccuracy, "as the run itself says");
    assert.deepEqual(pretrained.map(({ arm }: { arm: string }) => arm), ["robust", "probe", "noisy"]);
    const [, evaluation] = await Promise.all(
      folders.sort().map(async (name) =>
        JSON.parse(await readFile(join(out, "pretrain", name, "evaluation.json"), "utf8"))
      ),
    );
    assert.equal(pretrained[0].figures["modality gap to captions"], evaluation.gapToCaptions);
    assert.match(await readFile(join(out, "pretraining.csv"), "utf8"), /^arm,seed,"?z → caption R@1 %[^]*noisy,0,/);
    const page = await readFile(join(out, "report.html"), "utf8");
    assert.match(page, /The pretrained models[^]*Worst cases[^]*log loss[^]*<img alt="scan"/);
    assert.doesNotMatch(page, /NaN|undefined/);
  }));
