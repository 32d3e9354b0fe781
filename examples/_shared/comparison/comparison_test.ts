import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import { withFolder } from "../testing/program.ts";
import { listCells } from "./cells.ts";
import { armsTable, compareMetrics, comparisonText, renderComparison, worstTable } from "./comparison_report.ts";
import { lockFolder } from "./lock_folder.ts";
import { parseProtocol } from "./protocol.ts";
import { missingRuns, standing } from "./run_comparison.ts";
import { compareArms, type Observation, summariseArms } from "./summarise.ts";

const PROTOCOL = {
  out: "runs",
  arms: { scratch: {}, robust: { pretraining: { preset: "robust" } } },
  labels: [0.1, 1],
  seeds: [0, 1],
  pretraining: { steps: 10 },
  finetuning: { steps: 20 },
};

Deno.test("parseProtocol: refuses what no run could follow, before any runs", () => {
  const refused = (changes: object, message: RegExp): void =>
    assert.throws(() => parseProtocol({ ...PROTOCOL, ...changes }, "protocol"), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  refused({ arm: {} }, /unknown key "arm". Did you mean "arms"/);
  refused({ arms: {} }, /no arm/);
  refused({ baseline: "balanced" }, /"baseline" is "balanced", which is no arm. Arms: scratch, robust/);
  refused({ seeds: [1, 1] }, /"seeds" names a value twice/);
  refused({ labels: [0] }, /labels/);
  refused({ pretraining: { step: 3 } }, /pretraining of arm "robust": unknown key "step". Did you mean "steps"/);
  refused({ arms: { scratch: { finetuning: { loss: "dic" } } } }, /finetuning of arm "scratch": "loss" is "dic"/);
  refused({ finetuning: { seed: 3 } }, /"seed" stands in the finetuning of arm "scratch"/);
  assert.equal(parseProtocol(PROTOCOL, "protocol").baseline, "scratch");
});

Deno.test("listCells: every arm, share and seed once; a changed setting moves only the runs that it changes", async () => {
  const cells = listCells(parseProtocol(PROTOCOL, "protocol"), { out: "out", data: null });
  assert.equal(cells.length, 8);
  assert.equal(new Set(cells.map(({ folder }) => folder)).size, 8);
  const runs = await missingRuns((await standing(cells)).missing);
  assert.equal(runs.length, 10, "one pretraining per seed, shared by both shares");
  const [pretraining] = runs.filter(({ program }) => program === "pretrain");
  assert.equal(runs[runs.indexOf(pretraining!) + 1]!.configuration["weights"], pretraining!.folder);
  const foldersOf = (changes: object): string[] =>
    listCells(parseProtocol({ ...PROTOCOL, ...changes }, "protocol"), { out: "out", data: null }).map(({ folder }) =>
      folder
    );
  const before = cells.map(({ folder }) => folder);
  const longer = foldersOf({ pretraining: { steps: 11 } });
  assert.deepEqual(before.map((folder, i) => folder === longer[i]), cells.map(({ arm }) => arm === "scratch"));
  assert.ok(foldersOf({ finetuning: { steps: 21 } }).every((folder) => !before.includes(folder)));
});

/** Three subjects, the third with two scans; arm "b" is better by `gain` of the scan. */
function observations(gain: (id: string, seed: number) => number): Observation[] {
  const scans = [["s1", "s1"], ["s2", "s2"], ["s3-left", "s3"], ["s3-right", "s3"]] as const;
  return [0, 1].flatMap((seed) =>
    scans.flatMap(([id, subject], i) => {
      const base = { id, subject, seed, labels: 0.1 };
      const value = 0.5 + 0.1 * i + 0.02 * seed;
      return [{ ...base, arm: "a", value }, { ...base, arm: "b", value: value + gain(id, seed) }];
    })
  );
}

Deno.test("summariseArms, compareArms: means over scans, deviation over seeds, differences by subject", () => {
  const observed = observations((id, seed) => (id.startsWith("s3") ? 0.3 : 0.1) + (seed === 0 ? 0.01 : -0.01));
  const [a, b] = summariseArms(observed);
  assert.deepEqual([a!.arm, a!.seeds], ["a", [0, 1]]);
  const close = (got: number, expected: number): void =>
    assert.ok(Math.abs(got - expected) < 1e-12, `${got} ${expected}`);
  close(a!.mean, 0.66);
  close(a!.deviation!, 0.02 / Math.SQRT2);
  close(b!.mean, 0.86);
  const [row] = compareArms(observed, "a");
  assert.deepEqual([row!.arm, row!.larger, row!.smaller, row!.seeds], ["b", 3, 0, [0, 1]]);
  close(row!.difference.estimate, 0.2);
  assert.ok(row!.difference.low >= 0.1 - 1e-9 && row!.difference.high <= 0.3 + 1e-9);
  close(row!.pValue, 0.25); // three subjects, all above: 2 of 8 choices of signs
});

Deno.test("compareArms: takes the seeds that both have and refuses different test scans", () => {
  const observed = observations(() => 0.1);
  const oneSeed = observed.filter(({ arm, seed }) => arm === "a" || seed === 1);
  assert.deepEqual(compareArms(oneSeed, "a")[0]!.seeds, [1]);
  const oneScanLess = observed.filter(({ arm, id }) => arm === "a" || id !== "s2");
  assert.throws(() => compareArms(oneScanLess, "a"), /evaluated on different scans: got 3 and 4/);
  const otherSplit = observed.filter(({ id, seed }) => id !== "s2" || seed === 0);
  assert.throws(() => compareArms(otherSplit, "a"), /scan s2 was evaluated in 1 of 2 seeds/);
});

Deno.test("renderComparison: tables, chart, worst cases and the protocol, escaped", () => {
  const metrics = [
    { metric: "Dice", higherIsBetter: true, observations: observations(() => 0.1) },
    { metric: "HD95 in mm", higherIsBetter: false, observations: observations(() => -0.1) },
  ];
  const more = metrics.map((one) => ({
    ...one,
    observations: [...one.observations, ...one.observations.map((each) => ({ ...each, labels: 1 }))],
  }));
  const content = {
    title: "<b>arms</b>",
    baseline: "a",
    runs: { done: 8, all: 9 },
    metrics: more,
    pictures: [],
    facts: [["made", "today"]],
    protocol: PROTOCOL,
  };
  const comparisons = compareMetrics(content);
  assert.deepEqual(armsTable(comparisons[0]!), [
    ["Dice, mean ± deviation over seeds", "10 % of labels", "100 % of labels"],
    ["a", "0.6600 ± 0.0141 (2)", "0.6600 ± 0.0141 (2)"],
    ["b", "0.7600 ± 0.0141 (2)", "0.7600 ± 0.0141 (2)"],
  ]);
  assert.deepEqual(worstTable(more[0]!)[1]!.slice(0, 4), ["s1", "0.5600", "0.5000", "a"]);
  assert.deepEqual(worstTable(more[1]!)[1]!.slice(0, 2), ["s3-right", "0.7600"]);
  assert.match(comparisonText(content, comparisons), /8 of 9 fine-tunings are done[^]*\+0\.1000/);
  const page = renderComparison(content, comparisons);
  assert.match(page, /&#60;b&#62;arms/);
  assert.equal(page.match(/<svg/g)!.length, 2);
  assert.doesNotMatch(page, /<script|NaN|undefined|Infinity/);
});

Deno.test("lockFolder: one at a time; the claim of a process that is gone is taken over", () =>
  withFolder(async (folder) => {
    {
      await using _held = await lockFolder(folder);
      await assert.rejects(lockFolder(folder), new RegExp(`process ${Deno.pid} does so already`));
    }
    const gone = new Deno.Command("true").spawn();
    await gone.status;
    await writeFile(join(folder, "lock"), String(gone.pid));
    await using _again = await lockFolder(folder);
  }));
