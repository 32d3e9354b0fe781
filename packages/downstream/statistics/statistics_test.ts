import assert from "node:assert/strict";
import fixture from "../testdata/metrics_statistics.json" with { type: "json" };
import type { Word } from "../testdata/metrics_cases.ts";
import { intervalOfDraws } from "./_interval_of_draws.ts";
import { bootstrapInterval } from "./bootstrap_interval.ts";
import { mean, quantile, standardDeviation } from "./describe.ts";
import { normalCdf, normalQuantile, studentCdf, studentQuantile } from "./distributions.ts";
import { holmCorrection } from "./holm_correction.ts";
import { pairedDifference } from "./paired_difference.ts";
import { pairedPermutationTest } from "./paired_permutation.ts";
import { pairedTTest } from "./paired_student.ts";
import { wilcoxonSignedRank } from "./wilcoxon_signed_rank.ts";

function assertClose(actual: number, expected: Word, relative: number, what: string): void {
  assert.ok(
    typeof expected === "number" && Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${what}: ${actual}, ${expected}`,
  );
}

Deno.test("normal and Student's distributions and their quantiles equal SciPy's, far tails included", () => {
  const { student, studentQuantile: quantiles, normal, normalQuantile: normalQuantiles } = fixture.distributions;
  for (const [t, degrees, share] of student) assertClose(studentCdf(t!, degrees!), share!, 1e-12, `t ${t}, ${degrees}`);
  for (const [z, share] of normal) assertClose(normalCdf(z!), share!, 1e-12, `z ${z}`);
  for (const [share, degrees, t] of quantiles) {
    assert.ok(Math.abs(studentQuantile(share!, degrees!) - t!) <= 1e-10 * Math.abs(t!) + 1e-14, `${share}, ${degrees}`);
  }
  for (const [share, z] of normalQuantiles) {
    assert.ok(Math.abs(normalQuantile(share!) - z!) <= 1e-11 * Math.abs(z!) + 1e-14, `${share}`);
  }
  assert.deepEqual([normalQuantile(0), normalQuantile(1), studentQuantile(1.5, 3)], [-Infinity, Infinity, NaN]);
});

Deno.test("paired tests give SciPy's values, exact and approximate, with ties and zeros", () => {
  const methods = new Set<string>();
  for (const { name, a, b, t, wilcoxon, ...more } of fixture.pairs) {
    const student = pairedTTest(a, b);
    assertClose(student.statistic, t.statistic, 1e-9, `${name}, t`);
    assertClose(student.pValue, t.p, 1e-9, `${name}, p of t`);
    assertClose(student.low, t.low, 1e-9, `${name}, low`);
    assertClose(student.high, t.high, 1e-9, `${name}, high`);
    const ranked = wilcoxonSignedRank(a, b);
    assertClose(ranked.statistic, wilcoxon.statistic, 1e-12, `${name}, rank sum`);
    assertClose(ranked.pValue, wilcoxon.p, 1e-9, `${name}, p of rank sum`);
    methods.add(ranked.method);
    if (!("permutation" in more) || !more.permutation) continue;
    const exchanged = pairedPermutationTest(a, b);
    assert.equal(exchanged.method, "exact");
    assertClose(exchanged.statistic, more.permutation.statistic, 1e-10, `${name}, mean difference`);
    assertClose(exchanged.pValue, more.permutation.p, 1e-9, `${name}, p of exchanges`);
  }
  assert.deepEqual([...methods].sort(), ["exact", "normal"]);
});

Deno.test("pairedPermutationTest by draws comes close to Student's test on many pairs, is never 0 and repeats", () => {
  const { a, b } = fixture.pairs.at(-1)!;
  const drawn = pairedPermutationTest(a, b, { seed: "x" });
  assert.equal(drawn.method, "draws");
  assert.ok(Math.abs(drawn.pValue - pairedTTest(a, b).pValue) < 0.02);
  assert.deepEqual(pairedPermutationTest(a, b, { seed: "x" }), drawn);
  assert.notEqual(pairedPermutationTest(a, b, { seed: "y" }).pValue, drawn.pValue);
  const apart = pairedPermutationTest(a.map((value) => value + 5), b, { resamples: 99 });
  assert.equal(apart.pValue, 0.01);
});

Deno.test("intervals from SciPy's own draws equal SciPy's; own draws come close to its many", () => {
  for (const { values, method, draws, low, high, manyLow, manyHigh } of fixture.bootstraps) {
    const kind = method as "bca" | "percentile";
    const leftOut = values.map((_, out) => mean(values.filter((_, i) => i !== out)));
    const given = intervalOfDraws(
      mean(values),
      Float64Array.from(draws).sort(),
      0.95,
      kind === "bca" ? leftOut : undefined,
    );
    assertClose(given.low, low, 1e-9, `${method} low`);
    assertClose(given.high, high, 1e-9, `${method} high`);
    const own = bootstrapInterval(values, mean, { method: kind, resamples: 20_000 });
    assert.equal(own.method, method);
    const width = manyHigh - manyLow;
    assert.ok(Math.abs(own.low - manyLow) < 0.03 * width && Math.abs(own.high - manyHigh) < 0.03 * width);
  }
});

Deno.test("bootstrapInterval repeats by seed, draws subjects whole and leaves out draws without a value", () => {
  const values = [0.1, 0.4, 0.9, 0.7, 0.3, 0.8];
  const options = { resamples: 500, seed: "a" };
  assert.deepEqual(bootstrapInterval(values, mean, options), bootstrapInterval(values, mean, options));
  assert.notEqual(
    bootstrapInterval(values, mean, options).low,
    bootstrapInterval(values, mean, { ...options, seed: "b" }).low,
  );
  const doubled = values.flatMap((value) => [value, value]);
  const subjects = values.flatMap((_, i) => [`${i}`, `${i}`]);
  const [bySubject, byScan] = [{ ...options, subjects }, options].map((some) => bootstrapInterval(doubled, mean, some));
  assert.ok(bySubject!.high - bySubject!.low > 1.2 * (byScan!.high - byScan!.low)); // two scans of one are not two persons
  assertClose(bySubject!.low, bootstrapInterval(values, mean, options).low, 1e-12, "as single scans");
  const rows = [1, 2, 3, 4].map((value) => ({ value }));
  const partial = (sample: readonly { value: number }[]): number =>
    sample.some(({ value }) => value === 1) ? mean(sample.map(({ value }) => value)) : NaN;
  assert.ok(bootstrapInterval(rows, partial, options).high < 4);
  assert.deepEqual(bootstrapInterval([0.5], mean, options), {
    estimate: 0.5,
    low: 0.5,
    high: 0.5,
    confidence: 0.95,
    method: "exact",
  });
});

Deno.test("bootstrapInterval of a normal mean holds the truth about as often as it says", () => {
  let held = 0;
  for (let trial = 0; trial < 200; trial++) {
    const values = Array.from(
      { length: 30 },
      (_, i) => normalQuantile(((trial * 30 + i) * 0.6180339887498949 + 0.37) % 1),
    );
    const mixed = values.map((value, i) =>
      value + 0.3 * normalQuantile((trial * 0.7548776662466927 + i * 0.5698402909980532) % 1 || 0.5)
    );
    const { low, high } = bootstrapInterval(mixed, mean, { resamples: 400, seed: `${trial}` });
    if (low <= 0 && high >= 0) held++;
  }
  assert.ok(held >= 180, `${held} of 200`);
});

Deno.test("holmCorrection multiplies by the tests that are left and never falls", () => {
  assert.deepEqual(holmCorrection([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
  assert.deepEqual(holmCorrection([0.9, 0.8]), [1, 1]);
  assert.deepEqual(holmCorrection([]), []);
  assert.throws(() => holmCorrection([1.5]), { name: "RangeError", message: /got 1.5, expected 0 to 1/ });
});

Deno.test("pairedDifference counts subjects, not scans", () => {
  const a = [0.9, 0.8, 0.7, 0.95, 0.85, 0.9];
  const b = [0.8, 0.85, 0.6, 0.9, 0.8, 0.85];
  const result = pairedDifference(a, b, { subjects: ["p", "p", "q", "r", "s", "t"], resamples: 500 });
  assert.deepEqual([result.subjects, result.larger, result.smaller], [5, 5, 0]);
  assertClose(result.mean.estimate, 0.05, 1e-9, "mean");
  assertClose(result.wilcoxonP, 2 / 32, 1e-9, "p of rank sum");
  assertClose(result.permutationP, 2 / 32, 1e-9, "p of exchanges");
  assertClose(result.median, 0.05, 1e-9, "median");
  assert.ok(result.mean.low > 0);
});

Deno.test("mean, standardDeviation and quantile are NumPy's", () => {
  assert.deepEqual([mean([1, 2, 6]), quantile([4, 1, 3, 2], 0.5), quantile([4, 1, 3, 2], 0.25)], [3, 2.5, 1.75]);
  assertClose(standardDeviation([1, 2, 6]), Math.sqrt(7), 1e-15, "deviation");
});

Deno.test("statistics refuse what they cannot compute", () => {
  const refuse = (body: () => unknown, message: RegExp): void => assert.throws(body, { name: "RangeError", message });
  refuse(() => mean([]), /too few values: got 0, expected 1/);
  refuse(() => standardDeviation([1]), /too few values: got 1, expected 2/);
  refuse(() => mean([1, NaN]), /a value is no number: got NaN/);
  refuse(() => quantile([1], 2), /bad share: got 2/);
  refuse(() => pairedTTest([1], [1]), /too few values/);
  refuse(() => pairedTTest([1, 2], [1, 3], { confidence: 95 }), /bad confidence: got 95/);
  refuse(() => wilcoxonSignedRank([1, 2], [1]), /the sides differ in number: got 2 and 1/);
  refuse(() => pairedPermutationTest([1], [2], { resamples: 0 }), /bad number of resamples: got 0/);
  refuse(() => bootstrapInterval([]), /no units/);
  refuse(() => bootstrapInterval([1, 2], mean, { subjects: ["a"] }), /differ in number: got 2 and 1/);
  refuse(() => bootstrapInterval([1, 2], () => NaN), /the statistic of the data is no number/);
  assert.deepEqual(wilcoxonSignedRank([1, 2], [1, 2]), { statistic: 0, pValue: 1, method: "exact" });
  const same = pairedTTest([2, 3], [1, 2]);
  assert.deepEqual([same.statistic, same.pValue, same.low, same.high], [Infinity, 0, 1, 1]);
});
