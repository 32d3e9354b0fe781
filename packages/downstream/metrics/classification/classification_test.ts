import assert from "node:assert/strict";
import fc from "fast-check";
import fixture from "../../testdata/metrics_classification.json" with { type: "json" };
import { uniform } from "../../testdata/metrics_cases.ts";
import { brierScore, measureCalibration, multiclassBrierScore } from "./calibration.ts";
import { confusionMatrix, measureConfusion } from "./confusion_matrix.ts";
import { evaluateMulticlass } from "./evaluate_multiclass.ts";
import { evaluateMultilabel } from "./evaluate_multilabel.ts";
import { evaluateOrdinal } from "./evaluate_ordinal.ts";
import { averagePrecision, rocAuc } from "./ranking.ts";
import { evaluateRegression } from "./regression.ts";

function assertClose(actual: number | null, expected: number | null, what: string): void {
  if (expected === null) return assert.equal(actual, null, what);
  assert.ok(Math.abs(actual! - expected) <= 1e-10 * Math.max(1, Math.abs(expected)), `${what}: ${actual}, ${expected}`);
}

type Case = (typeof fixture.multiclass)[number];

/** The data of a case, as tools/oracles/downstream_metrics.py makes them. */
function dataOf({ seed, cases, classes, steps, absent }: Case): { probabilities: number[][]; actual: number[] } {
  const noise = uniform(101 + seed, cases * classes);
  const actual = Array.from(uniform(201 + seed, cases), (value) => Math.floor(value * classes))
    .map((label) => absent.some((gone) => gone === label) ? 0 : label);
  const helped = uniform(301 + seed, cases);
  const probabilities = actual.map((label, i) => {
    const row = Array.from({ length: classes }, (_, k) => Math.floor(noise[i * classes + k]! * steps) / steps + 0.05);
    if (helped[i]! < 0.6) row[label]! += 0.4;
    const sum = row.reduce((total, value) => total + value, 0);
    return row.map((value) => value / sum);
  });
  return { probabilities, actual };
}

Deno.test("evaluateMulticlass gives scikit-learn's values, ties and absent classes included", () => {
  for (const entry of fixture.multiclass) {
    const { expected } = entry;
    const { probabilities, actual } = dataOf(entry);
    const scores = evaluateMulticlass(probabilities, actual);
    const name = `case ${entry.seed}`;
    assert.deepEqual(scores.confusion, expected.confusion, name);
    expected.rocAuc.forEach((value, label) =>
      assertClose(scores.rocAuc.perClass[label]!, value, `${name}, AUROC ${label}`)
    );
    expected.averagePrecision.forEach((value, label) =>
      assertClose(scores.averagePrecision.perClass[label]!, value, `${name}, average precision ${label}`)
    );
    assertClose(scores.rocAuc.weighted, expected.weightedRocAuc, `${name}, weighted AUROC`);
    for (
      const measure of [
        "accuracy",
        "balancedAccuracy",
        "macroF1",
        "weightedF1",
        "kappa",
        "quadraticKappa",
        "brier",
        "logLoss",
      ] as const
    ) assertClose(scores[measure], expected[measure], `${name}, ${measure}`);
    assertClose(scores.calibration.expectedError, expected.calibrationError, `${name}, calibration`);
    assertClose(scores.quadraticKappa, expected.quadraticKappa, `${name}, kappa`);
    const predicted = probabilities.map((row) => row.indexOf(Math.max(...row)));
    const ordinal = evaluateOrdinal(predicted, actual, entry.classes);
    assertClose(ordinal.meanAbsoluteError, expected.meanAbsoluteError, `${name}, grades`);
    assertClose(ordinal.quadraticKappa, expected.quadraticKappa, `${name}, grades`);
    if ("binaryBrier" in expected) {
      const brier = brierScore(probabilities.map((row) => row[1]!), actual);
      assertClose(brier, expected.binaryBrier as number, `${name}, Brier`);
      assertClose(multiclassBrierScore(probabilities, actual), 2 * brier, `${name}, Brier`);
    }
    const existing = expected.rocAuc.flatMap((value) => value ?? []);
    assertClose(
      scores.rocAuc.macro,
      existing.reduce((sum, value) => sum + value, 0) / existing.length,
      `${name}, macro`,
    );
  }
});

Deno.test("evaluateRegression gives scikit-learn's and SciPy's values", () => {
  for (const { seed, cases, expected } of fixture.regression) {
    const actual = Array.from(uniform(401 + seed, cases), (value) => 40 + 30 * value);
    const noise = uniform(501 + seed, cases);
    const scores = evaluateRegression(actual.map((value, i) => value * 0.8 + 12 * noise[i]!), actual);
    for (const measure of ["meanAbsoluteError", "rootMeanSquaredError", "rSquared", "pearson"] as const) {
      assertClose(scores[measure], expected[measure], `case ${seed}, ${measure}`);
    }
  }
  const { rSquared, pearson, bias } = evaluateRegression([1, 2], [3, 3]);
  assert.deepEqual([rSquared, pearson, bias], [null, null, -1.5]);
});

Deno.test("rocAuc counts pairs, ties half, whatever grows with the scores", () => {
  const cases = fc.array(fc.tuple(fc.integer({ min: -4, max: 4 }), fc.boolean()), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(cases, (list) => {
    const [scores, positive] = [list.map(([score]) => score), list.map(([, is]) => is)];
    const wins = list.flatMap(([high, is]) =>
      list.filter(([, other]) => is && !other).map(([low]) => Number(high > low) + Number(high === low) / 2)
    );
    const expected = wins.length === 0 ? null : wins.reduce((sum, win) => sum + win, 0) / wins.length;
    assertClose(rocAuc(scores, positive), expected, "pairs");
    assert.equal(rocAuc(scores.map((score) => Math.exp(score)), positive), rocAuc(scores, positive));
    const turned = rocAuc(scores.map((score) => -score), positive);
    assertClose(turned, expected === null ? null : 1 - expected, "turned");
  }));
});

Deno.test("rocAuc and averagePrecision do not exist for one class alone", () => {
  for (const measure of [rocAuc, averagePrecision]) {
    assert.equal(measure([0.2, 0.9], [1, 1]), null);
    assert.equal(measure([0.2, 0.9], [0, 0]), null);
    assert.equal(measure([0.2, 0.9], [0, 1]), 1);
  }
  const scores = evaluateMulticlass([[0.9, 0.1], [0.6, 0.4]], [0, 0]);
  assert.deepEqual([scores.rocAuc.macro, scores.averagePrecision.weighted, scores.kappa], [null, null, null]);
  assert.deepEqual([scores.accuracy, scores.balancedAccuracy, scores.macroF1], [1, 1, 1]);
  assert.deepEqual(scores.classes[1], { support: 0, sensitivity: null, specificity: 1, precision: null, f1: null });
});

Deno.test("measureConfusion counts a class that is missed as 0", () => {
  const { classes, macroF1 } = measureConfusion(confusionMatrix([0, 0, 0], [0, 0, 1], 2));
  assert.deepEqual([classes[1]!.f1, classes[1]!.precision, classes[1]!.sensitivity], [0, 0, 0]);
  assert.ok(Math.abs(macroF1 - 0.4) < 1e-12);
});

Deno.test("evaluateMultilabel scores each question over the cases whose answer is known", () => {
  const probabilities = [[0.9, 0.2, 0.3], [0.4, 0.6, 0.9], [0.7, 0.1, 0.8], [0.2, 0.3, 0.6]];
  const actual = [[1, 0, null], [0, 0, null], [0, 0, null], [1, 0, null]];
  const { labels: [first, second, third], rocAuc: area, subsetAccuracy, f1 } = evaluateMultilabel(
    probabilities,
    actual,
  );
  assert.deepEqual([first!.cases, first!.positives, first!.rocAuc, first!.f1], [4, 2, 0.5, 0.5]);
  assert.deepEqual([first!.sensitivity, first!.specificity, first!.balancedAccuracy], [0.5, 0.5, 0.5]);
  assert.ok(Math.abs(first!.brier! - (0.01 + 0.16 + 0.49 + 0.64) / 4) < 1e-12);
  assert.deepEqual([second!.rocAuc, second!.f1, second!.accuracy, second!.sensitivity], [null, 0, 0.75, null]);
  assert.deepEqual([third!.cases, third!.brier, third!.accuracy, third!.calibration], [0, null, null, null]);
  assert.deepEqual([area.perClass, area.macro, subsetAccuracy], [[0.5, null, null], 0.5, null]);
  assert.deepEqual(f1.perClass, [0.5, 0, null]);
  const known = evaluateMultilabel([[0.9, 0.1], [0.3, 0.6]], [[1, 0], [0, 0]]);
  assert.equal(known.subsetAccuracy, 0.5);
});

Deno.test("measureCalibration puts each confidence into the bin that it closes", () => {
  const { bins, expectedError, maximumError } = measureCalibration([0, 0.5, 0.51, 1], [0, 1, 1, 1], { bins: 2 });
  assert.deepEqual(bins.map(({ cases }) => cases), [2, 2]);
  assert.deepEqual([bins[0]!.accuracy, bins[0]!.confidence], [0.5, 0.25]);
  assert.ok(Math.abs(expectedError - (0.25 + 0.245) / 2) < 1e-12);
  assert.ok(Math.abs(maximumError - 0.25) < 1e-12);
});

Deno.test("classification scores refuse what they cannot measure", () => {
  const refuse = (body: () => unknown, message: RegExp): void => assert.throws(body, { name: "RangeError", message });
  refuse(() => rocAuc([], []), /do not pair up: got 0 and 0/);
  refuse(() => rocAuc([1], [1, 0]), /do not pair up: got 1 and 2/);
  refuse(() => averagePrecision([NaN], [1]), /a value is no number: got NaN/);
  refuse(() => confusionMatrix([0], [2], 2), /a label is no class: got 2, expected a whole number from 0 to 1/);
  refuse(() => measureConfusion([[0, 0], [0, 0]]), /bad matrix: got 2 rows and 0 cases/);
  refuse(() => measureConfusion([[1, 0]]), /bad matrix/);
  refuse(() => evaluateMulticlass([[1]], [0]), /too few classes: got 1/);
  refuse(() => evaluateMulticlass([[0.5, 0.6]], [0]), /do not sum to 1: got 1.1/);
  refuse(() => evaluateMulticlass([[0.5, 0.5], [1]], [0, 0]), /wrong number of probabilities: got 1, expected 2/);
  refuse(() => multiclassBrierScore([[0.5, 0.5]], [3]), /a label is no class: got 3/);
  refuse(() => brierScore([1.2], [1]), /a value is no probability: got 1.2/);
  refuse(() => measureCalibration([0.5], [1], { bins: 0 }), /bad number of bins: got 0/);
  refuse(() => evaluateMultilabel([[0.5]], [[2]]), /bad answers of a case: got \[2\]/);
  refuse(() => evaluateMultilabel([[0.5]], [[1, 0]]), /bad answers of a case: got \[1,0\]/);
  refuse(() => evaluateRegression([1], [Infinity]), /a value is no number: got Infinity/);
});
