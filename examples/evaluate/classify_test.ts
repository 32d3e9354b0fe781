import { strict as assert } from "node:assert";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ProgramResult, runProgramFile, withFolder } from "../_shared/testing/program.ts";

/** Evaluates two tables. */
async function evaluate(
  folder: string,
  { predictions, references, flags = [] }: { predictions: string; references: string; flags?: readonly string[] },
): Promise<ProgramResult> {
  await writeFile(join(folder, "predictions.csv"), predictions);
  await writeFile(join(folder, "references.csv"), references);
  return await runProgramFile("evaluate/main.ts", [
    "--task=classify",
    `--predictions=${join(folder, "predictions.csv")}`,
    `--references=${join(folder, "references.csv")}`,
    "--resamples=200",
    ...flags,
  ]);
}

const classes = `case,benign,malignant
a,0.9,0.1
b,0.2,0.8
c,0.6,0.4
d,0.3,0.7
stray,0.5,0.5
`;

Deno.test("evaluate --task classify: measures classes, counts a missing prediction as wrong, writes tables and a page", () =>
  withFolder(async (folder) => {
    const out = join(folder, "out");
    const references = "case,label\na,benign\nb,malignant\nc,1\nd,malignant\ne,benign\n";
    const { code, stdout } = await evaluate(folder, { predictions: classes, references, flags: [`--out=${out}`] });
    assert.equal(code, 1);
    assert.match(stdout, /multiclass, 5 cases of 5 subjects/);
    assert.match(stdout, /1 without prediction: each counts as wrong with certainty/);
    assert.match(stdout, /accuracy +0\.600/);
    assert.match(stdout, /benign +1 +1\nmalignant +1 +2/);
    assert.match(stdout, /error \[missing-prediction\].*no prediction of e\./);
    assert.match(stdout, /warning \[missing-reference\].*no reference of stray/);
    assert.deepEqual((await readdir(out)).sort(), ["evaluation.json", "report.html", "summary.csv"]);
    assert.match(await readFile(join(out, "summary.csv"), "utf8"), /^measure,value,low,high\n"AUROC, macro",0\.5/);
    assert.match(await readFile(join(out, "report.html"), "utf8"), /<h2>Confusion<\/h2>/);
  }));

Deno.test("evaluate --task classify: one class alone has no AUROC and says so", () =>
  withFolder(async (folder) => {
    const { code, stdout } = await evaluate(folder, {
      predictions: classes.replace("stray,0.5,0.5\n", ""),
      references: "case,label\na,benign\nb,benign\nc,benign\nd,benign\n",
    });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /AUROC, macro +not defined/);
    assert.match(stdout, /kappa +0\.000/);
  }));

Deno.test("evaluate --task classify: questions with unknown answers, by subject", () =>
  withFolder(async (folder) => {
    const { code, stdout } = await evaluate(folder, {
      predictions: "case,oedema,effusion\na,0.9,0.2\nb,0.3,0.6\nc,0.8,0.1\nd,0.2,0.9\n",
      references: "case,subject,effusion,oedema\na,p1,0,1\nb,p1,1,0\nc,p2,,1\nd,p2,1,0\n",
      flags: ["--json"],
    });
    assert.equal(code, 0, stdout);
    const { settings, subjects, measures, details } = JSON.parse(stdout);
    assert.deepEqual([settings.kind, subjects, details.labels[1].cases], ["multilabel", 2, 3]);
    assert.equal(measures["AUROC, macro"].estimate, 1);
    assert.equal(measures["all answers right"].estimate, 1);
  }));

Deno.test("evaluate --unit subject: the mean over a subject's cases is scored; one without a prediction makes the subject wrong", () =>
  withFolder(async (folder) => {
    const predictions = "case,well,ill\na,0.9,0.1\nb,0.2,0.8\nc,0.6,0.4\nd,0.1,0.9\ne,0.8,0.2\n";
    const references = "case,subject,label\na,p1,ill\nb,p1,ill\nc,p2,ill\nd,p2,ill\ne,p3,well\nf,p3,well\n";
    const flags = ["--unit=subject", "--json"];
    const { code, stdout } = await evaluate(folder, { predictions, references, flags });
    assert.equal(code, 1); // f has no prediction
    const { cases, subjects, missing, details } = JSON.parse(stdout);
    assert.deepEqual([cases, subjects, missing, details.cases], [6, 3, 1, 3]);
    assert.deepEqual(details.confusion, [[0, 1], [1, 1]]); // p1: 0.55 well; p2: 0.65 ill; p3: wrong with certainty
    const text = await evaluate(folder, { predictions, references, flags: flags.slice(0, 1) });
    assert.match(text.stdout, /6 cases of 3 subjects, each subject scored once, by the mean/);
    const grades = await evaluate(folder, {
      predictions: "case,grade\na,1\nb,2\n",
      references: "case,subject,grade\na,p,1\nb,p,1\n",
      flags: ["--unit=subject", "--kind=ordinal"],
    });
    assert.equal(grades.code, 2);
    assert.match(grades.stderr, /a mean of grades is no grade/);
  }));

Deno.test("evaluate --task classify: grades and numbers", () =>
  withFolder(async (folder) => {
    const references = "case,grade\na,0\nb,1\nc,2\nd,2\n";
    const grades = await evaluate(folder, {
      predictions: "case,grade\na,0\nb,2\nc,2\n",
      references,
      flags: ["--kind=ordinal"],
    });
    assert.equal(grades.code, 1); // d has no prediction: the farthest grade, 0
    assert.match(grades.stdout, /mean absolute error +0\.750/);
    const numbers = await evaluate(folder, {
      predictions: "case,ml\na,1\nb,2\nc,2.5\nd,2\n",
      references,
      flags: ["--kind=regression"],
    });
    assert.equal(numbers.code, 0, numbers.stdout);
    assert.match(numbers.stdout, /mean absolute error +0\.625/);
    assert.match(numbers.stdout, /bias +0\.625/);
  }));

Deno.test("evaluate --task classify: wrong tables end with 2 and say what is expected", () =>
  withFolder(async (folder) => {
    const refused = async (
      pattern: RegExp,
      predictions: string,
      references: string,
      flags: string[] = [],
    ): Promise<void> => {
      const { code, stderr } = await evaluate(folder, { predictions, references, flags });
      assert.equal(code, 2, stderr);
      assert.match(stderr, pattern);
    };
    await refused(/got the class "cyst", expected one of benign, malignant/, classes, "case,label\na,cyst\n");
    await refused(/case "a" stands there twice/, classes, "case,label\na,benign\na,benign\n");
    await refused(/Cannot tell what was predicted/, "case,p\na,0.3\n", "case,label\na,1\n");
    await refused(/got "much", expected a number/, "case,p\na,much\n", "case,p\na,1\n", ["--kind=regression"]);
  }));
