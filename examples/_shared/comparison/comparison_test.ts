import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import { withFolder } from "../testing/program.ts";
import { listCells, listPretrainings } from "./cells.ts";
import { armsTable, compareMetrics, comparisonText, renderComparison, worstTable } from "./comparison_report.ts";
import { compareScores, lossObservations, measuresOf, type ScoredRun } from "./compare_scores.ts";
import { pretrainingDifferences, pretrainingTable } from "./pretraining_figures.ts";
import { selectCells, type Selection } from "./select_cells.ts";
import { lockFolder } from "./lock_folder.ts";
import { opponents, parseProtocol } from "./protocol.ts";
import { missingRuns, standing } from "./run_comparison.ts";
import { compareArms, type Observation, summariseArms } from "./summarise.ts";

/** Both against "a". */
const A = new Map([["b", "a"]]);

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
  refused(
    { arms: { a: {}, b: { against: "c" } } },
    /"arms.b.against" is "c", which is no arm. Did you mean "a"\? Arms: a, b/,
  );
  refused({ arms: { a: { against: "a" } } }, /arm "a" is held against itself/);
  refused({ arms: { a: { finetuning: null } } }, /arm "a" is neither pretrained nor fine-tuned/);
  refused({ pretrainingSeeds: 3 }, /"pretrainingSeeds" is 3, but there are 2 seeds/);
  refused(
    { arms: { a: {}, b: { finetuning: { task: "classify" } } } },
    /arms learn different things: "a" segment; "b" classify, target classes, unit case/,
  );
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
  const [row] = compareArms(observed, A);
  assert.deepEqual([row!.arm, row!.against, row!.test!.larger, row!.test!.smaller, row!.seeds], ["b", "a", 3, 0, [
    0,
    1,
  ]]);
  close(row!.difference.estimate, 0.2);
  assert.ok(row!.difference.low >= 0.1 - 1e-9 && row!.difference.high <= 0.3 + 1e-9);
  close(row!.test!.pValue, 0.25); // three subjects, all above: 2 of 8 choices of signs
});

Deno.test("compareArms: takes the seeds that both have and refuses different test scans", () => {
  const observed = observations(() => 0.1);
  const oneSeed = observed.filter(({ arm, seed }) => arm === "a" || seed === 1);
  assert.deepEqual(compareArms(oneSeed, A)[0]!.seeds, [1]);
  const oneScanLess = observed.filter(({ arm, id }) => arm === "a" || id !== "s2");
  assert.throws(() => compareArms(oneScanLess, A), /evaluated on different scans: got 3 and 4/);
  const otherSplit = observed.filter(({ id, seed }) => id !== "s2" || seed === 0);
  assert.throws(() => compareArms(otherSplit, A), /scan s2 was evaluated in 1 of 2 seeds/);
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
    against: A,
    missing: [],
    pretrained: [],
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

const places = { out: "out", data: null };

Deno.test("listPretrainings: arms with the same settings share one, as do seeds where the protocol says so", () => {
  const protocol = parseProtocol({
    ...PROTOCOL,
    arms: {
      robust: { pretraining: {} },
      frozen: { pretraining: { preset: "robust" }, finetuning: { freeze: "encoder" } },
      noisy: { pretraining: { captionNoise: 0.6 }, finetuning: null, against: "robust" },
    },
    seeds: [0, 1, 2],
    pretrainingSeeds: 2,
  }, "protocol");
  const pretrainings = listPretrainings(protocol, places);
  assert.deepEqual(
    pretrainings.map(({ arm, seed, forSeeds, alone }) => [arm, seed, forSeeds, alone]),
    ["robust", "frozen", "noisy"].flatMap((arm) => [
      [arm, 0, [0, 2], arm === "noisy"],
      [arm, 1, [1], arm === "noisy"],
    ]),
  );
  const foldersOf = (name: string): string[] => pretrainings.flatMap(({ arm, folder }) => arm === name ? [folder] : []);
  assert.deepEqual(foldersOf("robust"), foldersOf("frozen"));
  assert.notDeepEqual(foldersOf("robust"), foldersOf("noisy"));
  const cells = listCells(protocol, places);
  assert.equal(cells.length, 12, "the noisy arm is not fine-tuned");
  for (const { pretraining, seed } of cells) assert.equal(pretraining!.folder, foldersOf("robust")[seed % 2]);
  assert.deepEqual([...opponents(protocol)], [["frozen", "robust"], ["noisy", "robust"]]);
});

Deno.test("selectCells: arms, shares and seeds of a part; what the protocol has not is refused with the nearest name", async () => {
  const protocol = parseProtocol({
    ...PROTOCOL,
    arms: { ...PROTOCOL.arms, noisy: { pretraining: { captionNoise: 0.3 }, finetuning: null } },
  }, "protocol");
  const all = { cells: listCells(protocol, places), pretrainings: listPretrainings(protocol, places) };
  const namesOf = (selection: Selection): string[] =>
    selectCells(all, protocol, selection).map(({ folder }) => folder.replace(/^.*\/|-[0-9a-f]{8}$/g, ""));
  assert.equal(namesOf({}).length, 10);
  assert.deepEqual(namesOf({ only: ["robust", "noisy"], labels: [1], seeds: [1] }), [
    "noisy-seed1",
    "robust-labels1-seed1",
  ]);
  const runs = await missingRuns(selectCells(all, protocol, { only: ["robust"], seeds: [0] }));
  assert.deepEqual(runs.map(({ program }) => program), ["pretrain", "finetune", "finetune"]);
  const refused = (selection: Selection, message: RegExp): void =>
    assert.throws(() => namesOf(selection), (error) => error instanceof UsageError && message.test(error.message));
  refused(
    { only: ["robst"] },
    /--only names "robst", which is no arm. Did you mean "robust"\? Arms: scratch, robust, noisy/,
  );
  refused({ labels: [0.2] }, /--labels names 0.2, expected some of the protocol's: 0.1, 1/);
  refused({ seeds: [4] }, /--seeds names 4, expected some of the protocol's: 0, 1/);
});

/** What a run said of six subjects, three of each class: the probability of class 1. */
function scored(arm: string, seed: number, positive: readonly number[]): ScoredRun {
  const cases = positive.map((share, i) => ({
    id: `s${i}`,
    subject: `s${i}`,
    actual: [Number(i >= 3)],
    predicted: [1 - share, share],
  }));
  return { arm, labels: 1, seed, cases };
}

const SCORED = [
  scored("a", 0, [0.1, 0.2, 0.7, 0.3, 0.8, 0.9]), // 8 of 9 pairs in order, one of each class on the wrong side of a half
  scored("a", 1, [0.1, 0.2, 0.4, 0.6, 0.8, 0.9]),
  scored("b", 0, [0.6, 0.7, 0.8, 0.1, 0.2, 0.9]), // 3 of 9
  scored("b", 1, [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]), // none
];

Deno.test("compareScores: AUROC and balanced accuracy over seeds, differences drawn by subject", () => {
  const comparisons = compareScores(SCORED, "classes", A);
  const of = (name: string) => comparisons.find(({ metric }) => metric === name)!;
  const [a, b] = of("AUROC").arms;
  assert.deepEqual([a!.bySeed, b!.bySeed], [[8 / 9, 1], [3 / 9, 0]]);
  const [row] = of("AUROC").paired;
  assert.deepEqual([row!.arm, row!.against, row!.seeds, row!.test], ["b", "a", [0, 1], undefined]);
  const { estimate, low, high } = row!.difference;
  assert.ok(Math.abs(estimate - (1.5 / 9 - 8.5 / 9)) < 1e-12);
  assert.ok(low < estimate && estimate < high && high < 0 && low >= -1, `${low} ${high}`);
  assert.deepEqual(of("balanced accuracy").arms.map(({ bySeed }) => bySeed), [[2 / 3, 1], [1 / 6, 0]]);
  const otherScans = SCORED.map((run) => run.arm === "a" ? run : { ...run, cases: run.cases.slice(0, 5) });
  assert.throws(() => compareScores(otherScans, "classes", A), /evaluated on different scans: got 5 and 6/);
});

Deno.test("compareScores: a measure that does not exist is in no table", () => {
  const oneClass = SCORED.map((run) => ({ ...run, cases: run.cases.slice(0, 3) }));
  const [auroc, balanced] = compareScores(oneClass, "classes", A);
  assert.deepEqual([auroc!.metric, auroc!.arms, auroc!.paired], ["AUROC", [], []]);
  assert.equal(balanced!.paired.length, 1);
});

Deno.test("lossObservations: the loss of each target by hand, the worst case first in the report", () => {
  const loss = lossObservations(SCORED, "classes");
  assert.deepEqual(worstTable(loss)[1]!.slice(0, 1), ["s3"]);
  const valueOf = (target: Parameters<typeof lossObservations>[1], actual: number[], predicted: number[]): number =>
    lossObservations([{ ...SCORED[0]!, cases: [{ id: "x", subject: "x", actual, predicted }] }], target)
      .observations[0]!
      .value;
  assert.equal(valueOf("classes", [1], [0.75, 0.25]), Math.log(4));
  assert.equal(valueOf("ordinal", [2], [0.5, 0.5, 0]), -Math.log(1e-15));
  assert.equal(valueOf("labels", [1, 0], [0.5, 0.75]), (Math.log(2) + Math.log(4)) / 2);
  assert.equal(valueOf("values", [3, 5], [2, 8]), 2);
});

Deno.test("measuresOf: each target has its own", () => {
  const grades = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((predicted, i) => ({
    id: `${i}`,
    subject: `${i}`,
    actual: [i],
    predicted,
  }));
  assert.equal(measuresOf(grades, "ordinal")["quadratic kappa"], 1);
  const values = grades.map((one, i) => ({ ...one, predicted: [i + 1] }));
  assert.equal(measuresOf(values, "values")["mean absolute error"], 1);
  const labels = grades.map((one, i) => ({ ...one, actual: [Number(i > 0)], predicted: [i / 2] }));
  assert.equal(measuresOf(labels, "labels")["AUROC"], 1);
});

Deno.test("pretraining tables: mean ± deviation, chance, and what noise takes away, seed by seed", () => {
  const model = (arm: string, seed: number, recallAt1: number, folder = `${arm}${seed}`) => ({
    arm,
    seed,
    folder,
    values: [recallAt1, 40, 5, 60, 0.5, 0.01],
    chance: [0.4, 2, 8, 40, undefined, undefined],
  });
  const pretrained = [model("clean", 0, 12), model("clean", 1, 14), model("noisy", 0, 10), model("noisy", 1, 9)];
  const [, clean, noisy, chance] = pretrainingTable(pretrained);
  assert.deepEqual(clean!.slice(0, 3), ["clean", "2", "13.00 ± 1.41"]);
  assert.deepEqual(noisy!.slice(0, 3), ["noisy", "2", "9.50 ± 0.7071"]);
  assert.deepEqual(chance!.slice(2), ["0.4000", "2.00", "8.00", "40.00", "", ""]);
  const [, fall] = pretrainingDifferences(pretrained, new Map([["noisy", "clean"]]));
  assert.deepEqual(fall!.slice(0, 4), ["noisy", "clean", "2", "−3.50 ± 2.12"]);
  const shared = [model("clean", 0, 12), model("frozen", 0, 12, "clean0")];
  assert.equal(pretrainingDifferences(shared, new Map([["frozen", "clean"]])).length, 1, "one model, no difference");
});
